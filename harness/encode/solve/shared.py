"""One penalty for all voxels of a participant, at a cost that does not grow with their number.

The mean over voxels of an inner R2 is ``1 - mean(|E y|^2 / total)``, with ``E`` the operator from
responses to held-out errors: ``1 - trace(E Y E')``, with ``Y`` the mean over voxels of
``y y' / total``, rows by rows. These cross-products are summed once for each inner fold and serve
all layers. On the eigenvectors of a layer's training rows the trace is a quadratic form in the
filter ``1 / (s + penalty)``, so that further penalties cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.encode.design.kernel import Spectrum
from harness.encode.design.options import Metric, Precision
from harness.encode.design.splits import Fold
from harness.encode.solve.held_out import HeldOut
from harness.encode.solve.inner import decomposed_folds
from harness.encode.solve.placed import put
from harness.numeric.arrays import Doubles, Floats
from harness.numeric.products import product

if TYPE_CHECKING:
    import torch
    from torch import Tensor

STRIPS = 8
"""Cross-products are symmetric: as many strips of rows, each up to the diagonal, leave out nearly
half of them."""


class CrossProducts:
    """Sums of voxels' products with themselves, row by row, one for each inner fold.

    A voxel counts with one over its variance in the held-out rows of the fold.

    Parameters
    ----------
    folds : sequence of Fold
        Inner folds; row numbers are positions among the training rows.
    n_train : int
    precision : Precision
        Of the products.
    device : str
        Where they are made.
    """

    def __init__(
        self, folds: Sequence[Fold], n_train: int, precision: Precision, device: str
    ) -> None:
        import torch

        dtype = getattr(torch, str(precision.value))
        self._tests = [put(fold.test, device) for fold in folds]
        self._sums = torch.zeros(len(folds), n_train, n_train, dtype=dtype, device=device)
        self._count = 0

    def add(self, responses: Floats) -> None:
        """Add voxels, (n_train, n_voxels), that vary in every fold."""
        import torch

        y = _centred(responses, self._sums)[0]
        self._count += y.shape[1]
        step = -(-len(y) // STRIPS)
        for test, total in zip(self._tests, self._sums, strict=True):
            held = y[test]
            scaled = y / torch.linalg.vector_norm(held - held.mean(dim=0), dim=0)
            for start in range(0, len(y), step):
                stop = start + step
                total[start:stop, :stop] += product(scaled[start:stop], scaled[:stop].T)

    def mean(self) -> Floats:
        """Return their mean over voxels, (n_folds, n_train, n_train)."""
        lower = self._sums.tril() / max(self._count, 1)
        whole = lower + lower.tril(-1).mT
        return np.asarray(whole.cpu().numpy())


@dataclass(frozen=True, eq=False)
class _Rows:
    """The training rows of a fit, decomposed, and its held-out rows."""

    basis: Tensor  # (n_train, rank)
    values: Tensor  # (rank,), float64
    heldout: Tensor  # (n_test, rank)

    @classmethod
    def of(cls, own: Spectrum, device: str, dtype: torch.dtype) -> _Rows:
        basis, heldout = (put(array, device, dtype) for array in (own.basis, own.heldout))
        return cls(basis, put(own.values, device), heldout)

    def hat(self, penalty: float) -> Tensor:
        """From centred training rows to the held-out rows."""
        return product(self.heldout / (self.values + penalty).to(self.heldout.dtype), self.basis.T)

    def lost(self, fold: Fold, cross: Tensor, penalties: Tensor) -> Tensor:
        """Held-out squared error over variance, mean over voxels, (n_penalties,)."""
        train = cross[fold.train][:, fold.train]
        side = cross[fold.train][:, fold.test]
        # Held-out rows are about the mean of the training rows; the basis leaves it out by itself.
        mean = train.mean(dim=1, keepdim=True)
        base = cross.diagonal()[fold.test] - 2 * side.mean(dim=0) + mean.mean()
        between = product(self.basis.T, side - mean)
        linear = (between * self.heldout.T).sum(dim=1).double()
        inside = product(product(self.basis.T, train), self.basis)
        square = inside.mul_(product(self.heldout.T, self.heldout)).double()
        filters = 1 / (self.values + penalties[:, None])
        return base.double().sum() - 2 * filters @ linear + ((filters @ square) * filters).sum(1)


@dataclass(frozen=True, eq=False)
class SharedFit:
    """A layer at one penalty, through which voxels stream. Made by :meth:`SharedPlan.at`."""

    _final: Tensor
    _inner: tuple[tuple[Fold, Tensor], ...]

    def fit(self, responses: Floats) -> tuple[Doubles, Floats]:
        """Score the inner folds and predict the held-out rows.

        Parameters
        ----------
        responses : array, shape (n_train, n_voxels)
            Finite.

        Returns
        -------
        inner : array, shape (n_voxels,)
            Inner R2, mean over folds.
        predictions : array, shape (n_heldout, n_voxels)
        """
        import torch

        y, mean = _centred(responses, self._final)
        inner = torch.zeros(y.shape[1], dtype=torch.float64, device=y.device)
        for fold, hat in self._inner:
            train, held = y[fold.train], y[fold.test]
            offset = train.mean(dim=0)
            errors = held - offset - product(hat, train - offset)
            scored = HeldOut(held, Metric.R2)
            inner += scored.score(*scored.sums([(slice(None), errors[None])]))[0]
        predictions = product(self._final, y).add_(mean)
        return (inner / len(self._inner)).cpu().numpy(), predictions.cpu().numpy()


@dataclass(frozen=True, eq=False)
class SharedPlan:
    """Everything about a layer and fold that does not depend on responses.

    Made by :func:`plan_shared`; penalties ascend.
    """

    penalties: Doubles
    _final: _Rows
    _inner: tuple[tuple[Fold, _Rows], ...]

    def score(self, crosses: Floats) -> Doubles:
        """Mean over voxels of the inner R2 of each penalty, (n_penalties,).

        ``crosses``, (n_folds, n_train, n_train), are of :meth:`CrossProducts.mean`; they may be a
        memory map.
        """
        import torch

        grid = self._final.values.new_tensor(self.penalties)
        scores = torch.ones_like(grid)
        for (fold, rows), cross in zip(self._inner, crosses, strict=True):
            whole = torch.from_numpy(np.array(cross)).to(self._final.basis)
            scores -= rows.lost(fold, whole, grid) / len(self._inner)
        return np.asarray(scores.cpu().numpy())

    def at(self, chosen: int) -> SharedFit:
        """Multiply out one penalty, given by its index."""
        penalty = float(self.penalties[chosen])
        inner = tuple((fold, rows.hat(penalty)) for fold, rows in self._inner)
        return SharedFit(self._final.hat(penalty), inner)


def plan_shared(
    spectrum: Spectrum,
    folds: Sequence[Fold],
    penalties: Doubles,
    *,
    precision: Precision = Precision.SINGLE,
    device: str = "cpu",
) -> SharedPlan:
    """Decompose the training rows of every inner fold, and put them on a device.

    ``precision`` is of products with voxels and of their cross-products, decompositions are made in
    float64; for the rest see :func:`harness.encode.solve.scan.plan_scan`.
    """
    import torch

    dtype = getattr(torch, str(precision.value))
    inner = tuple(
        (fold, _Rows.of(own, device, dtype)) for fold, own in decomposed_folds(spectrum, folds)
    )
    return SharedPlan(penalties, _Rows.of(spectrum, device, dtype), inner)


def _centred(responses: Floats, like: Tensor) -> tuple[Tensor, Tensor]:
    """Responses about their mean, as a tensor like another, and the mean."""
    import torch

    y = torch.from_numpy(np.ascontiguousarray(responses)).to(like)
    mean = y.mean(dim=0)
    return y - mean, mean  # not in place: the caller's memory
