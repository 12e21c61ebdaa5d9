"""The part of a ridge plan that voxels go through, on any device.

What :class:`harness.encode.solve.refit.RefitEach` and
:meth:`harness.encode.solve.ridge.RidgePlan.predict` do
with NumPy for some hundreds of targets, arranged for whole brains: everything that voxels share is
multiplied out beforehand (:mod:`harness.encode.solve.segments`), so that a block of voxels costs a
few
large products a fold and cheap sums. The same torch code runs on CPUs and GPUs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from harness.encode.design.kernel import DoubleArray, FloatArray, Spectrum
from harness.encode.design.options import Metric, Precision
from harness.encode.design.splits import Fold, IntArray
from harness.encode.solve.refit import decomposed_folds
from harness.encode.solve.segments import Segment, cheapest_segments
from harness.numeric.products import product

if TYPE_CHECKING:
    from torch import Tensor

WIDTH = {"cpu": 512, "cuda": 4096}
"""Voxels worked on at a time: on a CPU few enough for its caches."""

SLAB = 32
"""Held-out rows whose errors are summed up at a time."""

TOLERANCE = {Precision.DOUBLE: 1e-9, Precision.SINGLE: 1e-4}
"""Largest error of a prediction in the scan, relative to the spread of the response, which needs a
response that lies on a single leading eigenvector (``SPREAD`` times that: on one of the tail);
others, and scores, are closer by orders of magnitude. The final fit has none of it."""


class Speed(StrEnum):
    """Arithmetic of the scan over penalties.

    The final fit at the chosen penalty is never made in less than float32.
    """

    EXACT = "exact"
    """As ``EncodingOptions.precision`` says."""
    FLOAT32 = "float32"
    """Inner folds are decomposed in float32, too, as himalaya does: half the time of a plan. Inner
    scores are off by less than 1e-4 but at penalties under some 1e-4 of the largest eigenvalue."""
    BFLOAT16 = "bfloat16"
    """Products in bfloat16 besides: several times faster where the hardware has it. Scores of
    neighbouring penalties that are within about .002 of each other may be taken for one another."""


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
    """Functions of one segment of eigenvalues, multiplied into the held-out rows."""

    columns: slice | None  # of the projections; None: of the training rows themselves
    rows: Tensor  # (n_functions * n_test, n_columns or n_train)


@dataclass(frozen=True, eq=False)
class _InnerFold:
    train: Tensor
    test: Tensor
    basis: Tensor  # (n_projections, n_train)
    products: tuple[_Products, ...]
    weights: Tensor  # (n_penalties, n_functions of all segments)

    @property
    def nbytes(self) -> int:
        return _size(self.basis, self.weights, *(p.rows for p in self.products))

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


@dataclass(frozen=True, eq=False)
class _FinalFit:
    """All training rows to the held-out rows."""

    device: str
    heldout: Tensor  # (n_heldout, rank)
    values: Tensor
    basis: Tensor  # (n_train, rank)
    grid: Tensor
    hats: Tensor | None  # (n_penalties, n_heldout, n_train): one product instead of two

    @property
    def nbytes(self) -> int:
        return _size(self.basis, self.heldout, *(() if self.hats is None else (self.hats,)))

    def placed(self, responses: Tensor) -> tuple[Tensor, Tensor]:
        """Responses about their mean, on the device; and the mean."""
        y = responses.to(self.device, self.basis.dtype)
        mean = y.mean(dim=0)
        return y - mean, mean

    def predict(self, responses: Tensor, chosen: IntArray) -> FloatArray:
        """Held-out rows, (n_heldout, n_voxels), each voxel with its penalty."""
        import torch

        predictions = np.empty((len(self.heldout), responses.shape[1]), dtype=np.float32)
        if self.hats is None:
            for block in _blocks(responses.shape[1], self.device):
                y, mean = self.placed(responses[:, block])
                at = self.grid[torch.from_numpy(chosen[block]).to(self.device)]
                axes = product(self.basis.T, y).div_(self.values[:, None] + at)
                predictions[:, block] = product(self.heldout, axes).add_(mean).cpu().numpy()
            return predictions
        for penalty in np.unique(chosen):
            voxels = np.flatnonzero(chosen == penalty)
            y, mean = self.placed(responses[:, torch.from_numpy(voxels)])
            predictions[:, voxels] = product(self.hats[penalty], y).add_(mean).cpu().numpy()
        return predictions


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
    _final: _FinalFit
    _folds: tuple[_InnerFold, ...]

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self._final.nbytes + sum(fold.nbytes for fold in self._folds)

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

        n_voxels = responses.shape[1]
        inner = np.empty((0 if chosen is not None else len(self.penalties), n_voxels))
        taken = np.empty(n_voxels, dtype=np.intp) if chosen is None else np.asarray(chosen)
        y = torch.from_numpy(np.ascontiguousarray(responses))
        if chosen is None:
            for block in _blocks(n_voxels, self.device):
                scores = self._scores(self._final.placed(y[:, block])[0])
                inner[:, block] = scores.cpu().numpy()
                taken[block] = _best(scores).cpu().numpy()
        return ScanFit(inner, taken, self._final.predict(y, taken))

    def _scores(self, y: Tensor) -> Tensor:
        """Inner score of each penalty, (n_penalties, n_voxels)."""
        import torch

        total = torch.zeros(len(self.penalties), y.shape[1], dtype=torch.float64, device=y.device)
        for fold in self._folds:
            held = y[fold.test]
            total += _fold_score(held, fold.errors(y, held), self._metric)
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
    n_voxels: int = 0,
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
        Of products with voxels.
    speed : Speed
        Whether the scan over penalties may be less precise. Training rows as a whole are
        decomposed in float64 either way.
    device : str
        ``cpu``, ``cuda``, ``cuda:1``, …
    n_voxels : int
        About how many voxels will go through: more can be multiplied out for many.

    Returns
    -------
    Scan
    """
    import torch

    precise = torch.float64 if precision is Precision.DOUBLE else torch.float32
    scanned = torch.bfloat16 if speed is Speed.BFLOAT16 else precise

    def put(array: FloatArray | IntArray, dtype: torch.dtype | None = None) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device, dtype)

    def inner(fold: Fold, own: Spectrum) -> _InnerFold:
        segments = cheapest_segments(own, penalties, TOLERANCE[precision])
        heldout, basis = put(own.heldout, precise), put(own.basis, precise)
        products = []
        projected = [basis[:, :0]]
        for segment in segments:
            columns = None
            if not segment.direct:
                done = sum(part.shape[1] for part in projected)
                projected.append(basis[:, segment.columns])
                columns = slice(done, done + projected[-1].shape[1])
            rows = _multiplied(segment, heldout, basis).to(scanned)
            products.append(_Products(columns, rows))
        weights = np.hstack([np.zeros((len(penalties), 0)), *(s.coefficients for s in segments)])
        return _InnerFold(
            put(fold.train),
            put(fold.test),
            torch.cat(projected, dim=1).T.to(scanned).contiguous(),
            tuple(products),
            put(weights, precise),
        )

    decomposed = Precision.DOUBLE if speed is Speed.EXACT else Precision.SINGLE
    shared = (spectrum.heldout, spectrum.values, spectrum.basis, penalties)
    heldout, values, basis, grid = (put(array, precise) for array in shared)
    pay = _hats_pay(spectrum, len(penalties), n_voxels)
    hats = _hats(heldout, values, basis, grid) if pay else None
    return Scan(
        penalties,
        device,
        metric,
        _FinalFit(device, heldout, values, basis, grid, hats),
        tuple(inner(*pair) for pair in decomposed_folds(spectrum, folds, decomposed)),
    )


