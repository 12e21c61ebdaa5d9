"""What every benchmark of minimal pairs or contrasts does, whatever they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import xarray as xr

    from harness.probe.contrast import Contrast
    from harness.probe.minimal_pairs import Pair
    from harness.record.request import Recordings, Request


class PairBenchmark(ABC):
    """Log-probabilities of the sentences of pairs, and accuracies by paradigm.

    A subclass says ``stimuli``, what its sentences are called, and ``pairs``.
    """

    stimuli: ClassVar[str]

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

        return score_pairs(self.pairs, recordings[self.request])


class ContrastBenchmark(ABC):
    """Log-probabilities of texts after two contexts, and accuracies by paradigm.

    A subclass says ``stimuli``, what its texts are called, and ``contrasts``.
    """

    stimuli: ClassVar[str]

    @property
    @abstractmethod
    def contrasts(self) -> tuple[Contrast, ...]:
        """All contrasts, in an order that does not change."""

    @cached_property
    def request(self) -> Request:
        """Log-probabilities of all texts."""
        from harness.probe.contrast import contrast_request

        return contrast_request(self.stimuli, self.contrasts)

    def requests(self) -> tuple[Request, ...]:
        """Ask for the log-probability of every text after both contexts."""
        return (self.request,)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Return accuracies by paradigm, see :func:`harness.probe.contrast.score_contrasts`."""
        from harness.probe.contrast import score_contrasts

        return score_contrasts(self.contrasts, recordings[self.request])
