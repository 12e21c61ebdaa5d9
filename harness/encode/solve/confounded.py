"""Ridge regression on a design that had a participant's own confounds projected out.

Participants who had the same stimulus share the kernel ``K`` and its decomposition. With ``Q`` an
orthonormal basis of one participant's confounds, the kernel of the projected design is

    P K P = K + V M V',  V = [Q, K Q],  M = [[S, -I], [-I, 0]],  S = Q' K Q,

which is the kernel of a joint fit of the shared features with the few columns ``V``, whose
"penalty" is the matrix ``penalty * inv(M)``, ``inv(M) = [[0, -I], [-I, -S]]``. What
:mod:`harness.encode.solve.joint` does for a nuisance band is therefore exact here too (Woodbury):
``V`` passes through the shared plan as targets do, and every penalty costs one small system.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import numpy.typing as npt

from harness.encode.design.band import Band
from harness.encode.design.confounds import Projection
from harness.encode.design.kernel import DoubleArray, FloatArray
from harness.encode.design.splits import Fold, IntArray
from harness.encode.solve.inner import FoldErrors, InnerFolds
from harness.encode.solve.joint import JointPlan, plan_joint
from harness.encode.solve.ridge import RidgePlan


@dataclass(frozen=True, eq=False)
class LowRank:
    """Columns ``V`` of all rows and the inverse of ``M``, for one band and participant.

    Parameters
    ----------
    columns : array, shape (n_samples, 2 * rank)
    inverse : array, shape (2 * rank, 2 * rank)
    """

    columns: DoubleArray
    inverse: DoubleArray


def low_rank(band: Band, confounds: Projection) -> LowRank:
    """Write what confounds change in the kernel of a band as columns.

    Parameters
    ----------
    band : Band
        Shared features.
    confounds : Projection
        Of one participant.

    Returns
    -------
    LowRank
    """
    q = confounds.basis
    across = np.asarray(band.products(q), np.float64)
    inner = q.T @ across
    # The two halves of V differ in scale by an eigenvalue: brought to one.
    scale = max(float(np.linalg.norm(across)) / max(float(np.linalg.norm(q)), 1e-300), 1e-300)
    eye = np.eye(q.shape[1])
    zero = np.zeros_like(eye)
    inverse = np.block([[zero, -eye / scale], [-eye / scale, -(inner + inner.T) / 2 / scale**2]])
    return LowRank(np.concatenate([q, across / scale], axis=1), inverse)


@dataclass(frozen=True, eq=False)
class ProjectedErrors:
    """A block of targets in one inner fold of the projected design; a ``FoldErrors``."""

    targets: FoldErrors
    confounds: FoldErrors
    system: DoubleArray  # V' G V + penalty * inv(M), for each penalty

    @property
    def test(self) -> IntArray:
        """Held-out rows, as positions among the training rows."""
        return self.targets.test

    @cached_property
    def _along(self) -> DoubleArray:
        """``V' G y``, (n_penalties, 2 * rank, n_targets)."""
        return self.targets.gains(self.confounds)

    @cached_property
    def _weights(self) -> DoubleArray:
        return np.asarray(np.linalg.solve(self.system, self._along))

    @cached_property
    def errors(self) -> FloatArray:
        """Responses minus predictions, (n_penalties, n_test, n_targets)."""
        return np.asarray(self.targets.errors - self.confounds.errors @ self._weights)

    def gains(self, columns: FoldErrors) -> DoubleArray:
        """``X' G y`` of the projected design, (n_penalties, n_columns, n_targets)."""
        x = cast(ProjectedErrors, columns)
        return np.asarray(self.targets.gains(x.targets) - x._along.swapaxes(1, 2) @ self._weights)


@dataclass(frozen=True, eq=False)
class ProjectedFolds:
    """Inner folds of the projected design; ``InnerFolds``."""

    shared: InnerFolds
    columns: DoubleArray
    inverse: DoubleArray
    penalties: DoubleArray

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self.columns.nbytes + self.inverse.nbytes

    @cached_property
    def _confounds(self) -> tuple[tuple[FoldErrors, DoubleArray], ...]:
        penalty = self.penalties[:, None, None] * self.inverse
        return tuple((own, own.gains(own) + penalty) for own in self.shared.each(self.columns))

    def each(self, responses: DoubleArray) -> Iterator[FoldErrors]:
        """Take a block of centred targets, (n_train, n_targets), through the inner folds."""
        for targets, own in zip(self.shared.each(responses), self._confounds, strict=True):
            yield ProjectedErrors(targets, *own)


