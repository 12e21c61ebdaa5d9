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

from harness.encode.design.kernel import Spectrum
from harness.encode.design.options import Metric, Precision
from harness.encode.design.splits import Fold
from harness.encode.solve.choice import best_index, checked_grid
from harness.encode.solve.held_out import HeldOut, Slabs
from harness.encode.solve.leave_out import LeftOut, leave_block_out
from harness.encode.solve.passed import Fitted, Passed
from harness.encode.solve.placed import blocks
from harness.encode.solve.scan import Scan
from harness.numeric.arrays import Bools, Doubles, Floats, Positions
from harness.numeric.products import product

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class JointFit:
    """What a joint plan found for a block of targets.

    ``better`` are those for which a pair of penalties does better on inner folds than nuisance
    alone; the rest is of them. Predictions have two parts, and the mean of the responses.
    """

    better: Bools  # (n_targets,)
    model: Floats  # (n_heldout, n_better)
    nuisance: Floats  # (n_heldout, n_better)


@dataclass(frozen=True, eq=False)
class _Columns:
    """Nuisance columns in the rows of a fit, rotated so that ``X' G X`` is diagonal, by penalty."""

    curvature: Tensor  # (n_penalties, n_columns): that diagonal
    rotation: Tensor  # (n_penalties, n_columns, n_columns)
    linear: Tensor | None  # of many voxels: X' G, (n_penalties * n_columns, n_rows)
    fitted: Fitted | None  # of few: the columns themselves

    def along(self, y: Tensor, fitted: Fitted | None) -> Tensor:
        """``X' G y``, (n_penalties, n_columns, n_voxels)."""
        import torch

        if self.linear is not None:
            return product(self.linear, y).reshape(*self.curvature.shape, -1)
        assert fitted is not None
        return product(self.rotation.mT, torch.from_numpy(fitted.gains(self.fitted)).to(y))


@dataclass(frozen=True, eq=False)
class JointFold:
    """An inner fold, and its columns in the held-out rows."""

    columns: _Columns
    tested: Tensor  # (n_penalties, n_test, n_columns): E; about its mean for correlation
    moments: Tensor  # (n_penalties, 1, n_columns, n_columns): E' E
    errors: Tensor | None  # of many voxels: from responses to E' e

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
        along, curvature = self.columns.along(y, passed), self.columns.curvature
        with_errors = self._with_errors(y, passed)
        # Memory is reused where it can be: this is bound by it.
        weights = along[:, None] / (curvature[:, None, :, None] + grid[:, None, None])
        change = product(self.moments, weights)
        if held.metric is Metric.R2:
            gained = change.neg_().add_(with_errors[:, None], alpha=2).mul_(weights).sum(dim=2)
            gained = gained / held.total
            return gained if errors is None else gained + held.score(*held.sums(errors))[:, None]
        assert errors is not None
        together, square = held.sums(errors)
        with_held = product(self.tested.mT, held.centred)
        change.add_((with_held - with_errors)[:, None], alpha=2)
        square = square[:, None] + change.mul_(weights).sum(dim=2)
        together = together[:, None] + weights.mul_(with_held[:, None]).sum(dim=2)
        return held.score(together, square)

    def _with_errors(self, y: Tensor, passed: Passed | None) -> Tensor:
        """``E' e``, (n_penalties, n_columns, n_voxels)."""
        import torch

        if self.errors is not None:
            return product(self.errors, y).reshape(*self.columns.curvature.shape, -1)
        assert passed is not None
        return product(self.tested.mT, torch.from_numpy(passed.errors).to(y))


@dataclass(frozen=True, eq=False)
class JointScan:
    """Everything about joint fits that does not depend on responses.

    Made by :func:`plan_joint_scan`.
    """

    scan: Scan  # of the model band
    penalties: Doubles  # of the nuisance band, ascending
    _train: Doubles  # the columns, (n_train, n_columns), centred
    _heldout: Doubles  # (n_heldout, n_columns)
    _everywhere: _Columns  # in all training rows
    _folds: tuple[JointFold, ...]

    def fit(self, responses: Floats, inner: Doubles, alone: Doubles) -> JointFit:
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

    def choose(self, responses: Floats, inner: Doubles) -> tuple[Doubles, Positions]:
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

    def _scores(self, y: Tensor, inner: Doubles) -> Doubles:
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

    def predict(self, responses: Floats, chosen: Positions) -> tuple[Floats, Floats]:
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
        weights = self._weights(responses, chosen)
        centred = responses - responses.mean(axis=0, dtype=np.float64)
        # What nuisance does not explain is the model's, at its penalty.
        rest = (centred - self._train @ weights).astype(responses.dtype, copy=False)
        return self.scan.fit(rest, chosen[0]).predictions, self._heldout @ weights

    def _weights(self, responses: Floats, chosen: Positions) -> Doubles:
        """Weights of the nuisance columns, (n_columns, n_voxels)."""
        import torch

        columns, few = self._everywhere, self.scan.folds is not None
        weights = np.empty((self._train.shape[1], responses.shape[1]))
        for block in blocks(responses.shape[1], self.scan.width):
            y = self.scan.placed(responses[:, block])
            model, nuisance = torch.from_numpy(chosen[:, block]).to(y.device)
            along = columns.along(y, self.scan.final.fitted(y.numpy()) if few else None)
            along = along[model, :, torch.arange(y.shape[1], device=y.device)]
            grid = y.new_tensor(self.penalties)
            along = along / (columns.curvature[model] + grid[nuisance, None])
            found = (columns.rotation[model] @ along[:, :, None])[:, :, 0]
            weights[:, block] = found.T.cpu().numpy()
        return weights


