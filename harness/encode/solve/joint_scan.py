"""A model and nuisance regressors fitted jointly to voxels, with a penalty for each.

Banded ridge regression whose second band has few columns needs no decomposition of its own. With
``G`` the operator that leaves the residuals of the model's ridge fit, nuisance weights are those of
generalised least squares, ``w = (X' G X + b)^-1 X' G y``. With ``e`` the held-out errors of
responses in an inner fold and ``E`` those of the nuisance columns, which pass through the model's
fit as if they were responses, the joint fit leaves ``e - E w``: scores follow from ``E' e`` and
``E' E``, and no prediction is made for pairs of penalties that are not chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.encode.design.kernel import DoubleArray, FloatArray, Spectrum
from harness.encode.design.options import Metric, Precision
from harness.encode.design.splits import Fold, IntArray
from harness.encode.solve.choice import best_index, checked_grid
from harness.encode.solve.held_out import HeldOut, Slabs
from harness.encode.solve.leave_out import LeftOut, leave_block_out
from harness.encode.solve.passed import Fitted, Passed
from harness.encode.solve.placed import blocks
from harness.encode.solve.scan import Scan
from harness.numeric.products import product

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class JointFit:
    """What a joint plan found for a block of targets.

    ``better`` are those for which a pair of penalties does better on inner folds than nuisance
    alone; the rest is of them. Predictions have two parts, and the mean of the responses.
    """

    better: npt.NDArray[np.bool_]  # (n_targets,)
    model: FloatArray  # (n_heldout, n_better)
    nuisance: FloatArray  # (n_heldout, n_better)


@dataclass(frozen=True, eq=False)
class JointFold:
    """An inner fold, its columns rotated so that ``X' G X`` is diagonal, by penalty."""

    curvature: Tensor  # (n_penalties, n_columns): that diagonal
    tested: Tensor  # (n_penalties, n_test, n_columns): E; about its mean for correlation
    moments: Tensor  # (n_penalties, 1, n_columns, n_columns): E' E
    # Of many voxels: rows of X' G, then of E' e, (2 * n_penalties * n_columns, n_train). Of few:
    # the columns with the fold's rows left out, and the rotation.
    linear: Tensor | None
    columns: tuple[Passed, DoubleArray] | None = None

    def scores(
        self,
        y: Tensor,
        held: HeldOut,
        errors: Slabs | None,
        passed: Passed | None,
        grid: Tensor,
    ) -> Tensor:
        """Score each pair of penalties, (n_penalties, n_nuisance_penalties, n_voxels).

        ``y`` are centred responses, (n_train, n_voxels); for these in the fold see
        :meth:`harness.encode.solve.scan.Scan.each`. Without ``errors`` scores are those beyond the
        model's own.
        """
        along, with_errors = self._along(y, passed)
        # Memory is reused where it can be: this is bound by it.
        weights = along[:, None] / (self.curvature[:, None, :, None] + grid[:, None, None])
        change = product(self.moments, weights)
        if held.metric is Metric.R2:
            gained = change.neg_().add_(with_errors[:, None], alpha=2).mul_(weights).sum(dim=2)
            gained = gained / held.total
            return gained if errors is None else gained + held.score(*held.sums(errors))[:, None]
        assert errors is not None
        together, square = held.sums(errors)
        with_held = product(self.tested.mT, held.centred)
        square = square[:, None] + (
            change.add_((with_held - with_errors)[:, None], alpha=2).mul_(weights).sum(dim=2)
        )
        together = together[:, None] + weights.mul_(with_held[:, None]).sum(dim=2)
        return held.score(together, square)

    def _along(self, y: Tensor, passed: Passed | None) -> tuple[Tensor, Tensor]:
        """``X' G y`` and ``E' e``, (n_penalties, n_columns, n_voxels)."""
        import torch

        if self.linear is not None:
            n_penalties, _, n_columns = self.tested.shape
            both = product(self.linear, y).reshape(2, n_penalties, n_columns, -1)
            return both[0], both[1]
        assert passed is not None
        assert self.columns is not None
        columns, rotation = self.columns
        gains = rotation.swapaxes(1, 2) @ passed.gains(columns)
        errors = torch.from_numpy(passed.errors).to(self.tested)
        return torch.from_numpy(gains).to(self.tested), product(self.tested.mT, errors)


