"""A model and nuisance regressors fitted jointly, with a penalty for each.

Banded ridge regression whose second band has few columns needs no decomposition of its own. With
``G`` the residual operator of the model band alone (:mod:`harness.encode.ridge`), nuisance weights
are those of generalised least squares, ``(X' G X + lambda)^-1 X' G y``, and leaving rows out acts
on the columns of ``X`` as it does on responses: they pass through the model's plan as if they were
targets. Every pair of penalties then costs a product with as many columns as there are regressors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.encode.kernel import DoubleArray, FloatArray
from harness.encode.ridge import Piece, RidgePlan, target_blocks
from harness.encode.scores import FoldScore
from harness.encode.splits import IntArray
from harness.errors import DataError


@dataclass(frozen=True, eq=False)
class JointFit:
    """What a joint plan found for a block of targets.

    Parameters
    ----------
    inner_score : array, shape (n_targets,)
        Inner cross-validation score of the best pair of penalties.
    chosen : array of int, shape (2, n_targets)
        Index of the penalty of the model, and of the nuisance band.
    model, nuisance : array, shape (n_heldout, n_targets)
        The two bands' parts of the predictions of the held-out rows.
    offset : array, shape (n_targets,)
        Intercept; predictions are ``model + nuisance + offset``.
    """

    inner_score: DoubleArray
    chosen: IntArray
    model: DoubleArray
    nuisance: DoubleArray
    offset: DoubleArray

    @property
    def predictions(self) -> DoubleArray:
        """Predictions of the held-out rows, shape (n_heldout, n_targets)."""
        return self.model + self.nuisance + self.offset


@dataclass(frozen=True, eq=False)
class _NuisancePiece:
    """What leaving out an inner fold's rows makes of the nuisance columns, for each model penalty.

    The nuisance columns are rotated so that ``X' G X`` over the remaining rows is diagonal.
    """

    curvature: DoubleArray  # (n_penalties, n_columns): that diagonal
    rotation: DoubleArray  # (n_penalties, n_columns, n_columns)
    errors: FloatArray  # (n_penalties, n_left_out, n_columns): predicted from the remaining rows


@dataclass(frozen=True, eq=False)
class JointPlan:
    """Everything about a joint regression that does not depend on responses.

    Made by :func:`plan_joint`.

    Parameters
    ----------
    model : RidgePlan
        Of the model band.
    penalties : array, shape (n_nuisance_penalties,)
        Of the nuisance band, ascending.
    """

    model: RidgePlan
    penalties: DoubleArray
    _columns: DoubleArray
    _heldout: DoubleArray
    _axes: DoubleArray
    _pieces: tuple[_NuisancePiece, ...]

    def fit(self, responses: FloatArray) -> JointFit:
        """Choose both penalties for each target and predict the held-out rows.

        Parameters
        ----------
        responses : array, shape (n_train, n_targets)
            Finite.

        Returns
        -------
        JointFit
        """
        y = self.model.checked(responses)
        n_targets = y.shape[1]
        best = np.empty(n_targets)
        chosen = np.empty((2, n_targets), dtype=np.intp)
        model, nuisance = np.empty((2, len(self._heldout), n_targets))
        for block in target_blocks(y):
            scores = self._score_block(y[:, block])
            flat = scores.reshape(-1, scores.shape[-1])
            # From the end: of equal scores, the one with the larger penalties.
            usable = np.where(np.isnan(flat), -np.inf, flat)
            index = len(flat) - 1 - np.argmax(usable[::-1], axis=0)
            best[block] = np.take_along_axis(flat, index[None], axis=0)[0]
            chosen[:, block] = np.unravel_index(index, scores.shape[:2])
            model[:, block], nuisance[:, block] = self._predict(y[:, block], chosen[:, block])
        return JointFit(best, chosen, model, nuisance, y.mean(axis=0, dtype=np.float64))

    def score(self, responses: FloatArray) -> DoubleArray:
        """Inner cross-validation score of each pair of penalties.

        Parameters
        ----------
        responses : array, shape (n_train, n_targets)
            Finite.

        Returns
        -------
        array, shape (n_model_penalties, n_nuisance_penalties, n_targets)
        """
        y = self.model.checked(responses)
        return np.concatenate(
            [self._score_block(y[:, block]) for block in target_blocks(y)], axis=-1
        )

    def _score_block(self, responses: FloatArray) -> DoubleArray:
        centred = responses - responses.mean(axis=0, dtype=np.float64)
        axes = self.model.spectrum.basis.T @ centred
        gains = [self._gain(centred, axes, k) for k in range(len(self.model.penalties))]
        shape = (len(gains), len(self.penalties), responses.shape[1])
        scores = np.zeros(shape)
        blocks = zip(self.model.residuals(responses), self._pieces, strict=True)
        for (piece, residuals), nuisance in blocks:
            test = slice(piece.n_test)
            held_out = FoldScore(responses[piece.left_out[test]], self.model.metric)
            for number, residual in enumerate(residuals):
                alone = piece.inverse[number, test] @ residual
                errors = nuisance.errors[number]
                inner = nuisance.rotation[number].T @ gains[number] - errors.T @ residual
                weights = inner / (
                    nuisance.curvature[number, :, None] + self.penalties[:, None, None]
                )
                predicted = errors[test] @ weights.astype(alone.dtype, copy=False)
                scores[number] += held_out(alone - predicted)
        return scores / len(self._pieces)

    def _gain(self, centred: FloatArray, axes: DoubleArray, number: int) -> DoubleArray:
        """``X' G y`` over all training rows."""
        values = self.model.spectrum.values
        shrink = values / (values + self.model.penalties[number])
        return np.asarray(self._columns.T @ centred - (self._axes.T * shrink) @ axes)

    def _predict(self, responses: FloatArray, chosen: IntArray) -> tuple[DoubleArray, DoubleArray]:
        y = responses - responses.mean(axis=0, dtype=np.float64)
        spectrum = self.model.spectrum
        axes = spectrum.basis.T @ y
        weights = np.empty((self._columns.shape[1], y.shape[1]))
        for number in np.unique(chosen[0]):
            members = np.flatnonzero(chosen[0] == number)
            values, vectors = np.linalg.eigh(self._gain(self._columns, self._axes, number))
            along = vectors.T @ self._gain(y[:, members], axes[:, members], number)
            penalties = self.penalties[chosen[1, members]]
            weights[:, members] = vectors @ (along / (values[:, None] + penalties))
        axes -= self._axes @ weights
        axes /= spectrum.values[:, None] + self.model.penalties[chosen[0]]
        return spectrum.heldout @ axes, self._heldout @ weights


