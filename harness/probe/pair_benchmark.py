"""What every benchmark of minimal pairs does, whatever its pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import xarray as xr

    from harness.probe.minimal_pairs import Pair
    from harness.record.request import Recordings, Request


class PairBenchmark(ABC):
    """Log-probabilities of the sentences of pairs, and accuracies by paradigm.

    A subclass says ``stimuli``, what its sentences are called, and ``pairs``; ``language``, where
    it is not English.
    """

    stimuli: ClassVar[str]

    @property
    def language(self) -> str:
        """Code of the language whose word frequencies are the unigram model."""
        return "en"

    @property
    @abstractmethod
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs, in an order that does not change."""

    @cached_property
    def request(self) -> Request:
        """Log-probabilities of all sentences."""
        from harness.probe.minimal_pairs import pair_request

        return pair_request(self.stimuli, self.pairs)

    def requests(self) -> tuple[Request, ...]:
        """Ask for the log-probability of every sentence."""
        return (self.request,)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Return accuracies by paradigm, see :func:`harness.probe.minimal_pairs.score_pairs`."""
        from harness.probe.minimal_pairs import score_pairs

        return score_pairs(self.pairs, recordings[self.request], self.language)
