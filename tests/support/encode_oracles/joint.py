"""A model and nuisance regressors fitted jointly, with a penalty for each.

Banded ridge regression whose second band has few columns needs no decomposition of its own. With
``G`` the operator that leaves the model band's residuals (:mod:`harness.encode.solve.leave_out`),
nuisance weights are those of generalised least squares, ``(X' G X + lambda)^-1 X' G y``, and inner
folds act on the columns of ``X`` as they do on responses: they pass through the model's plan as if
they were targets. Every pair of penalties then costs a product with as many columns as there are
regressors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from encode_oracles.fold_score import FoldScore
from encode_oracles.inner import FoldErrors
from encode_oracles.ridge import RidgePlan, checked_grid, target_blocks
from harness.numeric.arrays import Doubles, Floats, Positions


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

    inner_score: Doubles
    chosen: Positions
    model: Doubles
    nuisance: Doubles
    offset: Doubles

    @property
    def predictions(self) -> Doubles:
        """Predictions of the held-out rows, shape (n_heldout, n_targets)."""
        return self.model + self.nuisance + self.offset


@dataclass(frozen=True, eq=False)
class _NuisanceFold:
    """The nuisance columns in an inner fold, for each penalty of the model.

    They are rotated so that ``X' G X`` over the fold's training rows is diagonal.
    """

    columns: FoldErrors
    curvature: Doubles  # (n_penalties, n_columns): that diagonal
    rotation: Doubles  # (n_penalties, n_columns, n_columns)
    errors: Floats  # (n_penalties, n_test, n_columns), rotated


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
    penalties: Doubles
    _columns: Doubles
    _heldout: Doubles
    _axes: Doubles
    _folds: tuple[_NuisanceFold, ...]

    def fit(self, responses: Floats) -> JointFit:
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

    def score(self, responses: Floats) -> Doubles:
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

    def _score_block(self, responses: Floats) -> Doubles:
        centred = responses - responses.mean(axis=0, dtype=np.float64)
        shape = (len(self.model.penalties), len(self.penalties), responses.shape[1])
        scores = np.zeros(shape)
        for fold, nuisance in zip(self.model.inner.each(centred), self._folds, strict=True):
            held_out = FoldScore(centred[fold.test], self.model.metric)
            inner = nuisance.rotation.swapaxes(1, 2) @ fold.gains(nuisance.columns)
            for number, (alone, errors) in enumerate(
                zip(fold.errors, nuisance.errors, strict=True)
            ):
                slope = nuisance.curvature[number, :, None] + self.penalties[:, None, None]
                weights = (inner[number] / slope).astype(alone.dtype, copy=False)
                scores[number] += held_out(alone - errors @ weights)
        return scores / len(self._folds)

    def _gain(self, centred: Floats, axes: Doubles, number: int) -> Doubles:
        """``X' G y`` over all training rows."""
        values = self.model.spectrum.values
        shrink = values / (values + self.model.penalties[number])
        return np.asarray(self._columns.T @ centred - (self._axes.T * shrink) @ axes)

    def _predict(self, responses: Floats, chosen: Positions) -> tuple[Doubles, Doubles]:
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
    model: RidgePlan, columns: Floats, heldout: Floats, penalties: npt.ArrayLike
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
    grid = checked_grid(penalties)
    x = np.asarray(model.checked(columns), dtype=np.float64)
    mean = x.mean(axis=0)
    x = x - mean
    return JointPlan(
        model,
        grid,
        x,
        np.asarray(heldout) - mean,
        model.spectrum.basis.T @ x,
        tuple(_nuisance_fold(fold) for fold in model.inner.each(x)),
    )


def _nuisance_fold(columns: FoldErrors) -> _NuisanceFold:
    curvature, rotation = np.linalg.eigh(columns.gains(columns))
    errors = columns.errors
    # Rounding can leave the smallest a hair below 0.
    return _NuisanceFold(
        columns,
        np.maximum(curvature, 0),
        rotation,
        errors @ rotation.astype(errors.dtype, copy=False),
    )
