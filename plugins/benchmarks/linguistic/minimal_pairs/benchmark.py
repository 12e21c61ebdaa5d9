"""The embedded linguistic benchmark."""

from __future__ import annotations

from typing import ClassVar

from harness.probe.minimal_pairs import Pair
from harness.probe.pair_benchmark import PairBenchmark

from .generate import pairs


class MinimalPairs(PairBenchmark):
    """Accuracy on pairs generated from grammars written for this project."""

    stimuli: ClassVar = "minimal-pairs"

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs, by paradigm."""
        return tuple(pairs())
