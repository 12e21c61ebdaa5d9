"""The part of a ridge plan that voxels go through, on any device.

What :class:`harness.encode.refit.RefitEach` and :meth:`harness.encode.ridge.RidgePlan.predict` do
with NumPy for some hundreds of targets, arranged for whole brains: the filters are multiplied into
the held-out rows beforehand, so that a block of voxels costs two large products a fold and cheap
sums. The same torch code runs on CPUs and GPUs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from harness.encode.kernel import DoubleArray, FloatArray, Precision, Spectrum
from harness.encode.refit import RefitFold, refitted_folds
from harness.encode.scores import Metric
from harness.encode.splits import Fold, IntArray

if TYPE_CHECKING:
    from torch import Tensor

WIDTH = {"cpu": 256, "cuda": 4096}
"""Voxels worked on at a time: on a CPU few enough for its caches."""


class Speed(StrEnum):
    """Arithmetic of the scan over penalties.

    The final fit at the chosen penalty is never made in less than float32.
    """

    EXACT = "exact"
    """As ``EncodingOptions.precision`` says."""
    BFLOAT16 = "bfloat16"
    """Products in bfloat16: several times faster where the hardware has it. Scores of neighbouring
    penalties that are within about .002 of each other may be taken for one another."""


@dataclass(frozen=True, eq=False)
class ScanFit:
    """What a scan found for a block of voxels.

    Parameters
    ----------
    inner : array, shape (n_penalties, n_voxels)
        Inner cross-validation score of each penalty, averaged over inner folds; NaN where a voxel
        does not vary in one of them.
    chosen : array of int, shape (n_voxels,)
        Index of the penalty; the larger one where two are equal.
    predictions : array, shape (n_heldout, n_voxels)
        Of the held-out rows.
    """

    inner: DoubleArray
    chosen: IntArray
    predictions: FloatArray


@dataclass(frozen=True, eq=False)
class _Products:
    """Filters of one block of eigenvalues, multiplied into the held-out rows."""

    columns: slice
    rows: Tensor  # (n_functions * n_test, n_columns)


@dataclass(frozen=True, eq=False)
class _InnerFold:
    train: Tensor
    test: Tensor
    basis: Tensor  # (n_train, rank)
    products: tuple[_Products, ...]
    weights: Tensor  # (n_penalties, n_functions of all blocks)

    @property
    def nbytes(self) -> int:
        tensors = [self.basis, self.weights, *(p.rows for p in self.products)]
        return sum(t.numel() * t.element_size() for t in tensors)


@dataclass(frozen=True, eq=False)
class Scan:
    """A plan whose voxels stream through a device. Made by :func:`plan_scan`.

    Parameters
    ----------
    penalties : array, shape (n_penalties,)
        Ascending.
    device : str
        Where the products are made.
    """

    penalties: DoubleArray
    device: str
    _metric: Metric
    _grid: Tensor
    _values: Tensor
    _basis: Tensor
    _heldout: Tensor
    _folds: tuple[_InnerFold, ...]

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        own = sum(t.numel() * t.element_size() for t in (self._basis, self._heldout))
        return own + sum(fold.nbytes for fold in self._folds)

    def fit(self, responses: FloatArray, chosen: IntArray | None = None) -> ScanFit:
        """Choose a penalty for each voxel and predict the held-out rows.

        Parameters
        ----------
        responses : array, shape (n_train, n_voxels)
            Finite.
        chosen : array of int, shape (n_voxels,), optional
            Take these penalties instead; nothing is scanned, and ``inner`` is empty.

        Returns
        -------
        ScanFit
        """
        import torch

        width = WIDTH["cpu" if self.device == "cpu" else "cuda"]
        n_voxels = responses.shape[1]
        inner = np.empty((0 if chosen is not None else len(self.penalties), n_voxels))
        taken = np.empty(n_voxels, dtype=np.intp) if chosen is None else np.asarray(chosen)
        predictions = np.empty((len(self._heldout), n_voxels), dtype=np.float32)
        for start in range(0, n_voxels, width):
            block = slice(start, start + width)
            y = torch.from_numpy(np.ascontiguousarray(responses[:, block])).to(
                self.device, self._basis.dtype
            )
            mean = y.mean(dim=0)
            y = y - mean
            if chosen is None:
                scores = self._scores(y)
                inner[:, block] = scores.cpu().numpy()
                taken[block] = _best(scores).cpu().numpy()
            at = self._grid[torch.from_numpy(taken[block]).to(self.device)]
            axes = (self._basis.T @ y).div_(self._values[:, None] + at)
            predictions[:, block] = (self._heldout @ axes).add_(mean).cpu().numpy()
        return ScanFit(inner, taken, predictions)

    def _scores(self, y: Tensor) -> Tensor:
        """Inner score of each penalty, (n_penalties, n_voxels)."""
        import torch

        total = torch.zeros(len(self._grid), y.shape[1], dtype=torch.float64, device=y.device)
        for fold in self._folds:
            train, held = y[fold.train], y[fold.test]
            mean = train.mean(dim=0)
            axes = fold.basis.T @ train.sub_(mean).to(fold.basis.dtype)
            parts = [(p.rows @ axes[p.columns]).reshape(-1, held.numel()) for p in fold.products]
            # Without a part features vary in the held-out rows only: nothing can be predicted.
            stacked = torch.cat(parts or [held.new_zeros(0, held.numel())]).to(held.dtype)
            errors = torch.addmm((held - mean).reshape(1, -1), fold.weights, stacked, alpha=-1)
            total += _fold_score(held, errors.reshape(-1, *held.shape), self._metric)
        return total / len(self._folds)


def plan_scan(
    spectrum: Spectrum,
    folds: Sequence[Fold],
    penalties: DoubleArray,
    *,
    metric: Metric = Metric.R2,
    precision: Precision = Precision.SINGLE,
    speed: Speed = Speed.EXACT,
    device: str = "cpu",
) -> Scan:
    """Put everything that voxels share on a device.

    Parameters
    ----------
    spectrum : Spectrum
        Of the training rows.
    folds : sequence of Fold
        Inner folds; row numbers are positions among the training rows.
    penalties : array, shape (n_penalties,)
        Positive, ascending.
    metric : Metric
        What inner cross-validation maximises.
    precision : Precision
        Of products with voxels. Decompositions are made in float64.
    speed : Speed
        Whether the scan over penalties may be less precise.
    device : str
        ``cpu``, ``cuda``, ``cuda:1``, …

    Returns
    -------
    Scan
    """
    import torch

    precise = torch.float64 if precision is Precision.DOUBLE else torch.float32
    scanned = torch.bfloat16 if speed is Speed.BFLOAT16 else precise

    def put(array: FloatArray | IntArray, dtype: torch.dtype | None = None) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device, dtype)

    def inner(fold: RefitFold) -> _InnerFold:
        products = []
        for block in fold.bank.blocks:
            rows = fold.spectrum.heldout[:, block.columns]
            filtered = block.functions[:, None, :] * rows
            products.append(
                _Products(block.columns, put(filtered.reshape(-1, rows.shape[1]), scanned))
            )
        blocks = [block.coefficients for block in fold.bank.blocks]
        weights = np.hstack(blocks) if blocks else np.zeros((len(penalties), 0))
        return _InnerFold(
            put(fold.train),
            put(fold.test),
            put(fold.spectrum.basis, scanned),
            tuple(products),
            put(weights, precise),
        )

    return Scan(
        penalties,
        device,
        metric,
        put(penalties, precise),
        put(spectrum.values, precise),
        put(spectrum.basis, precise),
        put(spectrum.heldout, precise),
        tuple(inner(fold) for fold in refitted_folds(spectrum, folds, penalties, precision)),
    )


def _fold_score(held: Tensor, errors: Tensor, metric: Metric) -> Tensor:
    """Score predictions, given as responses - predictions (n_penalties, n_test, n_voxels)."""
    import torch

    centred = held - held.mean(dim=0)
    total = centred.square().sum(dim=0, dtype=torch.float64)
    # A response that does not vary leaves rounding: no score.
    total[(held == held[0]).all(dim=0)] = torch.nan
    if metric is Metric.R2:
        lost = torch.linalg.vector_norm(errors, dim=1).double().square()
        score: Tensor = 1 - lost / total
        return score
    predictions = centred - errors
    predictions = predictions - predictions.mean(dim=1, keepdim=True)
    norm = torch.linalg.vector_norm(predictions, dim=1).double() * total.sqrt()
    r = (centred * predictions).sum(dim=1, dtype=torch.float64) / norm
    return torch.where(norm == 0, 0.0, r)


def _best(scores: Tensor) -> Tensor:
    """Index of the best penalty; the larger of two that score the same."""
    usable = scores.nan_to_num(nan=-np.inf)
    best: Tensor = len(scores) - 1 - usable.flip(0).argmax(dim=0)
    return best
