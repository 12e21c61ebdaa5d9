"""Designs of participants who had the same stimulus and differ in their confounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.encode.design.band import Band
from harness.encode.design.confounds import Confounds, Projection
from harness.encode.design.kernel import DoubleArray
from harness.encode.design.splits import Fold, IntArray
from harness.encode.solve.confounded import ConfoundedPlan, LowRank, low_rank, project_plan
from harness.encode.solve.ridge import RidgeFit, RidgePlan

KEPT = 2**29
"""Bytes of low-rank changes of kernels that are kept; further ones are made again."""


@dataclass(frozen=True, eq=False)
class OwnDesigns:
    """What each participant's confounds change in the design that all share.

    Parameters
    ----------
    projections : tuple of Projection
        By participant.
    members : tuple of (int, array)
        Participants that have targets, and which.
    """

    projections: tuple[Projection, ...]
    members: tuple[tuple[int, IntArray], ...]
    _kept: dict[int, tuple[LowRank, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, confounds: Confounds | None, usable: IntArray) -> OwnDesigns | None:
        """Take the participants of usable targets; None where all share one design."""
        if confounds is None or confounds.owner is None:
            return None
        owner = np.asarray(confounds.owner)[usable]
        members = tuple((int(p), np.flatnonzero(owner == p)) for p in np.unique(owner))
        return cls(confounds.own, members)

    def n_columns(self, n_targets: int) -> int:
        """Count the columns that go through a shared plan: targets, and changes of kernels."""
        return n_targets + 2 * sum(self.projections[p].basis.shape[1] for p, _ in self.members)

    def prepare(self, layer: int, band: Band) -> None:
        """Compute what confounds change in a layer's kernel, and keep it while it fits."""
        self.changes(layer, lambda _: band)

    def changes(self, layer: int, band_of: Callable[[int], Band]) -> tuple[LowRank, ...]:
        """Return what confounds change in a layer's kernel, by participant."""
        found = self._kept.get(layer)
        if found is None:
            band = band_of(layer)
            found = tuple(low_rank(band, own) for own in self.projections)
            size = sum(change.columns.nbytes for change in found)
            if size * (len(self._kept) + 1) <= KEPT:
                self._kept[layer] = found
        return found

    def plan(self, shared: RidgePlan, change: LowRank, fold: Fold) -> ConfoundedPlan:
        """Plan the ridge regression of one participant."""
        return project_plan(shared, change, fold)

    def fit(
        self, shared: RidgePlan, changes: Sequence[LowRank], fold: Fold, responses: DoubleArray
    ) -> RidgeFit:
        """Fit everybody's targets, (n_samples, n_targets), in the training rows of a fold."""
        n_targets = responses.shape[1]
        scores = np.empty((len(shared.penalties), n_targets))
        chosen = np.empty(n_targets, np.intp)
        predictions = np.empty((len(fold.test), n_targets))
        for person, members in self.members:
            plan = project_plan(shared, changes[person], fold)
            fit = plan.fit(responses[fold.train][:, members])
            scores[:, members], chosen[members] = fit.inner_scores, fit.chosen
            predictions[:, members] = fit.predictions
        return RidgeFit(scores, chosen, predictions)