def plan_joint(
    model: RidgePlan, columns: FloatArray, heldout: FloatArray, penalties: npt.ArrayLike
) -> JointPlan:
    """Compute what all targets share of a joint regression.

    Parameters
    ----------
    model : RidgePlan
        Of the model band; its inner folds, metric and penalties are used.
    columns : array, shape (n_train, n_columns)
        Nuisance regressors (delayed) in the training rows.
    heldout : array, shape (n_heldout, n_columns)
        The same in the held-out rows.
    penalties : array, shape (n_nuisance_penalties,)
        Positive, ascending.

    Returns
    -------
    JointPlan

    Raises
    ------
    DataError
        Penalties are not positive and ascending.
    """
    grid = np.asarray(penalties, dtype=np.float64)
    if grid.ndim != 1 or grid.size == 0 or grid[0] <= 0 or (np.diff(grid) <= 0).any():
        raise DataError(f"penalties {grid}", "penalties are positive and ascending")
    x = np.asarray(model.checked(columns), dtype=np.float64)
    mean = x.mean(axis=0)
    x = x - mean
    axes = model.spectrum.basis.T @ x
    pieces = tuple(
        _nuisance_piece(model, piece, residuals, x, axes) for piece, residuals in model.residuals(x)
    )
    return JointPlan(model, grid, x, np.asarray(heldout) - mean, axes, pieces)


def _nuisance_piece(
    model: RidgePlan, piece: Piece, residuals: FloatArray, x: DoubleArray, axes: DoubleArray
) -> _NuisancePiece:
    n_penalties, n_columns = len(model.penalties), x.shape[1]
    curvature = np.empty((n_penalties, n_columns))
    rotation = np.empty((n_penalties, n_columns, n_columns))
    errors = np.empty_like(residuals)
    values = model.spectrum.values
    for number, (penalty, residual) in enumerate(zip(model.penalties, residuals, strict=True)):
        shrink = values / (values + penalty)
        everywhere = x.T @ x - (axes.T * shrink) @ axes
        predicted = piece.inverse[number] @ residual
        remaining = everywhere - residual.T @ predicted
        curvature[number], rotation[number] = np.linalg.eigh((remaining + remaining.T) / 2)
        errors[number] = predicted @ rotation[number].astype(predicted.dtype, copy=False)
    # Rounding can leave the smallest a hair below 0.
    return _NuisancePiece(np.maximum(curvature, 0), rotation, errors)