@dataclass(frozen=True, eq=False)
class JointScan:
    """Everything about joint fits that does not depend on responses.

    Made by :func:`plan_joint_scan`.
    """

    scan: Scan  # of the model band
    penalties: DoubleArray  # of the nuisance band, ascending
    _columns: FloatArray  # (n_train, n_columns), centred
    _heldout: FloatArray  # (n_heldout, n_columns)
    _folds: tuple[JointFold, ...]
    # In all training rows. Of few targets: the columns. Of many: X' G, rotated, (n_penalties,
    # n_columns, n_train), its diagonal and the rotation.
    _fitted: Fitted | None
    _everywhere: tuple[Tensor, Tensor, Tensor] | None

    def fit(self, responses: FloatArray, inner: DoubleArray, alone: DoubleArray) -> JointFit:
        """Fit targets jointly, where that does better than nuisance alone.

        Parameters
        ----------
        responses : array, shape (n_train, n_voxels)
            Finite.
        inner : array, shape (n_penalties, n_voxels)
            Inner scores of the model alone, or none: :meth:`harness.encode.solve.scan.Scan.start`.
        alone : array, shape (n_voxels,)
            Inner score of nuisance alone.
        """
        score, chosen = self.choose(responses, inner)
        better = score > alone
        return JointFit(better, *self.predict(responses[:, better], chosen[:, better]))

    def choose(self, responses: FloatArray, inner: DoubleArray) -> tuple[DoubleArray, IntArray]:
        """Choose the penalties of both bands for each voxel; see :meth:`fit`.

        Returns
        -------
        score : array, shape (n_voxels,)
            Inner score of that pair.
        chosen : array of int, shape (2, n_voxels)
            Its indices; of pairs that score the same, the one with the larger penalties.
        """
        n_voxels = responses.shape[1]
        best, chosen = np.empty(n_voxels), np.empty((2, n_voxels), dtype=np.intp)
        for block in blocks(n_voxels, self.scan.width):
            scores = self._scores(self.scan.placed(responses[:, block]), inner[:, block])
            flat = scores.reshape(-1, scores.shape[-1])
            index = best_index(flat)
            best[block] = np.take_along_axis(flat, index[None], axis=0)[0]
            chosen[:, block] = np.unravel_index(index, scores.shape[:2])
        return best, chosen

    def _scores(self, y: Tensor, inner: DoubleArray) -> DoubleArray:
        """Inner score of each pair, (n_penalties, n_nuisance_penalties, n_voxels)."""
        known = self.scan.metric is Metric.R2 and len(inner) > 0
        grid = self.scan.put(self.penalties)
        scores = np.zeros((len(self.scan.penalties), len(grid), y.shape[1]))
        if known:
            scores += inner[:, None]
        for fold, (held, errors, passed) in zip(self._folds, self.scan.each(y), strict=True):
            found = fold.scores(y, held, None if known else errors, passed, grid)
            scores += found.cpu().numpy() / len(self._folds)
        return scores

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
            Without the mean of the responses.
        """
        centred = responses - responses.mean(axis=0, dtype=np.float64)
        few = self._everywhere is None
        weights = self._few_weights(centred, chosen) if few else self._weights(responses, chosen)
        # What nuisance does not explain is the model's, at its penalty.
        rest = (centred - self._columns @ weights).astype(responses.dtype, copy=False)
        return self.scan.fit(rest, chosen[0]).predictions, self._heldout @ weights

    def _few_weights(self, centred: DoubleArray, chosen: IntArray) -> DoubleArray:
        """Weights of the nuisance columns, (n_columns, n_voxels)."""
        assert self._fitted is not None
        gram = self._fitted.gains(self._fitted)
        along = self.scan.final.fitted(centred).gains(self._fitted)
        weights = np.empty((self._columns.shape[1], centred.shape[1]))
        for number in np.unique(chosen[0]):
            members = np.flatnonzero(chosen[0] == number)
            curvature, rotation = rotated(gram[number])
            penalties = self.penalties[chosen[1, members]]
            turned = rotation.T @ along[number][:, members]
            weights[:, members] = rotation @ (turned / (curvature[:, None] + penalties))
        return weights

    def _weights(self, responses: FloatArray, chosen: IntArray) -> DoubleArray:
        """Compute the same for many voxels."""
        import torch

        assert self._everywhere is not None
        linear, curvature, rotation = self._everywhere
        weights = np.empty((self._columns.shape[1], responses.shape[1]))
        for block in blocks(responses.shape[1], self.scan.width):
            y = self.scan.placed(responses[:, block])
            model, nuisance = torch.from_numpy(chosen[:, block]).to(y.device)
            everywhere = product(linear.flatten(0, 1), y).reshape(*linear.shape[:2], -1)
            along = everywhere[model, :, torch.arange(y.shape[1], device=y.device)]
            grid = y.new_tensor(self.penalties)
            along = along / (curvature[model] + grid[nuisance, None])
            found = (rotation[model] @ along[:, :, None])[:, :, 0]
            weights[:, block] = found.T.cpu().numpy()
        return weights


def plan_joint_scan(
    scan: Scan,
    spectrum: Spectrum,
    folds: Sequence[Fold],
    columns: FloatArray,
    heldout: FloatArray,
    penalties: npt.ArrayLike,
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

    Raises
    ------
    DataError
        Penalties are not positive and ascending.
    """
    grid = checked_grid(penalties)
    x, held = np.asarray(columns, np.float64), np.asarray(heldout, np.float64)
    mean = x.mean(axis=0)
    x, held = x - mean, held - mean
    made: list[JointFold] = []
    if scan.folds is not None:
        for passed in scan.folds.each(x):
            curvature, rotation = rotated(passed.gains(passed))
            made.append(
                _joint_fold(scan, curvature, passed.errors @ rotation, columns=(passed, rotation))
            )
        fitted = scan.final.fitted(x)
        return JointScan(scan, grid, x, held, tuple(made), fitted, None)
    repeated = np.broadcast_to(x, (len(scan.penalties), *x.shape))
    left = residuals(spectrum, scan.penalties, np.arange(spectrum.n_train), repeated)
    for fold in folds:
        # One at a time: the inverses that many voxels' folds take are large.
        one = leave_block_out(spectrum, [fold], scan.penalties, Precision.DOUBLE)
        made.extend(_multiplied(scan, spectrum, left, item) for item in one.each(x))
    curvature, rotation = rotated(x.T @ left)
    linear = (left @ rotation).swapaxes(1, 2)
    everywhere = scan.put(linear), scan.put(curvature), scan.put(rotation)
    return JointScan(scan, grid, x, held, tuple(made), None, everywhere)


