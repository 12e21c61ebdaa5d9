"""Ridge regression with a penalty per target, planned from the features alone.

A plan holds everything that depends on features only; any number of targets (voxels, or regions of
participants who had the same stimulus) then stream through it. For whole brains what they share is
multiplied out beforehand (:mod:`harness.encode.solve.inner_fold`); for few targets that takes
longer than it saves (:mod:`harness.encode.solve.inner`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from harness.encode.design.kernel import Spectrum
from harness.encode.design.options import Metric, Precision, Speed
from harness.encode.design.splits import Fold
from harness.encode.solve.choice import best_index, checked_grid
from harness.encode.solve.held_out import HeldOut, Slabs
from harness.encode.solve.inner import (
    InnerSolver,
    cheaper_solver,
    decomposed_folds,
    refit_each,
)
from harness.encode.solve.inner_fold import InnerFold, plan_inner_fold
from harness.encode.solve.leave_out import leave_block_out
from harness.encode.solve.passed import Fitted, Folds, Passed, block_of
from harness.encode.solve.placed import blocks, put, size
from harness.errors import ScoreError
from harness.numeric.arrays import Doubles, Floats, Positions
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


@dataclass(frozen=True, eq=False)
class ScanFit:
    """What a scan found for a block of voxels.

    Inner scores of each penalty, (n_penalties, n_voxels), are averaged over inner folds; NaN where
    a voxel does not vary in one of them.
    """

    inner: Doubles
    chosen: Positions  # (n_voxels,), index of the penalty; the larger one where two are equal
    predictions: Floats  # (n_heldout, n_voxels)

    @property
    def best(self) -> Doubles:
        """Inner score of the chosen penalty, (n_voxels,)."""
        return np.asarray(self.inner.max(axis=0))


class Final(Protocol):
    """The final fit of an outer fold: all its training rows to its held-out rows."""

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        ...

    def fitted(self, centred: Doubles) -> Fitted:
        """Take few centred targets, (n_train, n_targets), to the fit's eigenvectors."""
        ...

    def predict(self, responses: Floats, chosen: Positions, width: int) -> Floats:
        """Predict held-out rows, (n_heldout, n_voxels), each voxel with its penalty."""
        ...


@dataclass(frozen=True, eq=False)
class Scan:
    """A plan whose voxels stream through a device. Made by :func:`plan_scan`."""

    penalties: Doubles  # ascending
    metric: Metric
    n_train: int
    width: int  # voxels worked on at a time
    device: str  # where products are made
    dtype: torch.dtype  # of products
    folds: Folds | None  # inner folds of few targets
    final: Final
    _multiplied: tuple[InnerFold, ...]  # inner folds of many voxels

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        few = 0 if self.folds is None else self.folds.nbytes
        return self.final.nbytes + few + sum(fold.nbytes for fold in self._multiplied)

    def put(self, array: npt.NDArray[Any]) -> Tensor:
        """Put an array on the device: row numbers as they are, others as products are made."""
        return put(array, self.device, None if array.dtype.kind == "i" else self.dtype)

    def placed(self, responses: Floats) -> Tensor:
        """Put responses about their mean on the device."""
        y = self.put(responses)
        return y - y.mean(dim=0)

    def fit(self, responses: Floats, chosen: Positions | None = None) -> ScanFit:
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
        if responses.ndim != 2 or len(responses) != self.n_train:
            raise ScoreError(
                f"responses have shape {responses.shape}; the plan has {self.n_train} rows",
                "give the training rows, shape (n_train, n_targets)",
            )
        inner: Doubles = np.empty((0, responses.shape[1]))
        if chosen is None:
            inner = self.inner(responses)
            chosen = best_index(inner)
        return ScanFit(inner, chosen, self.final.predict(responses, chosen, self.width))

    def inner(self, responses: Floats) -> Doubles:
        """Inner score of each penalty, (n_penalties, n_voxels), of responses as for :meth:`fit`."""
        import torch

        inner = np.empty((len(self.penalties), responses.shape[1]))
        for block in blocks(responses.shape[1], self.width):
            folds = self.each(self.placed(responses[:, block]))
            scores = torch.stack([held.score(*held.sums(errors)) for held, errors, _ in folds])
            inner[:, block] = scores.mean(dim=0).cpu().numpy()
        return inner

    def start(self, responses: Floats) -> Doubles:
        """Inner scores that a joint fit starts from; none where it makes its own."""
        if self.folds is not None or self.metric is not Metric.R2:
            return np.empty((0, responses.shape[1]))
        return self.inner(responses)

    def each(self, y: Tensor) -> Iterator[tuple[HeldOut, Slabs, Passed | None]]:
        """Take centred responses, (n_train, n_voxels), through the inner folds.

        Yields
        ------
        held : HeldOut
            Responses in the held-out rows.
        errors : iterable of (slice, Tensor)
            Computed as it is read.
        passed : Passed, optional
            Responses, where they are few.
        """
        if self.folds is not None:
            for passed in self.folds.each(y.numpy()):
                held = HeldOut(y[self.put(passed.test)], self.metric)
                yield held, ((rows, self.put(e)) for rows, e in _whole(passed)), passed
            return
        for fold in self._multiplied:
            own = y[fold.test]
            yield HeldOut(own, self.metric), fold.errors(y, own), None