def _multiplied(segment: Segment, heldout: Tensor, basis: Tensor) -> Tensor:
    """Held-out rows of a fold times each function of a segment, one below the other."""
    functions = heldout.new_tensor(segment.functions)
    filtered = (functions[:, None, :] * heldout[:, segment.columns]).flatten(0, 1)
    return product(filtered, basis[:, segment.columns].T) if segment.direct else filtered


def _hats_pay(spectrum: Spectrum, n_penalties: int, n_voxels: int) -> bool:
    """Whether hat matrices of all penalties save more products than they take."""
    n_train, rank = spectrum.basis.shape
    n_heldout = len(spectrum.heldout)
    saved = n_train * rank + n_heldout * rank - n_heldout * n_train
    # No more memory than two kernels.
    small = n_penalties * n_heldout <= 4 * n_train
    return small and n_voxels * saved > n_penalties * n_heldout * rank * n_train


def _hats(heldout: Tensor, values: Tensor, basis: Tensor, grid: Tensor) -> Tensor:
    """Matrices from centred training rows to held-out rows, one for each penalty."""
    hats = heldout.new_empty(len(grid), len(heldout), len(basis))
    for hat, penalty in zip(hats, grid, strict=True):
        hat.copy_(product(heldout / (values + penalty), basis.T))
    return hats


def _blocks(n_voxels: int, device: str) -> Iterator[slice]:
    width = WIDTH["cpu" if device == "cpu" else "cuda"]
    for start in range(0, n_voxels, width):
        yield slice(start, start + width)


def _size(*tensors: Tensor) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)


def _fold_score(held: Tensor, slabs: Iterable[tuple[slice, Tensor]], metric: Metric) -> Tensor:
    """Score predictions, given as responses - predictions (n_penalties, n_rows, n_voxels)."""
    import torch

    centred = held - held.mean(dim=0)
    total = centred.square().sum(dim=0, dtype=torch.float64)
    # A response that does not vary leaves rounding: no score.
    total[(held == held[0]).all(dim=0)] = torch.nan
    if metric is Metric.R2:
        lost = sum(errors.square().sum(dim=1).double() for _, errors in slabs)
        return 1 - lost / total
    predictions = centred - torch.cat([errors for _, errors in slabs], dim=1)
    predictions = predictions - predictions.mean(dim=1, keepdim=True)
    norm = torch.linalg.vector_norm(predictions, dim=1).double() * total.sqrt()
    r = (centred * predictions).sum(dim=1, dtype=torch.float64) / norm
    return torch.where(norm == 0, 0.0, r)


def _best(scores: Tensor) -> Tensor:
    """Index of the best penalty; the larger of two that score the same."""
    usable = scores.nan_to_num(nan=-np.inf)
    best: Tensor = len(scores) - 1 - usable.flip(0).argmax(dim=0)
    return best