def _joint_fold(
    scan: Scan,
    curvature: DoubleArray,
    tested: FloatArray,
    linear: DoubleArray | None = None,
    columns: tuple[Passed, DoubleArray] | None = None,
) -> JointFold:
    tested = _about(scan, tested)
    moments = (tested.swapaxes(1, 2) @ tested)[:, None]
    rows = None if linear is None else scan.put(linear)
    return JointFold(scan.put(curvature), scan.put(tested), scan.put(moments), rows, columns)


def _about(scan: Scan, tested: FloatArray) -> FloatArray:
    """Held-out errors of columns about their mean, where the metric is blind to it."""
    blind = scan.metric is Metric.CORRELATION
    return tested - tested.mean(axis=1, keepdims=True) if blind else tested


def _multiplied(
    scan: Scan, spectrum: Spectrum, everywhere: DoubleArray, columns: LeftOut
) -> JointFold:
    """Multiply out an inner fold of many voxels from the decomposition of all training rows.

    ``everywhere`` are residuals of fits to the nuisance columns in all training rows,
    (n_penalties, n_train, n_columns).
    """
    piece, errors = columns.piece, columns.all_errors
    curvature, rotation = rotated(columns.gains(columns))
    tested = errors[:, : piece.n_test]
    back = piece.inverse[:, :, : piece.n_test] @ _about(scan, tested)
    both = np.concatenate([errors, back], axis=2)
    spread = residuals(spectrum, scan.penalties, piece.left_out, both)
    left_out, together = np.split(spread, 2, axis=2)
    linear = np.stack([everywhere - left_out, together]) @ rotation
    rows = linear.swapaxes(2, 3).reshape(-1, spectrum.n_train)
    return _joint_fold(scan, curvature, tested @ rotation, rows)


def rotated(gram: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Eigenvalues, (..., n_columns), and eigenvectors of ``X' G X``."""
    curvature, rotation = np.linalg.eigh(gram)
    # Rounding can leave the smallest a hair below 0.
    return np.maximum(curvature, 0), rotation


def residuals(
    spectrum: Spectrum, penalties: DoubleArray, rows: IntArray, values: DoubleArray
) -> DoubleArray:
    """Residuals of ridge fits to columns that are 0 but in some rows, (n_penalties, n_train, k).

    Columns are given by these rows, (n_penalties, n_rows, k), each with its penalty.
    """
    n_penalties, n_rows, n_columns = values.shape
    flat = values.swapaxes(0, 1).reshape(n_rows, -1)
    shrink = spectrum.values / (spectrum.values + penalties[:, None])
    axes = spectrum.basis[rows].T @ flat
    axes *= np.repeat(shrink.T, n_columns, axis=1)
    left = -(spectrum.basis @ axes)
    left[rows] += flat
    left -= flat.sum(axis=0) / spectrum.n_train
    return left.reshape(-1, n_penalties, n_columns).swapaxes(0, 1)
