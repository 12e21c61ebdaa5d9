"""Held-out errors of every penalty in an inner fold: what many voxels share, multiplied out.

Filters of the penalties are sums of a few functions of the eigenvalues, segment by segment
(:mod:`harness.encode.solve.segments`); those are multiplied into the held-out rows beforehand, so
that a block of voxels costs a few large products and cheap sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.encode.design.kernel import Spectrum
from harness.encode.design.options import Precision
from harness.encode.design.splits import Fold
from harness.encode.solve.placed import put, size
from harness.encode.solve.segments import Segment, cheapest_segments
from harness.numeric.arrays import Doubles
from harness.numeric.products import product

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SLAB = 32
"""Held-out rows whose errors are summed up at a time."""

TOLERANCE = {Precision.DOUBLE: 1e-9, Precision.SINGLE: 1e-4}
"""Largest error of a prediction in the scan, relative to the spread of the response, which needs a
response that lies on a single leading eigenvector (``SPREAD`` times that: on one of the tail);
others, and scores, are closer by orders of magnitude. The final fit has none of it."""


@dataclass(frozen=True, eq=False)
class _Products:
    """Functions of one segment of eigenvalues, multiplied into the held-out rows."""

    columns: slice | None  # of the projections; None: of the training rows themselves
    rows: Tensor  # (n_functions * n_test, n_columns or n_train)


@dataclass(frozen=True, eq=False)
class InnerFold:
    """Training rows of an inner fold to its held-out rows. Made by :func:`plan_inner_fold`."""

    train: Tensor
    test: Tensor
    basis: Tensor  # (n_projections, n_train)
    products: tuple[_Products, ...]
    weights: Tensor  # (n_penalties, n_functions of all segments)

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return size(self.basis, self.weights, *(p.rows for p in self.products))

    def errors(self, y: Tensor, held: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Held-out responses - predictions, (n_penalties, n_rows, n_voxels), a few rows at a time.

        On a CPU few enough for its caches: they are summed up where they are made.
        """
        import torch

        train = y[self.train]
        mean = train.mean(dim=0)
        train = train.sub_(mean).to(self.basis.dtype)
        axes = product(self.basis, train)
        parts = []
        for step in self.products:
            part = product(step.rows, train if step.columns is None else axes[step.columns])
            parts.append(part.reshape(-1, *held.shape))
        centred = held - mean
        n_rows = SLAB if held.device.type == "cpu" else len(held)
        for start in range(0, len(held), n_rows):
            rows = slice(start, min(start + n_rows, len(held)))
            # Without products features vary in the held-out rows only: nothing can be predicted.
            slab = [part[:, rows].to(held.dtype).flatten(1) for part in parts]
            stacked = torch.cat(slab) if slab else centred.new_empty(0, centred[rows].numel())
            errors = centred[rows].reshape(1, -1).addmm(self.weights, stacked, alpha=-1)
            yield rows, errors.reshape(-1, *centred[rows].shape)


def plan_inner_fold(
    fold: Fold,
    own: Spectrum,
    penalties: Doubles,
    *,
    precision: Precision,
    scanned: torch.dtype,
    device: str,
) -> InnerFold:
    """Multiply out what voxels share in an inner fold, decomposed by itself.

    ``precision`` is of what is multiplied out, ``scanned`` the type of products with voxels.
    """
    import torch

    precise = torch.float64 if precision is Precision.DOUBLE else torch.float32
    segments = cheapest_segments(own, penalties, TOLERANCE[precision])
    heldout, basis = (put(a, device, precise) for a in (own.heldout, own.basis))
    products = []
    projected = [basis[:, :0]]
    for segment in segments:
        columns = None
        if not segment.direct:
            done = sum(part.shape[1] for part in projected)
            projected.append(basis[:, segment.columns])
            columns = slice(done, done + projected[-1].shape[1])
        products.append(_Products(columns, _multiplied(segment, heldout, basis).to(scanned)))
    weights = np.hstack([np.zeros((len(penalties), 0)), *(s.coefficients for s in segments)])
    return InnerFold(
        put(fold.train, device),
        put(fold.test, device),
        torch.cat(projected, dim=1).T.to(scanned).contiguous(),
        tuple(products),
        put(weights, device, precise),
    )


def _multiplied(segment: Segment, heldout: Tensor, basis: Tensor) -> Tensor:
    """Held-out rows of a fold times each function of a segment, one below the other."""
    functions = heldout.new_tensor(segment.functions)
    filtered = (functions[:, None, :] * heldout[:, segment.columns]).flatten(0, 1)
    return product(filtered, basis[:, segment.columns].T) if segment.direct else filtered