def _whole(passed: Passed) -> Iterator[tuple[slice, Floats]]:
    yield slice(None), passed.errors


@dataclass(frozen=True, eq=False)
class FinalFit:
    """All training rows to the held-out rows; a :class:`Final`."""

    device: str
    spectrum: Spectrum | None  # for joint fits of few targets
    penalties: Doubles
    heldout: Tensor  # (n_heldout, rank)
    values: Tensor
    basis: Tensor  # (n_train, rank)
    hats: Tensor | None  # (n_penalties, n_heldout, n_train): one product instead of two

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return size(self.basis, self.heldout, *(() if self.hats is None else (self.hats,)))

    def fitted(self, centred: Doubles) -> Fitted:
        """See :class:`Final`."""
        assert self.spectrum is not None, "the plan is of many voxels"
        return block_of(self.spectrum, self.penalties, centred)

    def predict(self, responses: Floats, chosen: Positions, width: int) -> Floats:
        """See :class:`Final`."""
        # As the products are.
        dtype = self.basis.new_empty(0).cpu().numpy().dtype
        predictions = np.empty((len(self.heldout), responses.shape[1]), dtype)
        if self.hats is None:
            grid = self.values.new_tensor(self.penalties)
            for block in blocks(responses.shape[1], width):
                y, mean = self._placed(responses[:, block])
                axes = product(self.basis.T, y)
                axes /= self.values[:, None] + grid[put(chosen[block], self.device)]
                predictions[:, block] = product(self.heldout, axes).add_(mean).cpu().numpy()
            return predictions
        for penalty in np.unique(chosen):
            voxels = np.flatnonzero(chosen == penalty)
            y, mean = self._placed(responses[:, voxels])
            predictions[:, voxels] = product(self.hats[penalty], y).add_(mean).cpu().numpy()
        return predictions

    def _placed(self, responses: Floats) -> tuple[Tensor, Tensor]:
        y = put(responses, self.device, self.basis.dtype)
        mean = y.mean(dim=0)
        return y - mean, mean


def plan_scan(
    spectrum: Spectrum,
    folds: Sequence[Fold],
    penalties: Doubles,
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
        decomposed in float64 either way. Few targets have no products in bfloat16.
    device : str
        ``cpu``, ``cuda``, ``cuda:1``, …
    n_voxels : int
        About how many voxels will go through: more can be multiplied out for many. 0: many.
    solver : InnerSolver, optional
        Solve inner folds this way. Default: the cheaper one.
    keep : bool
        Keep in float64 what a joint fit of few targets takes.

    Returns
    -------
    Scan

    Raises
    ------
    DataError
        Penalties are not positive and ascending.
    """
    import torch

    grid = checked_grid(penalties)
    precise = torch.float64 if precision is Precision.DOUBLE else torch.float32
    decomposed = Precision.DOUBLE if speed is Speed.EXACT else Precision.SINGLE
    few = 0 < n_voxels <= FEW and device == "cpu"
    width = WIDTH["cpu" if device == "cpu" else "cuda"]
    if few:
        width = min(max(spectrum.n_train // 14, NARROW), WIDE)
        solver = solver or cheaper_solver(spectrum, folds, len(grid), n_voxels)
    inner: Folds | None = None
    made: list[InnerFold] = []
    if solver is InnerSolver.LEAVE_OUT:
        inner = leave_block_out(spectrum, folds, grid, precision)
    elif few:
        inner = refit_each(spectrum, folds, grid, precision, decomposed=decomposed, keep=keep)
    else:
        scanned = torch.bfloat16 if speed is Speed.BFLOAT16 else precise
        for pair in decomposed_folds(spectrum, folds, decomposed):
            made.append(
                plan_inner_fold(*pair, grid, precision=precision, scanned=scanned, device=device)
            )
    shared = (spectrum.heldout, spectrum.values, spectrum.basis)
    heldout, values, basis = (put(array, device, precise) for array in shared)
    hats = None
    if not few and _hats_pay(spectrum, len(grid), n_voxels):
        hats = heldout.new_empty(len(grid), len(heldout), len(basis))
        for hat, penalty in zip(hats, heldout.new_tensor(grid), strict=True):
            hat.copy_(product(heldout / (values + penalty), basis.T))
    kept = None if inner is None else spectrum
    final = FinalFit(device, kept, grid, heldout, values, basis, hats)
    n_train = spectrum.n_train
    return Scan(grid, metric, n_train, width, device, precise, inner, final, tuple(made))


def _hats_pay(spectrum: Spectrum, n_penalties: int, n_voxels: int) -> bool:
    """Whether hat matrices of all penalties save more products than they take."""
    n_train, rank = spectrum.basis.shape
    n_heldout = len(spectrum.heldout)
    saved = n_train * rank + n_heldout * rank - n_heldout * n_train
    # No more memory than two kernels.
    small = n_penalties * n_heldout <= 4 * n_train
    return small and n_voxels * saved > n_penalties * n_heldout * rank * n_train
