"""Ridge regression with a penalty per target, planned from the features alone.

A plan holds everything that depends on features only; any number of targets (voxels, or regions of
participants who had the same stimulus) then stream through it. For whole brains what they share is
multiplied out beforehand (:mod:`harness.encode.solve.segments`), so that a block of voxels costs a
few large products a fold and cheap sums. For few targets that does not pay, and inner folds may
come from a single decomposition (:mod:`harness.encode.solve.inner`). The same torch code runs on
CPUs and GPUs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from harness.encode.design.kernel import DoubleArray, FloatArray, Spectrum
from harness.encode.design.options import Metric, Precision, Speed
from harness.encode.design.splits import Fold, IntArray
from harness.encode.solve.choice import best_index, checked_grid
from harness.encode.solve.filters import FilterBlock, filter_bank
from harness.encode.solve.inner import InnerSolver, cheaper_solver, decomposed_folds
from harness.encode.solve.leave_out import LeaveBlockOut, leave_block_out
from harness.encode.solve.segments import Segment, cheapest_segments
from harness.errors import ScoreError
from harness.numeric.products import product

if TYPE_CHECKING:
    import torch
    from torch import Tensor

WIDTH = {"cpu": 512, "cuda": 4096}
"""Voxels worked on at a time: on a CPU few enough for its caches."""

NARROW, WIDE = 96, 256
"""The same of few targets: small scans stay in cache, large products are efficient."""

FEW = 1000
"""Up to as many targets on a CPU, little is multiplied out: it would take longer than it saves."""

SLAB = 32
"""Held-out rows whose errors are summed up at a time."""

TOLERANCE = {Precision.DOUBLE: 1e-9, Precision.SINGLE: 1e-4}
"""Largest error of a prediction in the scan, relative to the spread of the response, which needs a
response that lies on a single leading eigenvector (``SPREAD`` times that: on one of the tail);
others, and scores, are closer by orders of magnitude. The final fit has none of it."""

FEW_TOLERANCE = {Precision.DOUBLE: 1e-9, Precision.SINGLE: 1e-6}
"""The same for few targets, relative to the filter."""


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

    @property
    def best(self) -> DoubleArray:
        """Inner score of the chosen penalty, (n_voxels,)."""
        return np.asarray(self.inner.max(axis=0))


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

    def predict(self, responses: Tensor, chosen: IntArray, width: int) -> FloatArray:
        """Held-out rows, (n_heldout, n_voxels), each voxel with its penalty."""
        import torch

        # As the products are.
        dtype = self.basis.new_empty(0).cpu().numpy().dtype
        predictions = np.empty((len(self.heldout), responses.shape[1]), dtype)
        if self.hats is None:
            for block in blocks(responses.shape[1], width):
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
    metric : Metric
        What inner cross-validation maximises.
    width : int
        Voxels worked on at a time.
    spectra : tuple of (Fold, Spectrum)
        Decompositions of inner folds, kept for a joint fit of few targets.
    left_out : LeaveBlockOut, optional
        Inner folds, where they are solved from one decomposition.
    """

    penalties: DoubleArray
    device: str
    metric: Metric
    width: int
    spectra: tuple[tuple[Fold, Spectrum], ...]
    left_out: LeaveBlockOut | None
    _final: _FinalFit
    _folds: tuple[_InnerFold, ...]

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        kept = sum(a.basis.nbytes + a.heldout.nbytes for _, a in self.spectra)
        if self.left_out is not None:
            kept += self.left_out.nbytes
        return self._final.nbytes + kept + sum(fold.nbytes for fold in self._folds)

    def put(self, array: npt.NDArray[Any]) -> Tensor:
        """Put an array on the device: row numbers as they are, others as products are made."""
        return _put(
            array, self.device, None if array.dtype.kind == "i" else self._final.basis.dtype
        )

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

        Raises
        ------
        ScoreError
            Rows are not those of the plan.
        """
        import torch

        n_train = len(self._final.basis)
        if responses.ndim != 2 or len(responses) != n_train:
            raise ScoreError(
                f"responses have shape {responses.shape}; the plan has {n_train} rows",
                "give the training rows, shape (n_train, n_targets)",
            )
        y = torch.from_numpy(np.ascontiguousarray(responses))
        if chosen is None:
            inner = self.inner(responses)
            chosen = best_index(inner)
        else:
            inner = np.empty((0, responses.shape[1]))
        return ScanFit(inner, chosen, self._final.predict(y, chosen, self.width))

    def start(self, responses: FloatArray) -> DoubleArray:
        """Inner scores that a joint fit starts from; none where it makes its own."""
        if self.left_out is not None:
            return np.empty((0, responses.shape[1]))
        return self.inner(responses)

    def inner(self, responses: FloatArray) -> DoubleArray:
        """Inner score of each penalty, (n_penalties, n_voxels), of responses as for :meth:`fit`."""
        import torch

        y = torch.from_numpy(np.ascontiguousarray(responses))
        inner = np.empty((len(self.penalties), responses.shape[1]))
        for block in blocks(responses.shape[1], self.width):
            inner[:, block] = self._scores(self._final.placed(y[:, block])[0]).cpu().numpy()
        return inner

    def _scores(self, y: Tensor) -> Tensor:
        """Inner score of each penalty, (n_penalties, n_voxels)."""
        import torch

        total = torch.zeros(len(self.penalties), y.shape[1], dtype=torch.float64, device=y.device)
        n_folds = 0
        for held, errors in self.each(y):
            total += fold_score(held, errors, self.metric)
            n_folds += 1
        return total / n_folds

    def each(self, y: Tensor) -> Iterator[tuple[Tensor, Iterable[tuple[slice, Tensor]]]]:
        """Take centred responses through the inner folds.

        Parameters
        ----------
        y : Tensor, shape (n_train, n_voxels)

        Yields
        ------
        held : Tensor, shape (n_test, n_voxels)
            Responses in the held-out rows.
        errors : iterable of (slice, Tensor)
            Held-out responses - predictions, (n_penalties, n_rows, n_voxels), a few rows at a time.
        """
        if self.left_out is not None:
            for left in self.left_out.each(y.numpy()):
                yield y[self.put(left.test)], [(slice(None), self.put(left.errors))]
            return
        for fold in self._folds:
            held = y[fold.test]
            yield held, fold.errors(y, held)


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
    solver: InnerSolver | None = None,
    keep: bool = False,
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
        About how many voxels will go through: more can be multiplied out for many. 0: many.
    solver : InnerSolver, optional
        Solve inner folds this way. Default: the cheaper one.
    keep : bool
        Keep the decompositions of inner folds, for a joint fit of few targets.

    Returns
    -------
    Scan

    Raises
    ------
    DataError
        Penalties are not positive and ascending.
    """
    import torch

    penalties = checked_grid(penalties)
    precise = torch.float64 if precision is Precision.DOUBLE else torch.float32
    scanned = torch.bfloat16 if speed is Speed.BFLOAT16 else precise
    few = 0 < n_voxels <= FEW and device == "cpu"
    width = WIDTH["cpu" if device == "cpu" else "cuda"]
    if few:
        width = min(max(spectrum.n_train // 14, NARROW), WIDE)

    def put(array: FloatArray | IntArray, dtype: torch.dtype | None = None) -> Tensor:
        return _put(array, device, dtype)

    def inner(fold: Fold, own: Spectrum) -> _InnerFold:
        segments: Sequence[FilterBlock]
        if few:
            segments = filter_bank(
                own.values, penalties, FEW_TOLERANCE[precision], precision
            ).blocks
        else:
            segments = cheapest_segments(own, penalties, TOLERANCE[precision])
        heldout, basis = put(own.heldout, precise), put(own.basis, precise)
        products = []
        projected = [basis[:, :0]]
        for segment in segments:
            columns = None
            if not _direct(segment):
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

    shared = (spectrum.heldout, spectrum.values, spectrum.basis, penalties)
    heldout, values, basis, grid = (put(array, precise) for array in shared)
    pay = not few and _hats_pay(spectrum, len(penalties), n_voxels)
    hats = _hats(heldout, values, basis, grid) if pay else None
    final = _FinalFit(device, heldout, values, basis, grid, hats)
    if solver is None:
        cheaper = cheaper_solver(spectrum, folds, len(penalties), n_voxels)
        solver = cheaper if few else InnerSolver.REFIT
    if solver is InnerSolver.LEAVE_OUT:
        one = leave_block_out(spectrum, folds, penalties, precision)
        return Scan(penalties, device, metric, width, (), one, final, ())
    decomposed = Precision.DOUBLE if speed is Speed.EXACT else Precision.SINGLE
    kept, made = [], []
    for fold, own in decomposed_folds(spectrum, folds, decomposed):
        made.append(inner(fold, own))
        if keep and few:
            kept.append((fold, own))
    return Scan(penalties, device, metric, width, tuple(kept), None, final, tuple(made))


def _put(array: npt.NDArray[Any], device: str, dtype: torch.dtype | None = None) -> Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(array)).to(device, dtype)


def _direct(block: FilterBlock) -> bool:
    return isinstance(block, Segment) and block.direct


def _multiplied(segment: FilterBlock, heldout: Tensor, basis: Tensor) -> Tensor:
    """Held-out rows of a fold times each function of a segment, one below the other."""
    functions = heldout.new_tensor(segment.functions)
    filtered = (functions[:, None, :] * heldout[:, segment.columns]).flatten(0, 1)
    return product(filtered, basis[:, segment.columns].T) if _direct(segment) else filtered


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


def blocks(n_voxels: int, width: int) -> Iterator[slice]:
    """Slices of voxels to work on one after another, of nearly equal width."""
    step = math.ceil(n_voxels / max(1, math.ceil(n_voxels / width)))
    for start in range(0, n_voxels, max(1, step)):
        yield slice(start, start + step)


def _size(*tensors: Tensor) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)


def fold_score(held: Tensor, slabs: Iterable[tuple[slice, Tensor]], metric: Metric) -> Tensor:
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
