"""Ridge regression with a penalty per target, planned from the features alone.

A plan holds everything that depends on features only. Any number of target blocks (voxels, or
participants who had the same stimulus) then stream through it:

    plan = plan_ridge(spectrum, folds, penalties)
    for block in responses:
        fit = plan.fit(block)

Inner cross-validation needs no decomposition per fold. With ``G = I - H`` (``H`` the hat matrix of
the fit to all training rows, intercept included), the residuals of rows ``S`` predicted from the
other rows are ``inv(G[S, S]) @ (G @ y)[S]``: the block form of the leave-one-out identity (Cook &
Weisberg 1982, eq. 2.2.8). Purged rows are left out with the held-out block and not scored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg

from harness.encode.filters import FilterBlock, residual_filters
from harness.encode.kernel import DoubleArray, FloatArray, Precision, Spectrum
from harness.encode.scores import FoldScore, Metric
from harness.encode.splits import Fold, IntArray
from harness.errors import DataError, ScoreError

BLOCK = 64
"""Targets worked on at a time: what the scan over penalties holds of them stays in cache."""

TOLERANCE = {Precision.DOUBLE: 1e-8, Precision.SINGLE: 1e-7}
"""Truncation error of the filters: below the rounding error of what they are applied to."""


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

    inner_scores: DoubleArray
    chosen: IntArray
    predictions: DoubleArray


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


@dataclass(frozen=True, eq=False)
class Piece:
    """An inner fold's part of a plan.

    Parameters
    ----------
    left_out : array of int, shape (n_left_out,)
        Rows ``S`` to leave out, as positions among the training rows: first those of the inner
        fold's held-out block, then those purged around it.
    n_test : int
        How many of them are scored.
    inverse : array, shape (n_penalties, n_left_out, n_left_out)
        ``inv(G[S, S])``: takes residuals of the full fit to prediction errors when ``S`` is left
        out.
    """

    left_out: IntArray
    n_test: int
    inverse: FloatArray


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
    precision : Precision
        Of the products of the scan.
    pieces : tuple of Piece
        One for each inner fold.
    """

    spectrum: Spectrum
    penalties: DoubleArray
    metric: Metric
    precision: Precision
    pieces: tuple[Piece, ...]
    _basis: FloatArray
    _filters: tuple[FilterBlock, ...]
    _weights: FloatArray

    @property
    def nbytes(self) -> int:
        """Memory the plan holds, in bytes."""
        arrays = [self.spectrum.basis, self.spectrum.heldout, self._basis]
        return sum(a.nbytes for a in arrays) + sum(p.inverse.nbytes for p in self.pieces)

    def fit(self, responses: FloatArray) -> RidgeFit:
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

    def score(self, responses: FloatArray) -> DoubleArray:
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
            for piece, residuals in self.residuals(y[:, block]):
                held_out = FoldScore(y[piece.left_out[: piece.n_test], block], self.metric)
                scores[:, block] += held_out(piece.inverse[:, : piece.n_test] @ residuals)
        return scores / len(self.pieces)

    def predict(self, responses: FloatArray, chosen: IntArray) -> DoubleArray:
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

    def residuals(self, responses: FloatArray) -> Iterator[tuple[Piece, FloatArray]]:
        """Residuals of the fit to all training rows, in the rows that each inner fold leaves out.

        Parameters
        ----------
        responses : array, shape (n_train, n_targets)
            A block of targets small enough to hold ``n_penalties`` times.

        Yields
        ------
        piece : Piece
            The inner fold.
        residuals : array, shape (n_penalties, n_left_out, n_targets)
            ``(G @ y)[S]`` for each penalty.
        """
        dtype = self._basis.dtype
        y = responses - responses.mean(axis=0, dtype=np.float64)
        axes = self.spectrum.basis.T @ y
        # What no feature reaches is left over whole, whatever the penalty.
        rest = None if self.spectrum.complete else (y - self.spectrum.basis @ axes).astype(dtype)
        terms = [
            (block.functions[:, :, None] * axes[block.columns]).astype(dtype, copy=False)
            for block in self._filters
        ]
        for piece in self.pieces:
            rows = piece.left_out
            parts = np.empty((self._weights.shape[1], len(rows), y.shape[1]), dtype=dtype)
            start = 0
            for block, term in zip(self._filters, terms, strict=True):
                stop = start + len(term)
                np.matmul(self._basis[rows, block.columns], term, out=parts[start:stop])
                start = stop
            found = (self._weights @ parts.reshape(len(parts), -1)).reshape(-1, *parts.shape[1:])
            if rest is not None:
                found += rest[rows]
            yield piece, found

    def checked(self, responses: FloatArray) -> FloatArray:
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
) -> RidgePlan:
    """Compute what all targets share.

    Parameters
    ----------
    spectrum : Spectrum
        Of the training rows.
    folds : sequence of Fold
        Inner folds; row numbers are positions among the training rows.
    penalties : array, shape (n_penalties,)
        Positive, ascending; see :func:`harness.encode.kernel.penalty_grid`.
    metric : Metric
        What inner cross-validation maximises. R2 by default: it is the loss that ridge minimises,
        and it shrinks a target that cannot be predicted to its mean, where correlation, blind to
        the scale of a prediction, would choose a penalty at random.
    precision : Precision
        Of the products of the scan over penalties.

    Returns
    -------
    RidgePlan

    Raises
    ------
    DataError
        Penalties are not positive and ascending.
    """
    grid = np.asarray(penalties, dtype=np.float64)
    if grid.ndim != 1 or grid.size == 0 or grid[0] <= 0 or (np.diff(grid) <= 0).any():
        raise DataError(f"penalties {grid}", "penalties are positive and ascending")
    dtype = np.dtype(precision.value)
    filters = residual_filters(spectrum.values, grid, TOLERANCE[Precision(precision)])
    return RidgePlan(
        spectrum,
        grid,
        Metric(metric),
        Precision(precision),
        tuple(_piece(spectrum, fold, grid, dtype) for fold in folds),
        spectrum.basis.astype(dtype, copy=False),
        filters,
        np.hstack([block.coefficients for block in filters]).astype(dtype),
    )


