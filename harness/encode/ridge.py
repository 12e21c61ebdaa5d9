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
from harness.encode.scores import Metric
from harness.encode.splits import Fold, IntArray
from harness.errors import DataError, ScoreError

BLOCK = 64
"""Targets worked on at a time: what the scan over penalties holds of them stays in cache."""

TOLERANCE = {Precision.DOUBLE: 1e-10, Precision.SINGLE: 1e-7}
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
class _Piece:
    """The inner fold's part of a plan.

    ``inverse[p]``, the rows of the test rows in ``inv(G[S, S])``, takes residuals of the full fit
    in the left-out rows ``S`` to prediction errors of the test rows when ``S`` is left out.
    """

    left_out: IntArray
    test: IntArray
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
    """

    spectrum: Spectrum
    penalties: DoubleArray
    metric: Metric
    precision: Precision
    _basis: FloatArray
    _filters: tuple[FilterBlock, ...]
    _weights: FloatArray
    _pieces: tuple[_Piece, ...]

    @property
    def nbytes(self) -> int:
        """Memory the plan holds, in bytes."""
        arrays = [self.spectrum.basis, self.spectrum.heldout, self._basis]
        return sum(a.nbytes for a in arrays) + sum(p.inverse.nbytes for p in self._pieces)

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
        y = self._check(responses)
        scores = np.empty((len(self.penalties), y.shape[1]))
        for block in _blocks(y):
            scores[:, block] = self._score_block(y[:, block])
        return scores

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
        y = self._check(responses)
        out = np.empty((len(self.spectrum.heldout), y.shape[1]))
        values = self.spectrum.values
        for block in _blocks(y):
            mean = y[:, block].mean(axis=0, dtype=np.float64)
            axes = self.spectrum.basis.T @ (y[:, block] - mean)
            axes /= values[:, None] + self.penalties[chosen[block]]
            out[:, block] = self.spectrum.heldout @ axes + mean
        return out

    def _check(self, responses: FloatArray) -> FloatArray:
        y = np.asarray(responses)
        if y.ndim != 2 or len(y) != self.spectrum.n_train:
            raise ScoreError(
                f"responses have shape {y.shape}; the plan has {self.spectrum.n_train} rows",
                "give the training rows, shape (n_train, n_targets)",
            )
        return y

    def _score_block(self, responses: FloatArray) -> DoubleArray:
        dtype = np.dtype(self.precision.value)
        y = responses - responses.mean(axis=0, dtype=np.float64)
        axes = self.spectrum.basis.T @ y
        # What no feature reaches is left over whole, whatever the penalty.
        rest = None if self.spectrum.complete else (y - self.spectrum.basis @ axes).astype(dtype)
        terms = [
            (block.functions[:, :, None] * axes[block.columns]).astype(dtype, copy=False)
            for block in self._filters
        ]
        y = y.astype(dtype, copy=False)
        scores = np.zeros((len(self.penalties), y.shape[1]))
        for piece in self._pieces:
            held_out = FoldScore(y[piece.left_out[piece.test]], self.metric)
            residuals = self._residuals(piece.left_out, terms, rest)
            for number, residual in enumerate(residuals):
                scores[number] += held_out(piece.inverse[number] @ residual)
        return scores / len(self._pieces)

    def _residuals(
        self, rows: IntArray, terms: Sequence[FloatArray], rest: FloatArray | None
    ) -> FloatArray:
        """Residuals ``G @ y`` of the fit to all training rows, (penalty, row, target)."""
        n_targets = terms[0].shape[-1]
        parts = np.empty((self._weights.shape[1], len(rows), n_targets), dtype=terms[0].dtype)
        start = 0
        for block, term in zip(self._filters, terms, strict=True):
            stop = start + len(term)
            np.matmul(self._basis[rows, block.columns], term, out=parts[start:stop])
            start = stop
        residuals = (self._weights @ parts.reshape(len(parts), -1)).reshape(-1, *parts.shape[1:])
        if rest is not None:
            residuals += rest[rows]
        return residuals


class FoldScore:
    """Scores many predictions of the same held-out responses.

    Parameters
    ----------
    responses : array, shape (n_samples, n_targets)
        Held-out responses.
    metric : Metric
        What to compute.
    """

    def __init__(self, responses: FloatArray, metric: Metric) -> None:
        self._metric = metric
        self._responses = responses
        self._centred = responses - responses.mean(axis=0)
        constant = np.ptp(responses, axis=0) == 0
        self._total = np.where(constant, np.nan, _dot(self._centred, self._centred))

    def __call__(self, errors: FloatArray) -> DoubleArray:
        """Score predictions, given as responses - predictions, per target.

        Parameters
        ----------
        errors : array, shape (n_samples, n_targets)
            Prediction errors.

        Returns
        -------
        array, shape (n_targets,)
            NaN where responses do not vary. A prediction without variance has correlation 0.
        """
        if self._metric is Metric.R2:
            return np.asarray(1 - _dot(errors, errors) / self._total)
        predictions = self._responses - errors
        predictions -= predictions.mean(axis=0)
        norm = np.sqrt(_dot(predictions, predictions) * self._total)
        with np.errstate(invalid="ignore", divide="ignore"):
            r = _dot(self._centred, predictions) / norm
        return np.where(norm == 0, 0.0, r)


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
        spectrum.basis.astype(dtype, copy=False),
        filters,
        np.hstack([block.coefficients for block in filters]).astype(dtype),
        tuple(_piece(spectrum, fold, grid, dtype) for fold in folds),
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


def _piece(spectrum: Spectrum, fold: Fold, penalties: DoubleArray, dtype: np.dtype[Any]) -> _Piece:
    n_train = spectrum.n_train
    left_out = np.setdiff1d(np.arange(n_train), fold.train)
    test = np.searchsorted(left_out, fold.test)
    rows = spectrum.basis[left_out]
    inverse = np.empty((len(penalties), len(test), len(left_out)), dtype=dtype)
    for number, penalty in enumerate(penalties):
        inverse[number] = _inverse(rows, spectrum, penalty)[test]
    return _Piece(left_out, test, inverse)


def _inverse(rows: DoubleArray, spectrum: Spectrum, penalty: float) -> DoubleArray:
    """``inv(G[S, S])`` for the rows ``S`` of the eigenvectors."""
    diagonal = np.diag_indices(len(rows))
    weighted = rows * np.sqrt(spectrum.values / (spectrum.values + penalty))
    # H has the constant vector of the unpenalised intercept besides the eigenvectors.
    rest = weighted @ weighted.T
    rest += 1 / spectrum.n_train
    np.negative(rest, out=rest)
    rest[diagonal] += 1
    factor, failed = scipy.linalg.lapack.dpotrf(rest, lower=1, overwrite_a=1, clean=1)
    if failed:
        raise ScoreError(
            f"penalty {penalty:g} is too small for this kernel: leaving rows out is singular",
            "start the penalty grid higher (penalty_low)",
        )
    inverse, _ = scipy.linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
    inverse = inverse + inverse.T
    inverse[diagonal] /= 2
    return np.asarray(inverse)


def _blocks(responses: FloatArray) -> Iterator[slice]:
    for start in range(0, responses.shape[1], BLOCK):
        yield slice(start, start + BLOCK)


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("tv,tv->v", a, b))
