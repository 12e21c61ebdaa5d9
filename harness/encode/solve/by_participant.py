"""Designs of participants who had the same stimulus and differ in their confounds.

With ``Q`` an orthonormal basis of one participant's confounds, the kernel of the projected design
is

    P K P = K + V M V',  V = [Q, K Q],  M = [[S, -I], [-I, 0]],  S = Q' K Q,

a change of low rank: ``inv(M) = [[0, -I], [-I, -S]]`` and ``V`` are what
:mod:`harness.encode.solve.changed` takes, and nothing is decomposed again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from harness.encode.design.band import Band
from harness.encode.design.confounds import Confounds, Projection
from harness.numeric.arrays import Doubles, Positions

KEPT = 2**29
"""Bytes of changes of kernels that are kept; further ones are made again."""

Change = tuple[Doubles, Doubles]
"""Columns ``V`` of all rows, and the inverse of ``M``."""


@dataclass(frozen=True, eq=False)
class OwnDesigns:
    """What each participant's confounds change in the design that all share."""

    projections: tuple[Projection, ...]
    members: tuple[tuple[int, Positions], ...]  # participants with usable targets, and which
    _kept: dict[int, tuple[Change, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, confounds: Confounds | None, usable: Positions) -> OwnDesigns | None:
        """Take the participants of usable targets; None where all share one design."""
        if confounds is None or confounds.owner is None:
            return None
        owner = np.asarray(confounds.owner)[usable]
        members = tuple((int(p), np.flatnonzero(owner == p)) for p in np.unique(owner))
        return cls(confounds.own, members)

    def prepare(self, layer: int, band: Band) -> None:
        """Compute what confounds change in a layer's kernel, and keep it while it fits."""
        changes = tuple(low_rank(band, own) for own in self.projections)
        size = sum(columns.nbytes for columns, _ in changes)
        if size * (len(self._kept) + 1) <= KEPT:
            self._kept[layer] = changes

    def change(self, person: int, layer: int, band_of: Callable[[int], Band]) -> Change:
        """Return what a participant's confounds change in a layer's kernel."""
        kept = self._kept.get(layer)
        return kept[person] if kept else low_rank(band_of(layer), self.projections[person])


def low_rank(band: Band, confounds: Projection) -> Change:
    """Write what a participant's confounds change in the kernel of shared features as columns.

    ``V``, (n_samples, 2 * rank), and the inverse of ``M``.
    """
    q = confounds.basis
    across = np.asarray(band.products(q), np.float64)
    inner = q.T @ across
    # The two halves of V differ in scale by an eigenvalue: brought to one.
    scale = max(float(np.linalg.norm(across)) / max(float(np.linalg.norm(q)), 1e-300), 1e-300)
    eye = np.eye(q.shape[1])
    zero = np.zeros_like(eye)
    inverse = np.block([[zero, -eye / scale], [-eye / scale, -(inner + inner.T) / 2 / scale**2]])
    return np.concatenate([q, across / scale], axis=1), inverse
