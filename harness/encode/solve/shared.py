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

from harness.encode.design.kernel import DoubleArray, FloatArray, Spectrum
from harness.encode.design.options import Precision
from harness.encode.design.splits import Fold, IntArray
from harness.encode.solve.inner import decomposed_folds
from harness.numeric.products import product

if TYPE_CHECKING:
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
        self._tests = [torch.from_numpy(fold.test).to(device) for fold in folds]
        self._sums = torch.zeros(len(folds), n_train, n_train, dtype=dtype, device=device)
        self._count = 0

    def add(self, responses: FloatArray) -> None:
        """Add voxels, (n_train, n_voxels), that vary in every fold."""
        import torch

        y = torch.from_numpy(np.ascontiguousarray(responses)).to(self._sums)
        y = y - y.mean(dim=0)  # not in place: the caller's memory
        self._count += y.shape[1]
        step = -(-len(y) // STRIPS)
        for test, total in zip(self._tests, self._sums, strict=True):
            held = y[test]
            scaled = y / torch.linalg.vector_norm(held - held.mean(dim=0), dim=0)
            for start in range(0, len(y), step):
                stop = start + step
                total[start:stop, :stop] += product(scaled[start:stop], scaled[:stop].T)

    def mean(self) -> FloatArray:
        """Return their mean over voxels, (n_folds, n_train, n_train)."""
        lower = self._sums.tril() / max(self._count, 1)
        whole = lower + lower.tril(-1).mT
        return np.asarray(whole.cpu().numpy())


@dataclass(frozen=True, eq=False)
class _SharedFold:
    """An inner fold of a layer."""

    train: Tensor
    test: Tensor
    basis: Tensor  # (n_inner_train, rank)
    values: Tensor  # (rank,), float64
    heldout: Tensor  # (n_test, rank)
    overlap: Tensor  # (rank, rank): inner products of held-out rows' coordinates

    def lost(self, cross: Tensor, penalties: Tensor) -> Tensor:
        """Held-out squared error over variance, mean over voxels, (n_penalties,)."""
        train = cross[self.train][:, self.train]
        side = cross[self.train][:, self.test]
        # Held-out rows are about the mean of the training rows; the basis leaves it out by itself.
        mean = train.mean(dim=1, keepdim=True)
        base = cross.diagonal()[self.test] - 2 * side.mean(dim=0) + mean.mean()
        between = product(self.basis.T, side - mean)
        linear = (between * self.heldout.T).sum(dim=1).double()
        inside = product(product(self.basis.T, train), self.basis)
        square = inside.mul_(self.overlap).double()
        filters = 1 / (self.values + penalties[:, None])
        return base.double().sum() - 2 * filters @ linear + ((filters @ square) * filters).sum(1)

    def hat(self, penalty: float) -> Tensor:
        """From centred training rows to the held-out rows."""
        return _hat(self.basis, self.values, self.heldout, penalty)


@dataclass(frozen=True, eq=False)
class SharedFit:
    """A layer at one penalty, through which voxels stream.

    Made by :meth:`SharedPlan.at`.
    """

    _final: Tensor
    _inner: tuple[tuple[_SharedFold, Tensor], ...]

    def fit(self, responses: FloatArray) -> tuple[DoubleArray, FloatArray]:
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

        y = torch.from_numpy(np.ascontiguousarray(responses)).to(self._final)
        mean = y.mean(dim=0)
        y = y - mean  # not in place: the caller's memory
        inner = torch.zeros(y.shape[1], dtype=torch.float64, device=y.device)
        for fold, hat in self._inner:
            train, held = y[fold.train], y[fold.test]
            offset = train.mean(dim=0)
            errors = held - offset - product(hat, train - offset)
            lost, total = (_squares(part) for part in (errors, held - held.mean(dim=0)))
            inner += (1 - lost / total) / len(self._inner)
        return inner.cpu().numpy(), product(self._final, y).add_(mean).cpu().numpy()


@dataclass(frozen=True, eq=False)
class SharedPlan:
    """Everything about a layer and fold that does not depend on responses.

    Made by :func:`plan_shared`.

    Parameters
    ----------
    penalties : array, shape (n_penalties,)
        Ascending.
    """

    penalties: DoubleArray
    _basis: Tensor
    _values: Tensor
    _heldout: Tensor
    _folds: tuple[_SharedFold, ...]

    def score(self, crosses: FloatArray) -> DoubleArray:
        """Mean over voxels of the inner R2 of each penalty.

        Parameters
        ----------
        crosses : array, shape (n_folds, n_train, n_train)
            Of :meth:`CrossProducts.mean`; may be a memory map.

        Returns
        -------
        array, shape (n_penalties,)
        """
        import torch

        grid = self._values.new_tensor(self.penalties)
        scores = torch.ones_like(grid)
        for fold, cross in zip(self._folds, crosses, strict=True):
            whole = torch.from_numpy(np.array(cross)).to(self._basis)
            scores -= fold.lost(whole, grid) / len(self._folds)
        return np.asarray(scores.cpu().numpy())

    def at(self, chosen: int) -> SharedFit:
        """Multiply out one penalty, given by its index."""
        penalty = float(self.penalties[chosen])
        final = _hat(self._basis, self._values, self._heldout, penalty)
        return SharedFit(final, tuple((fold, fold.hat(penalty)) for fold in self._folds))


def plan_shared(
    spectrum: Spectrum,
    folds: Sequence[Fold],
    penalties: DoubleArray,
    *,
    precision: Precision = Precision.SINGLE,
    device: str = "cpu",
) -> SharedPlan:
    """Decompose the training rows of every inner fold, and put them on a device.

    Parameters
    ----------
    spectrum : Spectrum
        Of the training rows.
    folds : sequence of Fold
        Inner folds; row numbers are positions among the training rows.
    penalties : array, shape (n_penalties,)
        Positive, ascending.
    precision : Precision
        Of products with voxels and of their cross-products. Decompositions are made in float64.
    device : str
        ``cpu``, ``cuda``, ``cuda:1``, …

    Returns
    -------
    SharedPlan
    """
    import torch

    dtype = getattr(torch, str(precision.value))

    def put(array: FloatArray | IntArray, kind: torch.dtype | None = dtype) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device, kind)

    def inner(fold: Fold, own: Spectrum) -> _SharedFold:
        heldout = put(own.heldout)
        return _SharedFold(
            put(fold.train, None),
            put(fold.test, None),
            put(own.basis),
            put(own.values, torch.float64),
            heldout,
            product(heldout.T, heldout),
        )

    return SharedPlan(
        penalties,
        put(spectrum.basis),
        put(spectrum.values, torch.float64),
        put(spectrum.heldout),
        tuple(inner(*pair) for pair in decomposed_folds(spectrum, folds)),
    )


def _hat(basis: Tensor, values: Tensor, heldout: Tensor, penalty: float) -> Tensor:
    return product(heldout / (values + penalty).to(heldout.dtype), basis.T)


def _squares(columns: Tensor) -> Tensor:
    import torch

    squares: Tensor = torch.linalg.vector_norm(columns, dim=0).double().square()
    return squares
