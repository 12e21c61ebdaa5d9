"""Ridge regression with a penalty per target, planned from the features alone.

A plan holds everything that depends on features only. Any number of target blocks (voxels, or
participants who had the same stimulus) then stream through it:

    plan = plan_ridge(spectrum, folds, penalties)
    for block in responses:
        fit = plan.fit(block)

Inner cross-validation is solved in one of two ways (:mod:`harness.encode.solve.inner`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from encode_oracles.fold_score import FoldScore
from encode_oracles.inner import InnerFolds, InnerSolver, cheaper_solver
from encode_oracles.refit import refit_each
from harness.encode.design.kernel import Spectrum
from harness.encode.design.options import Metric, Precision
from harness.encode.design.splits import Fold
from harness.encode.solve.leave_out import leave_block_out
from harness.errors import DataError, ScoreError
from harness.numeric.arrays import Doubles, Floats, Positions

NARROW, WIDE = 96, 256
"""Targets worked on at a time: few enough that small scans over penalties stay in cache, and enough
to keep large products efficient."""


@dataclass(frozen=True, eq=False)
class RidgeFit:
    """What a plan found for a block of targets.

    Parameters
    ----------
    inner_scores : array, shape (n_penalties, n_targets)
        Score of each penalty, averaged over inner folds.
    chosen : array of int, shape (n_targets,)
        Index of the best penalty; the larger one where two are equal.
    predictions : array, shape (n_heldout, n_targets)
        Predictions of the held-out rows, each target with its penalty.
    """

    inner_scores: Doubles
    chosen: Positions
    predictions: Doubles


@dataclass(frozen=True, eq=False)
class GridEnds:
    """Share of targets whose penalty is an end of the grid.

    Many at the low end: the grid should start lower. Many at the high end: nothing is predicted
    there, or the grid should reach higher.

    Parameters
    ----------
    low, high : float
        Shares of the targets, 0 to 1.
    """

    low: float
    high: float

    LIMIT = 0.05

    @property
    def crowded(self) -> bool:
        """Whether more than 5 % of targets are at either end."""
        return self.low + self.high > self.LIMIT

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the scores should know, if there is anything."""
        if not self.crowded:
            return ()
        return (
            f"penalties at the ends of their grid: {self.low:.0%} of fits at the low end, "
            f"{self.high:.0%} at the high end",
        )


@dataclass(frozen=True, eq=False)
class RidgePlan:
    """Everything about a ridge regression that does not depend on responses.

    Made by :func:`plan_ridge`.

    Parameters
    ----------
    spectrum : Spectrum
        Of the training rows.
    penalties : array, shape (n_penalties,)
        Ascending.
    metric : Metric
        What is averaged over inner folds and maximised.
    inner : InnerFolds
        Inner cross-validation.
    """

    spectrum: Spectrum
    penalties: Doubles
    metric: Metric
    inner: InnerFolds

    @property
    def nbytes(self) -> int:
        """Memory the plan holds, in bytes."""
        return self.spectrum.basis.nbytes + self.spectrum.heldout.nbytes + self.inner.nbytes

    def fit(self, responses: Floats) -> RidgeFit:
        """Choose a penalty for each target and predict the held-out rows.

        Parameters
        ----------
        responses : array, shape (n_train, n_targets)
            Finite; centring is done here, with the mean of the training rows.

        Returns
        -------
        RidgeFit
        """
        scores = self.score(responses)
        chosen = best_penalty(scores)
        return RidgeFit(scores, chosen, self.predict(responses, chosen))

    def score(self, responses: Floats) -> Doubles:
        """Inner cross-validation score of each penalty.

        Parameters
        ----------
        responses : array, shape (n_train, n_targets)
            Finite.

        Returns
        -------
        array, shape (n_penalties, n_targets)
            Mean over inner folds; NaN where a target does not vary in one of them.
        """
        y = self.checked(responses)
        scores = np.zeros((len(self.penalties), y.shape[1]))
        for block in target_blocks(y):
            centred = y[:, block] - y[:, block].mean(axis=0, dtype=np.float64)
            n_folds = 0
            for fold in self.inner.each(centred):
                scores[:, block] += FoldScore(centred[fold.test], self.metric)(fold.errors)
                n_folds += 1
            scores[:, block] /= n_folds
        return scores

    def predict(self, responses: Floats, chosen: Positions) -> Doubles:
        """Predict the held-out rows from all training rows.

        Parameters
        ----------
        responses : array, shape (n_train, n_targets)
            Finite.
        chosen : array of int, shape (n_targets,)
            Which penalty each target takes.

        Returns
        -------
        array, shape (n_heldout, n_targets)
        """
        y = self.checked(responses)
        out = np.empty((len(self.spectrum.heldout), y.shape[1]))
        values = self.spectrum.values
        for block in target_blocks(y):
            mean = y[:, block].mean(axis=0, dtype=np.float64)
            axes = self.spectrum.basis.T @ (y[:, block] - mean)
            axes /= values[:, None] + self.penalties[chosen[block]]
            out[:, block] = self.spectrum.heldout @ axes + mean
        return out

    def checked(self, responses: Floats) -> Floats:
        """Refuse responses that do not fit the plan.

        Parameters
        ----------
        responses : array, shape (n_train, n_targets)
            Responses in the training rows.

        Returns
        -------
        array, shape (n_train, n_targets)

        Raises
        ------
        ScoreError
            The shape is another one.
        """
        y = np.asarray(responses)
        if y.ndim != 2 or len(y) != self.spectrum.n_train:
            raise ScoreError(
                f"responses have shape {y.shape}; the plan has {self.spectrum.n_train} rows",
                "give the training rows, shape (n_train, n_targets)",
            )
        return y


