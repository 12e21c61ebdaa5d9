"""Ridge regression on a design that differs from the one that all share by a few columns.

Participants who had the same stimulus share a kernel and its decompositions; what their own
confounds take out of it is a change of low rank (:class:`harness.encode.solve.joint_scan.Change`).
Its columns pass through the shared plan as nuisance columns do, so that nothing is decomposed
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.encode.design.kernel import DoubleArray, FloatArray, Spectrum
from harness.encode.design.splits import Fold
from harness.encode.solve.choice import best_index
from harness.encode.solve.joint_scan import Change, JointScan, plan_joint_scan
from harness.encode.solve.scan import Scan, ScanFit


@dataclass(frozen=True, eq=False)
class ProjectedScan:
    """A plan of the changed design; made by :func:`project_scan`.

    Parameters
    ----------
    scan : Scan
        Of the shared design.
    change : Change
        What sets the design apart.
    """

    scan: Scan
    change: Change
    _alone: JointScan

    @property
    def penalties(self) -> DoubleArray:
        """Penalties of the model, (n_penalties,), ascending."""
        return self.scan.penalties

    @property
    def nbytes(self) -> int:
        """Memory held beside the shared plan's, in bytes."""
        return self._alone.nbytes

    def start(self, responses: FloatArray) -> DoubleArray:
        """Inner scores of the shared design, which a joint fit starts from."""
        return self.scan.start(responses)

    def fit(self, responses: FloatArray) -> ScanFit:
        """Choose a penalty for each target and predict the held-out rows.

        Parameters
        ----------
        responses : array, shape (n_train, n_targets)
            Finite.

        Returns
        -------
        ScanFit
        """
        inner = self._alone.table(responses, self.start(responses))[:, 0]
        chosen = best_index(inner)
        pairs = np.stack([chosen, np.zeros_like(chosen)])
        model, _ = self._alone.predict(responses, pairs)
        return ScanFit(inner, chosen, model + responses.mean(axis=0, dtype=np.float64))


def project_scan(
    scan: Scan, spectrum: Spectrum, folds: Sequence[Fold], change: Change
) -> ProjectedScan:
    """Plan the changed design from the plan of the shared one.

    Parameters
    ----------
    scan : Scan
        Of the shared design.
    spectrum : Spectrum
        From which it was planned.
    folds : sequence of Fold
        Its inner folds.
    change : Change
        What sets the design apart.

    Returns
    -------
    ProjectedScan
    """
    train, heldout = change.train[:, :0], change.heldout[:, :0]
    alone = plan_joint_scan(scan, spectrum, folds, train, heldout, [1.0], change)
    return ProjectedScan(scan, change, alone)
