"""The embedded linguistic benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import DataError
from harness.probe.minimal_pairs import Pair
from harness.probe.pair_benchmark import PairBenchmark

from .generate import pairs
from .grammar import PAIRS, WHOLE


@dataclass(frozen=True)
class MinimalPairs(PairBenchmark):
    """Accuracy on pairs generated from grammars written for this project.

    Parameters
    ----------
    each : int
        Pairs of each paradigm, a multiple of 4 up to 40, so that items stay whole. Fewer are the
        first of these 40.
    starts : str
        See :class:`harness.probe.pair_benchmark.PairBenchmark`.
    """

    stimuli: ClassVar = "minimal-pairs"

    each: int = PAIRS

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs, by paradigm.

        Raises
        ------
        DataError
            There are no such parts of a paradigm.
        """
        if self.each not in range(WHOLE, PAIRS + 1, WHOLE):
            raise DataError(
                f"minimal-pairs has no {self.each} pairs of each paradigm",
                f"each= takes {WHOLE}, {2 * WHOLE}, {3 * WHOLE}, … {PAIRS}",
            )
        return tuple(pairs(self.each))
