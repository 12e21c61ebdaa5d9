"""A model and nuisance regressors fitted jointly to voxels, with a penalty for each.

Banded ridge regression whose second band has few columns needs no decomposition of its own
(:mod:`harness.encode.solve.joint_folds`), and no prediction is made for pairs of penalties that are
not chosen, whatever the number of voxels.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.encode.design.kernel import DoubleArray, FloatArray, Spectrum
from harness.encode.design.options import Metric, Precision
from harness.encode.design.splits import Fold, IntArray
from harness.encode.solve.choice import best_index, checked_grid
from harness.encode.solve.inner_fold import fold_score
from harness.encode.solve.joint_folds import (
    JointFold,
    left_out_fold,
    passed_fold,
    refitted_fold,
    residuals,
    solved,
)
from harness.encode.solve.leave_out import LeaveBlockOut, LeftOut, leave_block_out
from harness.encode.solve.placed import blocks
from harness.encode.solve.scan import Scan
from harness.numeric.products import product

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Change:
    """Columns that change a design, whose penalty is that of the model times a matrix.

    The design of a participant with own confounds ``Q`` taken out has the kernel
    ``P K P = K + V M V'``, with ``V = [Q, K Q]``: that of a joint fit of the shared features with
    the columns ``V``, whose penalty is ``a inv(M)``.

    Parameters
    ----------
    train, heldout : array, shape (n_train, n_columns), (n_heldout, n_columns)
        ``V``.
    inverse : array, shape (n_columns, n_columns)
        Of ``M``.
    """

    train: DoubleArray
    heldout: DoubleArray
    inverse: DoubleArray


@dataclass(frozen=True, eq=False)
class JointFit:
    """What a joint plan found for a block of targets.

    Parameters
    ----------
    better : array of bool, shape (n_targets,)
        Targets for which a pair of penalties does better on inner folds than nuisance alone.
    model, nuisance : array, shape (n_heldout, n_better)
        Parts of the predictions of the held-out rows for these targets, without the mean of the
        responses.
    """

    better: npt.NDArray[np.bool_]
    model: FloatArray
    nuisance: FloatArray


@dataclass(frozen=True, eq=False)
class JointScan:
    """Everything about joint fits that does not depend on responses.

    Made by :func:`plan_joint_scan`.

    Parameters
    ----------
    scan : Scan
        Of the model band.
    penalties : array, shape (n_nuisance_penalties,)
        Of the nuisance band, ascending.
    """

    scan: Scan
    penalties: DoubleArray
    _columns: FloatArray  # (n_train, n_columns), centred
    _heldout: FloatArray  # (n_heldout, n_columns)
    _spectrum: Spectrum
    _penalty: DoubleArray | None  # of the columns, where it is a matrix
    _n_own: int  # leading columns that belong to the model
    _folds: tuple[JointFold, ...]
    # For many voxels, over all training rows: X' G, rotated, (n_penalties, n_columns, n_train), its
    # diagonal and the rotation.
    _everywhere: tuple[Tensor, Tensor, Tensor] | None

    @property
    def nbytes(self) -> int:
        """Memory held beside the scan's, in bytes."""
        own = sum(t.numel() * t.element_size() for t in self._everywhere or ())
        return own + sum(fold.nbytes for fold in self._folds)

    def fit(self, responses: FloatArray, inner: DoubleArray, alone: DoubleArray) -> JointFit:
        """Fit targets jointly, where that does better than nuisance alone.

        Parameters
        ----------
        responses : array, shape (n_train, n_voxels)
            Finite.
        inner : array, shape (n_penalties, n_voxels)
            Inner scores of the model alone: :attr:`harness.encode.solve.scan.ScanFit.inner`.
        alone : array, shape (n_voxels,)
            Inner score of nuisance alone.

        Returns
        -------
        JointFit
        """
        score, chosen = self.choose(responses, inner)
        better = score > alone
        return JointFit(better, *self.predict(responses[:, better], chosen[:, better]))

    def choose(self, responses: FloatArray, inner: DoubleArray) -> tuple[DoubleArray, IntArray]:
        """Choose the penalties of both bands for each voxel.

        Parameters
        ----------
        responses : array, shape (n_train, n_voxels)
            Finite.
        inner : array, shape (n_penalties, n_voxels)
            Inner scores of the model alone.

        Returns
        -------
        score : array, shape (n_voxels,)
            Inner score of that pair.
        chosen : array of int, shape (2, n_voxels)
            Its indices; of pairs that score the same, the one with the larger penalties.
        """
        n_voxels = responses.shape[1]
        best, chosen = np.empty(n_voxels), np.empty((2, n_voxels), dtype=np.intp)
        grid = self.scan.put(self.penalties)
        for block in blocks(n_voxels, self.scan.width):
            scores = self._scores(self._placed(responses[:, block]), inner[:, block], grid)
            flat = scores.reshape(-1, scores.shape[-1])
            index = best_index(flat)
            best[block] = np.take_along_axis(flat, index[None], axis=0)[0]
            chosen[:, block] = np.unravel_index(index, scores.shape[:2])
        return best, chosen

    def table(self, responses: FloatArray, inner: DoubleArray) -> DoubleArray:
        """Inner score of each pair, (n_penalties, n_nuisance_penalties, n_voxels)."""
        grid = self.scan.put(self.penalties)
        return np.concatenate(
            [
                self._scores(self._placed(responses[:, block]), inner[:, block], grid)
                for block in blocks(responses.shape[1], self.scan.width)
            ],
            axis=-1,
        )

    def _scores(self, y: Tensor, inner: DoubleArray, grid: Tensor) -> DoubleArray:
        """Inner score of each pair, (n_penalties, n_nuisance_penalties, n_voxels)."""
        import torch

        n_folds, left_out = len(self._folds), self.scan.left_out
        shape = (len(self.scan.penalties), len(grid), y.shape[1])
        scores = torch.zeros(shape, dtype=torch.float64, device=y.device)
        passed: Iterator[LeftOut | None] = itertools.repeat(None, n_folds)
        if left_out is not None:
            passed = left_out.each(y.numpy())
        if self.scan.metric is Metric.R2:
            if left_out is None:
                scores += torch.from_numpy(inner[:, None]).to(y.device)
            for fold, left in zip(self._folds, passed, strict=True):
                scores += fold.gains(y, grid, left) / n_folds
                if left is not None:
                    errors = self.scan.put(left.errors)
                    alone = fold_score(y[fold.test], [(slice(None), errors)], self.scan.metric)
                    scores += alone[:, None] / n_folds
            return np.asarray(scores.cpu().numpy())
        each = zip(self._folds, passed, self.scan.each(y), strict=True)
        for fold, left, (held, slabs) in each:
            weights, _ = fold.weights(y, grid, left)
            errors = torch.cat([part for _, part in slabs], dim=1)
            for number in range(len(grid)):
                rest = errors - fold.tested @ weights[:, number]
                score = fold_score(held, [(slice(None), rest)], self.scan.metric)
                scores[:, number] += score / n_folds
        return np.asarray(scores.cpu().numpy())

    def predict(self, responses: FloatArray, chosen: IntArray) -> tuple[FloatArray, FloatArray]:
        """Predict the held-out rows from all training rows.

        Parameters
        ----------
        responses : array, shape (n_train, n_voxels)
            Finite.
        chosen : array of int, shape (2, n_voxels)
            Indices of the penalty of the model and of the nuisance band.

        Returns
        -------
        model, nuisance : array, shape (n_heldout, n_voxels)
            Parts of the predictions, without the mean of the responses.
        """
        weights = self._weights(responses, chosen)
        centred = responses - responses.mean(axis=0, dtype=np.float64)
        # What nuisance does not explain is the model's, at its penalty.
        rest = (centred - self._columns @ weights).astype(responses.dtype, copy=False)
        model = self.scan.fit(rest, chosen[0]).predictions
        own = self._n_own
        if own:
            model = model + self._heldout[:, :own] @ weights[:own]
        return model, self._heldout[:, own:] @ weights[own:]

    def _weights(self, responses: FloatArray, chosen: IntArray) -> DoubleArray:
        """Weights of the nuisance columns, (n_columns, n_voxels)."""
        import torch

        if self._everywhere is None:
            return self._few_weights(responses, chosen)
        linear, curvature, rotation = self._everywhere
        weights = np.empty((self._columns.shape[1], responses.shape[1]))
        for block in blocks(responses.shape[1], self.scan.width):
            y = self._placed(responses[:, block])
            model, nuisance = torch.from_numpy(chosen[:, block]).to(y.device)
            everywhere = product(linear.flatten(0, 1), y).reshape(*linear.shape[:2], -1)
            along = everywhere[model, :, torch.arange(y.shape[1], device=y.device)]
            grid = y.new_tensor(self.penalties)
            along = along / (curvature[model] + grid[nuisance, None])
            found = (rotation[model] @ along[:, :, None])[:, :, 0]
            weights[:, block] = found.T.cpu().numpy()
        return weights

    def _few_weights(self, responses: FloatArray, chosen: IntArray) -> DoubleArray:
        """Compute the same for the penalties that are chosen."""
        x, values = self._columns, self._spectrum.values
        y = responses - responses.mean(axis=0, dtype=np.float64)
        of_columns, of_targets = (self._spectrum.basis.T @ part for part in (x, y))
        weights = np.empty((x.shape[1], y.shape[1]))
        for number in np.unique(chosen[0]):
            members = np.flatnonzero(chosen[0] == number)
            pairs = chosen[1, members]
            shrunk = of_columns.T * (values / (values + self.scan.penalties[number]))
            gram = x.T @ x - shrunk @ of_columns
            along = x.T @ y[:, members] - shrunk @ of_targets[:, members]
            own = None if self._penalty is None else self._penalty[number : number + 1]
            curvature, rotation = solved(gram[None], own)
            if own is not None:
                found = (curvature[0, pairs] @ along.T[:, :, None])[:, :, 0].T
            else:
                found = rotation[0].T @ along / (curvature[0][:, None] + self.penalties[pairs])
                found = rotation[0] @ found
            weights[:, members] = found
        return weights

    def _placed(self, responses: FloatArray) -> Tensor:
        """Responses about their mean, on the device."""
        y = self.scan.put(responses)
        return y - y.mean(dim=0)


