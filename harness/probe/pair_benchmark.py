"""What every benchmark of minimal pairs or contrasts does, whatever they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from harness.errors import DataError

if TYPE_CHECKING:
    import xarray as xr

    from harness.probe.contrast import Contrast
    from harness.probe.minimal_pairs import Pair
    from harness.record.request import Recordings, Request


class Starts(StrEnum):
    """After which start sentences are read."""

    OWN = "own"
    """The model's own: what its spec names, or of fewest bits of English."""
    BOTH = "both"
    """That, and what its tokenizer declares: a chat marker changes what pairs say."""


@dataclass(frozen=True)
class PairBenchmark(ABC):
    """Log-probabilities of the sentences of pairs, and accuracies by paradigm.

    A subclass says ``stimuli``, what its sentences are called, and ``pairs``.

    Parameters
    ----------
    starts : str
        ``own``, or ``both``: scores after the declared start stand beside the others.
    """

    stimuli: ClassVar[str]

    starts: str = field(default="own", kw_only=True)

    @property
    @abstractmethod
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs, in an order that does not change."""

    @cached_property
    def request(self) -> Request:
        """Log-probabilities of all sentences."""
        from harness.probe.minimal_pairs import pair_request

        return pair_request(self.stimuli, self.pairs)

    @cached_property
    def declared(self) -> Request:
        """Log-probabilities of all sentences after the start that a tokenizer declares."""
        from harness.probe.minimal_pairs import pair_request
        from harness.record.context import Start

        return pair_request(self.stimuli, self.pairs, Start.DECLARED)

    def requests(self) -> tuple[Request, ...]:
        """Ask for the log-probability of every sentence, after one start or both.

        Raises
        ------
        DataError
            There are no such starts.
        """
        if self.starts not in list(Starts):
            raise DataError(f"no starts {self.starts!r}", f"one of {', '.join(Starts)}")
        return (self.request, self.declared) if self.starts == Starts.BOTH else (self.request,)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Return accuracies by paradigm, see :func:`harness.probe.minimal_pairs.score_pairs`.

        With both starts :func:`harness.probe.minimal_pairs.beside_declared` says what is beside.
        """
        from harness.probe.minimal_pairs import beside_declared, score_pairs

        score = score_pairs(self.pairs, recordings[self.request])
        if self.starts == Starts.OWN:
            return score
        return beside_declared(score, score_pairs(self.pairs, recordings[self.declared]))


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