def plan_joint_scan(
    scan: Scan,
    spectrum: Spectrum,
    folds: Sequence[Fold],
    columns: Floats,
    heldout: Floats,
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
            curvature, rotation = _rotated(passed.gains(passed))
            shared = _Columns(scan.put(curvature), scan.put(rotation), None, passed)
            made.append(JointFold(shared, *_tested(scan, passed.errors @ rotation), None))
        fitted = scan.final.fitted(x)
        curvature, rotation = _rotated(fitted.gains(fitted))
        everywhere = _Columns(scan.put(curvature), scan.put(rotation), None, fitted)
        return JointScan(scan, grid, x, held, everywhere, tuple(made))
    repeated = np.broadcast_to(x, (len(scan.penalties), *x.shape))
    left = residuals(spectrum, scan.penalties, np.arange(spectrum.n_train), repeated)
    for fold in folds:
        # One at a time: the inverses that many voxels' folds take are large.
        one = leave_block_out(spectrum, [fold], scan.penalties, Precision.DOUBLE)
        made.extend(_multiplied(scan, spectrum, left, item) for item in one.each(x))
    everywhere = _linear(scan, x.T @ left, left)[0]
    return JointScan(scan, grid, x, held, everywhere, tuple(made))


def _multiplied(scan: Scan, spectrum: Spectrum, everywhere: Doubles, columns: LeftOut) -> JointFold:
    """Multiply out an inner fold of many voxels from the decomposition of all training rows.

    ``everywhere`` are residuals of fits to the nuisance columns in all training rows,
    (n_penalties, n_train, n_columns).
    """
    piece, errors = columns.piece, columns.all_errors
    tested = errors[:, : piece.n_test]
    back = piece.inverse[:, :, : piece.n_test] @ _about(scan, tested)
    both = np.concatenate([errors, back], axis=2)
    spread = residuals(spectrum, scan.penalties, piece.left_out, both)
    left_out, with_errors = np.split(spread, 2, axis=2)
    shared, rotation = _linear(scan, columns.gains(columns), everywhere - left_out)
    rows = (with_errors @ rotation).swapaxes(1, 2).reshape(-1, spectrum.n_train)
    return JointFold(shared, *_tested(scan, tested @ rotation), scan.put(rows))


def _linear(scan: Scan, gram: Doubles, left: Doubles) -> tuple[_Columns, Doubles]:
    """Columns of many voxels, by their residuals ``G X``, (n_penalties, n_train, n_columns)."""
    curvature, rotation = _rotated(gram)
    rows = (left @ rotation).swapaxes(1, 2).reshape(-1, left.shape[1])
    return _Columns(scan.put(curvature), scan.put(rotation), scan.put(rows), None), rotation


def _rotated(gram: Doubles) -> tuple[Doubles, Doubles]:
    """Eigenvalues, (n_penalties, n_columns), and eigenvectors of ``X' G X``."""
    curvature, rotation = np.linalg.eigh(gram)
    # Rounding can leave the smallest a hair below 0.
    return np.maximum(curvature, 0), rotation


def _tested(scan: Scan, tested: Floats) -> tuple[Tensor, Tensor]:
    """``E`` of a fold and ``E' E``."""
    about = _about(scan, tested)
    return scan.put(about), scan.put((about.swapaxes(1, 2) @ about)[:, None])


def _about(scan: Scan, tested: Floats) -> Floats:
    """Held-out errors of columns about their mean, where the metric is blind to it."""
    blind = scan.metric is Metric.CORRELATION
    return tested - tested.mean(axis=1, keepdims=True) if blind else tested


def residuals(spectrum: Spectrum, penalties: Doubles, rows: Positions, values: Doubles) -> Doubles:
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
