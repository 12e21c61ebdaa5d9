"""What an encoding analysis found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.encode.design.options import EncodingOptions
from harness.encode.design.splits import Fold
from harness.numeric.arrays import Doubles, Positions


@dataclass(frozen=True)
class Unusable:
    """A target that has no score, and why.

    Parameters
    ----------
    target : int
        Index of the target.
    reason : str
        What is wrong with its responses, and where.
    """

    target: int
    reason: str


@dataclass(frozen=True, eq=False)
class NuisanceResult:
    """What the model explains beyond nuisance regressors.

    Every array has a value per target, averaged over outer folds; NaN where a target is unusable.

    Parameters
    ----------
    r, r2 : array, shape (n_targets,)
        Of nuisance regressors alone.
    joint_r, joint_r2 : array, shape (n_targets,)
        Of nuisance and model (at its chosen layer) fitted jointly, a penalty for each.
    unique_r2 : array, shape (n_targets,)
        ``joint_r2 - r2``.
    split_r2 : array, shape (2, n_targets)
        Product-measure shares of ``joint_r2``: of the model, of the nuisance.
    with_model : array, shape (n_targets,)
        Share of folds in which the joint fit took the model in at all.
    fold_r, fold_r2, fold_joint_r, fold_joint_r2 : array, shape (n_folds, n_targets)
        The same scores per outer fold.
    """

    r: Doubles
    r2: Doubles
    joint_r: Doubles
    joint_r2: Doubles
    unique_r2: Doubles
    split_r2: Doubles
    with_model: Doubles
    fold_r: Doubles
    fold_r2: Doubles
    fold_joint_r: Doubles
    fold_joint_r2: Doubles


@dataclass(frozen=True, eq=False)
class EncodingResult:
    """Scores of every layer, and of the layer chosen on training rows.

    A score is computed within each held-out fold and then averaged over folds. On all held-out
    predictions put together it would be biased: each fold's predictions carry the mean of its own
    training rows, which is low where the fold's responses are high, so that pure noise scores
    below 0.

    Parameters
    ----------
    options : EncodingOptions
        What was asked for.
    folds : tuple of Fold
        The outer folds.
    r, r2 : array, shape (n_layers, n_targets)
        Held-out scores: the layer curve, a description. Its maximum over layers is not a result.
    fold_r, fold_r2 : array, shape (n_folds, n_layers, n_targets)
        The same per outer fold.
    inner_score : array, shape (n_folds, n_layers, n_targets)
        Best inner cross-validation score over penalties, from training rows only.
    chosen : array of int, shape (n_folds, n_targets)
        Layer chosen by inner score; -1 where a target is unusable.
    r_best, r2_best : array, shape (n_targets,)
        Held-out scores at the chosen layers.
    fold_r_best, fold_r2_best : array, shape (n_folds, n_targets)
        The same per outer fold.
    predictions : array, shape (n_heldout, n_targets)
        Of the held-out rows of all folds, one fold after another, at the chosen layers.
    penalty : array, shape (n_folds, n_layers, n_targets)
        Chosen penalties.
    grid_ends : array, shape (2, n_folds, n_layers)
        Share of targets at the low and at the high end of the penalty grid.
    unusable : tuple of Unusable
        Targets without a score.
    warnings : tuple of str
        What a reader of the scores should know.
    nuisance : NuisanceResult, optional
        Where nuisance regressors were given.
    """

    options: EncodingOptions
    folds: tuple[Fold, ...]
    r: Doubles
    r2: Doubles
    fold_r: Doubles
    fold_r2: Doubles
    inner_score: Doubles
    chosen: Positions
    r_best: Doubles
    r2_best: Doubles
    fold_r_best: Doubles
    fold_r2_best: Doubles
    predictions: Doubles
    penalty: Doubles
    grid_ends: Doubles
    unusable: tuple[Unusable, ...]
    warnings: tuple[str, ...]
    nuisance: NuisanceResult | None = None

    def of_targets(self, targets: Positions) -> EncodingResult:
        """Return the results of some targets, by index, as if there were no others."""
        kept = {old: new for new, old in enumerate(targets.tolist())}
        arrays: dict[str, Any] = {
            name: value[..., targets]
            for name, value in vars(self).items()
            if isinstance(value, np.ndarray) and name != "grid_ends"
        }
        nuisance = self.nuisance
        if nuisance is not None:
            each = {name: value[..., targets] for name, value in vars(nuisance).items()}
            nuisance = NuisanceResult(**each)
        unusable = tuple(
            Unusable(kept[item.target], item.reason)
            for item in self.unusable
            if item.target in kept
        )
        return replace(self, **arrays, nuisance=nuisance, unusable=unusable)


def scatter(values: Doubles, usable: Positions, n_targets: int) -> Doubles:
    """Put values of usable targets (last axis) among all targets; NaN for the others.

    Parameters
    ----------
    values : array, shape (..., n_usable)
        Values of the usable targets.
    usable : array of int, shape (n_usable,)
        Their indices.
    n_targets : int
        Number of all targets.

    Returns
    -------
    array, shape (..., n_targets)
    """
    out = np.full((*values.shape[:-1], n_targets), np.nan)
    out[..., usable] = values
    return out