def plan_joint_scan(
    scan: Scan,
    spectrum: Spectrum,
    folds: Sequence[Fold],
    columns: FloatArray,
    heldout: FloatArray,
    penalties: npt.ArrayLike,
    change: Change | None = None,
) -> JointScan:
    """Multiply out what voxels share of the joint fit.

    Parameters
    ----------
    scan : Scan
        Of the model band.
    spectrum : Spectrum
        Of the training rows, from which the scan was planned.
    folds : sequence of Fold
        Its inner folds.
    columns : array, shape (n_train, n_columns)
        Nuisance regressors (delayed) in the training rows.
    heldout : array, shape (n_heldout, n_columns)
        The same in the held-out rows.
    penalties : array, shape (n_nuisance_penalties,)
        Of the nuisance band; positive, ascending.
    change : Change, optional
        What sets the model's design apart from that of the scan.

    Returns
    -------
    JointScan

    Raises
    ------
    DataError
        Penalties are not positive and ascending.
    """
    grid = checked_grid(penalties)
    x, held = np.asarray(columns, np.float64), np.asarray(heldout, np.float64)
    penalty = None
    if change is not None:
        penalty = _penalty(scan.penalties, grid, change.inverse, x.shape[1])
        x = np.concatenate([change.train, x], axis=1)
        held = np.concatenate([change.heldout, held], axis=1)
    mean = x.mean(axis=0)
    x = x - mean
    made: tuple[JointFold, ...]
    everywhere = None
    if scan.spectra:
        made = tuple(
            refitted_fold(*pair, x, scan.penalties, scan.put, penalty) for pair in scan.spectra
        )
    elif scan.left_out is not None:
        made = tuple(passed_fold(item, scan.put, penalty) for item in scan.left_out.each(x))
    else:
        repeated = np.broadcast_to(x, (len(scan.penalties), *x.shape))
        rows = np.arange(spectrum.n_train)
        left = residuals(spectrum, scan.penalties, rows, repeated)
        # One at a time: the inverses that many voxels' folds take are large.
        made = tuple(
            left_out_fold(spectrum, scan.penalties, left, item, scan.put, penalty)
            for one in _one_by_one(spectrum, folds, scan.penalties)
            for item in one.each(x)
        )
        if change is None:
            curvature, rotation = solved(x.T @ left, None)
            linear = (left @ rotation).swapaxes(1, 2)
            everywhere = (scan.put(linear), scan.put(curvature), scan.put(rotation))
    own = 0 if change is None else len(change.inverse)
    return JointScan(scan, grid, x, held - mean, spectrum, penalty, own, made, everywhere)


def _penalty(
    model: DoubleArray, nuisance: DoubleArray, inverse: DoubleArray, n_columns: int
) -> DoubleArray:
    """Penalties of a change's columns and of nuisance, (n_penalties, n_pairs, k, k)."""
    own = len(inverse)
    shape = (len(model), len(nuisance), own + n_columns, own + n_columns)
    penalty = np.zeros(shape)
    penalty[:, :, :own, :own] = model[:, None, None, None] * inverse
    diagonal = np.arange(own, own + n_columns)
    penalty[:, :, diagonal, diagonal] = nuisance[:, None]
    return penalty


def _one_by_one(
    spectrum: Spectrum, folds: Sequence[Fold], penalties: DoubleArray
) -> Iterator[LeaveBlockOut]:
    for fold in folds:
        yield leave_block_out(spectrum, [fold], penalties, Precision.DOUBLE)