def best_penalty(scores: DoubleArray) -> IntArray:
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


def grid_ends(chosen: IntArray, n_penalties: int) -> GridEnds:
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


def _piece(spectrum: Spectrum, fold: Fold, penalties: DoubleArray, dtype: np.dtype[Any]) -> Piece:
    purged = np.setdiff1d(np.arange(spectrum.n_train), np.r_[fold.train, fold.test])
    left_out = np.r_[fold.test, purged]
    # Column-major, as LAPACK wants it: nothing is copied on the way in.
    rows = np.asfortranarray(spectrum.basis[left_out].T)
    inverse = np.empty((len(penalties), len(left_out), len(left_out)), dtype=dtype)
    for number, penalty in enumerate(penalties):
        inverse[number] = _inverse(rows, spectrum, penalty)
    return Piece(left_out, len(fold.test), inverse)


def _inverse(rows: DoubleArray, spectrum: Spectrum, penalty: float) -> DoubleArray:
    """``inv(G[S, S])`` for the rows ``S`` of the eigenvectors, given as columns."""
    size = rows.shape[1]
    kept = np.sqrt(spectrum.values / (spectrum.values + penalty))
    # I - H; H has the constant vector of the unpenalised intercept besides the eigenvectors.
    rest = np.full((size, size), -1 / spectrum.n_train, order="F")
    rest.ravel(order="K")[:: size + 1] += 1
    rest = scipy.linalg.blas.dsyrk(
        -1.0, rows * kept[:, None], beta=1.0, c=rest, trans=1, lower=1, overwrite_c=1
    )
    factor, failed = scipy.linalg.lapack.dpotrf(rest, lower=1, overwrite_a=1, clean=1)
    if failed:
        raise ScoreError(
            f"penalty {penalty:g} is too small for this kernel: leaving rows out is singular",
            "start the penalty grid higher (penalty_low)",
        )
    lower, _ = scipy.linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
    inverse = lower + lower.T
    inverse.ravel(order="K")[:: size + 1] /= 2
    return np.asarray(inverse)


def target_blocks(responses: FloatArray) -> Iterator[slice]:
    """Slices of targets to work on one after another."""
    for start in range(0, responses.shape[1], BLOCK):
        yield slice(start, start + BLOCK)