@dataclass(frozen=True, eq=False)
class ConfoundedPlan(RidgePlan):
    """A ridge plan of the projected design; made by :func:`project_plan`.

    Parameters
    ----------
    columns, heldout : array, shape (n_train, 2 * rank), (n_heldout, 2 * rank)
        ``V``, about its mean over the training rows.
    inverse : array, shape (2 * rank, 2 * rank)
        Of ``M``.
    """

    columns: DoubleArray
    heldout: DoubleArray
    inverse: DoubleArray

    def predict(self, responses: FloatArray, chosen: IntArray) -> DoubleArray:
        """Predict the held-out rows from all training rows, (n_heldout, n_targets)."""
        y = self.checked(responses)
        mean = y.mean(axis=0, dtype=np.float64)
        nothing = np.empty((len(y), 0)), np.empty((len(self.heldout), 0))
        model, _ = _final(self, *nothing, y - mean, chosen, np.ones(y.shape[1]))
        return np.asarray(model + mean)


def project_plan(plan: RidgePlan, change: LowRank, fold: Fold) -> ConfoundedPlan:
    """Plan the ridge regression of a participant from the plan that all share.

    Parameters
    ----------
    plan : RidgePlan
        Of the shared design in an outer fold.
    change : LowRank
        Of the design of all rows.
    fold : Fold
        The outer fold.

    Returns
    -------
    ConfoundedPlan
    """
    columns, heldout = change.columns[fold.train], change.columns[fold.test]
    mean = columns.mean(axis=0)
    columns, heldout = columns - mean, heldout - mean
    inner = ProjectedFolds(plan.inner, columns, change.inverse, plan.penalties)
    return ConfoundedPlan(
        plan.spectrum, plan.penalties, plan.metric, inner, columns, heldout, change.inverse
    )


@dataclass(frozen=True, eq=False)
class ConfoundedJoint(JointPlan):
    """A joint regression of the projected design and nuisance; see :func:`project_joint`."""

    def _predict(self, responses: FloatArray, chosen: IntArray) -> tuple[DoubleArray, DoubleArray]:
        y = responses - responses.mean(axis=0, dtype=np.float64)
        plan = cast(ConfoundedPlan, self.model)
        return _final(plan, self._columns, self._heldout, y, chosen[0], self.penalties[chosen[1]])


def project_joint(
    model: ConfoundedPlan, columns: FloatArray, heldout: FloatArray, penalties: npt.ArrayLike
) -> ConfoundedJoint:
    """Plan a joint regression, as :func:`harness.encode.solve.joint.plan_joint` does.

    Parameters
    ----------
    model : ConfoundedPlan
    columns, heldout : array, shape (n_train, n_columns), (n_heldout, n_columns)
        Nuisance regressors (delayed), the participant's confounds projected out.
    penalties : array, shape (n_nuisance_penalties,)
        Positive, ascending.

    Returns
    -------
    ConfoundedJoint
    """
    plan = plan_joint(model, columns, heldout, penalties)
    return ConfoundedJoint(**vars(plan))


def _final(
    plan: ConfoundedPlan,
    columns: DoubleArray,
    heldout: DoubleArray,
    centred: DoubleArray,
    chosen: IntArray,
    penalties: DoubleArray,
) -> tuple[DoubleArray, DoubleArray]:
    """Fit all training rows: the model's and the nuisance's part of the held-out predictions.

    ``columns`` are nuisance regressors, ``penalties`` those of each target for them.
    """
    spectrum, rank = plan.spectrum, plan.columns.shape[1]
    both = np.concatenate([plan.columns, columns], axis=1)
    axes_both, axes = spectrum.basis.T @ both, spectrum.basis.T @ centred
    n_targets = centred.shape[1]
    out = np.empty((len(plan.heldout), n_targets)), np.empty((len(plan.heldout), n_targets))
    eye = np.eye(columns.shape[1])
    for number in np.unique(chosen):
        penalty = plan.penalties[number]
        shrink = spectrum.values / (spectrum.values + penalty)
        curvature = both.T @ both - (axes_both.T * shrink) @ axes_both
        curvature[:rank, :rank] += penalty * plan.inverse
        for other in np.unique(penalties[chosen == number]):
            members = np.flatnonzero((chosen == number) & (penalties == other))
            system = curvature.copy()
            system[rank:, rank:] += other * eye
            along = both.T @ centred[:, members] - (axes_both.T * shrink) @ axes[:, members]
            weights = np.linalg.solve(system, along)
            dual = axes[:, members] - axes_both @ weights
            dual /= spectrum.values[:, None] + penalty
            out[0][:, members] = spectrum.heldout @ dual + plan.heldout @ weights[:rank]
            out[1][:, members] = heldout @ weights[rank:]
    return out