def plan_ridge(
    spectrum: Spectrum,
    folds: Sequence[Fold],
    penalties: npt.ArrayLike,
    *,
    metric: Metric = Metric.R2,
    precision: Precision = Precision.DOUBLE,
    n_targets: int = 1000,
    solver: InnerSolver | None = None,
) -> RidgePlan:
    """Compute what all targets share.

    Parameters
    ----------
    spectrum : Spectrum
        Of the training rows.
    folds : sequence of Fold
        Inner folds; row numbers are positions among the training rows.
    penalties : array, shape (n_penalties,)
        Positive, ascending; see :func:`harness.encode.design.kernel.penalty_grid`.
    metric : Metric
        What inner cross-validation maximises. R2 by default: it is the loss that ridge minimises,
        and it shrinks a target that cannot be predicted to its mean, where correlation, blind to
        the scale of a prediction, would choose a penalty at random.
    precision : Precision
        Of the products of the scan over penalties.
    n_targets : int
        About how many targets will go through the plan; it decides which way of solving inner
        folds is cheaper.
    solver : InnerSolver, optional
        Solve inner folds this way instead.

    Returns
    -------
    RidgePlan

    Raises
    ------
    DataError
        Penalties are not positive and ascending.
    """
    grid = checked_grid(penalties)
    inner: InnerFolds
    match solver or cheaper_solver(spectrum, folds, len(grid), n_targets):
        case InnerSolver.LEAVE_OUT:
            inner = leave_block_out(spectrum, folds, grid, Precision(precision))
        case InnerSolver.REFIT:
            inner = refit_each(spectrum, folds, grid, Precision(precision))
    return RidgePlan(spectrum, grid, Metric(metric), inner)


def checked_grid(penalties: npt.ArrayLike) -> Doubles:
    """Refuse penalties that are not positive and ascending.

    Parameters
    ----------
    penalties : array, shape (n_penalties,)

    Returns
    -------
    array, shape (n_penalties,)

    Raises
    ------
    DataError
        They are not.
    """
    grid = np.asarray(penalties, dtype=np.float64)
    if grid.ndim != 1 or grid.size == 0 or grid[0] <= 0 or (np.diff(grid) <= 0).any():
        raise DataError(f"penalties {grid}", "penalties are positive and ascending")
    return grid


def best_penalty(scores: Doubles) -> Positions:
    """Index of the best penalty of each target.

    Parameters
    ----------
    scores : array, shape (n_penalties, n_targets)
        Inner cross-validation scores, penalties ascending.

    Returns
    -------
    array of int, shape (n_targets,)
        The larger penalty where two score the same; the largest where all are NaN.
    """
    usable = np.where(np.isnan(scores), -np.inf, scores)
    return np.asarray(len(scores) - 1 - np.argmax(usable[::-1], axis=0))


def grid_ends(chosen: Positions, n_penalties: int) -> GridEnds:
    """Count the targets whose penalty is an end of the grid.

    Parameters
    ----------
    chosen : array of int, shape (n_targets,)
        Index of the penalty of each target.
    n_penalties : int
        Length of the grid.

    Returns
    -------
    GridEnds
        Zero shares without targets, or where the grid is a single penalty.
    """
    if chosen.size == 0 or n_penalties == 1:
        return GridEnds(0.0, 0.0)
    return GridEnds(float((chosen == 0).mean()), float((chosen == n_penalties - 1).mean()))


def target_blocks(responses: Floats) -> Iterator[slice]:
    """Slices of targets to work on one after another, of nearly equal width."""
    n_rows, n_targets = responses.shape
    widest = min(max(n_rows // 14, NARROW), WIDE)
    width = math.ceil(n_targets / max(1, math.ceil(n_targets / widest)))
    for start in range(0, n_targets, max(1, width)):
        yield slice(start, start + width)
