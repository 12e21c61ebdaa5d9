"""The embedded linguistic benchmark."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from harness.probe.minimal_pairs import pair_request, score_pairs
from harness.record.request import Recordings, Request
from plugins.benchmarks.linguistic.minimal_pairs.generate import pairs

if TYPE_CHECKING:
    import xarray as xr


class MinimalPairs:
    """Accuracy on pairs generated from grammars written for this project."""

    @cached_property
    def request(self) -> Request:
        """Log-probabilities of all sentences."""
        return pair_request("minimal-pairs", pairs())

    def requests(self) -> tuple[Request, ...]:
        """Return the one request."""
        return (self.request,)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Return accuracies by task, see :func:`harness.probe.minimal_pairs.score_pairs`."""
        return score_pairs(pairs(), recordings[self.request])
