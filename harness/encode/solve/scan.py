"""Ridge regression with a penalty per target, planned from the features alone.

A plan holds everything that depends on features only; any number of targets (voxels, or regions of
participants who had the same stimulus) then stream through it. For whole brains what they share is
multiplied out beforehand (:mod:`harness.encode.solve.segments`), so that a block of voxels costs a
few large products a fold and cheap sums. For few targets that does not pay, and inner folds may
come from a single decomposition (:mod:`harness.encode.solve.inner`). The same torch code runs on
CPUs and GPUs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from harness.encode.design.kernel import DoubleArray, FloatArray, Spectrum
from harness.encode.design.options import Metric, Precision, Speed
from harness.encode.design.splits import Fold, IntArray
from harness.encode.solve.choice import best_index, checked_grid
from harness.encode.solve.final_fit import FinalFit, plan_final_fit
from harness.encode.solve.inner import InnerSolver, cheaper_solver, decomposed_folds
from harness.encode.solve.inner_fold import InnerFold, fold_score, plan_inner_fold
from harness.encode.solve.leave_out import LeaveBlockOut, leave_block_out
from harness.encode.solve.placed import blocks, put
from harness.errors import ScoreError

if TYPE_CHECKING:
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
    _final: FinalFit
    _folds: tuple[InnerFold, ...]

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        kept = sum(a.basis.nbytes + a.heldout.nbytes for _, a in self.spectra)
        if self.left_out is not None:
            kept += self.left_out.nbytes
        return self._final.nbytes + kept + sum(fold.nbytes for fold in self._folds)

    def put(self, array: npt.NDArray[Any]) -> Tensor:
        """Put an array on the device: row numbers as they are, others as products are made."""
        return put(array, self.device, None if array.dtype.kind == "i" else self._final.basis.dtype)

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

    final = plan_final_fit(
        spectrum, penalties, precision=precision, device=device, n_voxels=n_voxels, few=few
    )
    if solver is None:
        cheaper = cheaper_solver(spectrum, folds, len(penalties), n_voxels)
        solver = cheaper if few else InnerSolver.REFIT
    if solver is InnerSolver.LEAVE_OUT:
        one = leave_block_out(spectrum, folds, penalties, precision)
        return Scan(penalties, device, metric, width, (), one, final, ())
    decomposed = Precision.DOUBLE if speed is Speed.EXACT else Precision.SINGLE
    kept, made = [], []
    for fold, own in decomposed_folds(spectrum, folds, decomposed):
        made.append(
            plan_inner_fold(
                fold,
                own,
                penalties,
                precision=precision,
                scanned=scanned,
                device=device,
                few=few,
            )
        )
        if keep and few:
            kept.append((fold, own))
    return Scan(penalties, device, metric, width, tuple(kept), None, final, tuple(made))
