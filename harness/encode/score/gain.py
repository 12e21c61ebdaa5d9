"""What predictors add to a baseline, in held-out log-likelihood per observation.

The measure of reading-time studies (Frank & Bod 2011; Wilcox et al. 2020): how much likelier each
held-out observation is under a Gaussian regression with the predictors than without them, in nats.

Everything is computed from second moments of blocks of rows, so that leaving blocks out costs a
subtraction, and the fit without blocks *a* and *b* serves both the outer fold *a* with the inner
fold *b* and the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import scipy.linalg

from harness.encode.design.splits import check_runs, grouped_folds
from harness.errors import DataError
from harness.numeric.arrays import Doubles, Floats, Positions

RIDGE = tuple(float(10**x) for x in np.arange(-2.0, 3.5, 0.5))
"""Penalties, in units of the number of training rows: predictors have variance 1."""

UNPENALISED = (0.0,)


@dataclass(frozen=True, eq=False)
class Gain:
    """What predictors add to a baseline.

    Parameters
    ----------
    rows : array, shape (n_rows,)
        Gain of each held-out observation, in nats.
    groups : array, shape (n_groups,)
        Mean gain of each group of rows, in order of first appearance.
    layers : array, shape (n_layers,)
        Mean gain of each layer at its own penalty: a description; its maximum is not a result.
    chosen : array of int, shape (n_folds,)
        Layer taken in each outer fold, by inner folds.
    penalty : array, shape (n_folds,)
        Penalty taken, in units of the number of training rows.
    residual : array, shape (n_rows,)
        Held-out error of the baseline.
    change : array, shape (n_rows,)
        How the predictors change its prediction.
    variance : float
        Mean square of ``residual``.
    """

    rows: Doubles
    groups: Doubles
    layers: Doubles
    chosen: Positions
    penalty: Doubles
    residual: Doubles
    change: Doubles
    variance: float


def likelihood_gain(
    predictors: Floats,
    baseline: Floats,
    response: Floats,
    groups: npt.ArrayLike,
    *,
    penalties: Sequence[float] = UNPENALISED,
    n_folds: int = 5,
) -> Gain:
    """Score what predictors add to a baseline, on groups of rows that were held out.

    Responses and regressors are centred within groups, so that a group's level (who read it, how
    fast) neither helps nor harms. Whole groups are held out. The variance of the Gaussian is the
    error in inner folds, not the error on training rows, which flatters a large model.

    Parameters
    ----------
    predictors : array, shape (n_rows, n_layers, n_columns)
        Alternatives, of which inner folds choose one.
    baseline : array, shape (n_rows, n_regressors)
        What is in both models, without a penalty.
    response : array, shape (n_rows,)
        What is predicted.
    groups : array, shape (n_rows,)
        Unbroken stretches of rows that belong together (a story); at least ``n_folds``.
    penalties : sequence of float
        Ridge penalties on the predictors, in units of the number of training rows. ``(0.0,)``:
        ordinary least squares.
    n_folds : int
        At least 3.

    Returns
    -------
    Gain

    Raises
    ------
    DataError
        Shapes do not fit, values are not finite, or groups are fewer than folds.
    """
    labels = check_runs(groups)
    _check(predictors, baseline, response, len(labels), n_folds)
    blocks = [fold.test for fold in grouped_folds(labels, n_folds)]
    y = _within(np.asarray(response, np.float64)[:, None], labels)
    base = _standard(_within(np.asarray(baseline, np.float64), labels))
    alone = _Nested.fit(base, base.shape[1], y, blocks, UNPENALISED)
    residual, spread = alone.held_out(base, y, blocks, np.zeros(n_folds, np.intp))
    scores, errors, predictions, picks = [], [], [], []
    for layer in range(predictors.shape[1]):
        own = _standard(_within(np.asarray(predictors[:, layer], np.float64), labels))
        columns = np.concatenate([base, own], axis=1)
        nested = _Nested.fit(columns, base.shape[1], y, blocks, penalties)
        pick = nested.inner.argmin(axis=1)
        rest, variance = nested.held_out(columns, y, blocks, pick)
        scores.append(_log_ratio(residual, spread, rest, variance))
        errors.append(nested.inner.min(axis=1))
        predictions.append(residual - rest)
        picks.append(np.asarray(penalties)[pick])
    chosen = np.argmin(errors, axis=0)
    rows, change = np.empty((2, len(labels)))
    for block, layer in zip(blocks, chosen, strict=True):
        rows[block], change[block] = scores[layer][block], predictions[layer][block]
    _, first = np.unique(labels, return_index=True)
    return Gain(
        rows=rows,
        groups=np.array([rows[labels == labels[i]].mean() for i in np.sort(first)]),
        layers=np.array([s.mean() for s in scores]),
        chosen=chosen,
        penalty=np.array([picks[layer][k] for k, layer in enumerate(chosen)]),
        residual=residual,
        change=change,
        variance=float(np.mean(residual**2)),
    )


@dataclass(frozen=True, eq=False)
class _Nested:
    """Fits of one set of columns without each block, and their errors in inner folds.

    ``inner`` is the mean squared error by (outer fold, penalty), of fits that saw neither the outer
    nor the inner block; ``grams`` and ``crosses`` are second moments by block.
    """

    inner: Doubles
    grams: Doubles
    crosses: Doubles
    lengths: Positions
    n_free: int
    penalties: tuple[float, ...]

    @classmethod
    def fit(
        cls,
        columns: Doubles,
        n_free: int,
        y: Doubles,
        blocks: Sequence[Positions],
        penalties: Sequence[float],
    ) -> _Nested:
        grams = np.stack([columns[b].T @ columns[b] for b in blocks])
        crosses = np.stack([columns[b].T @ y[b, 0] for b in blocks])
        squares = np.array([y[b, 0] @ y[b, 0] for b in blocks])
        lengths = np.array([len(b) for b in blocks])
        all_grams, all_crosses = grams.sum(axis=0), crosses.sum(axis=0)
        sums = np.zeros((len(blocks), len(penalties)))
        for a, b in combinations(range(len(blocks)), 2):
            gram = all_grams - grams[a] - grams[b]
            cross = all_crosses - crosses[a] - crosses[b]
            n_rows = int(lengths.sum() - lengths[a] - lengths[b])
            for k, penalty in enumerate(penalties):
                w = _solve(gram, cross, n_free, penalty * n_rows)
                for outer, inner in ((a, b), (b, a)):
                    error = squares[inner] - 2 * w @ crosses[inner] + w @ grams[inner] @ w
                    sums[outer, k] += error
        left = lengths.sum() - lengths
        return cls(sums / left[:, None], grams, crosses, lengths, n_free, tuple(penalties))

    def held_out(
        self, columns: Doubles, y: Doubles, blocks: Sequence[Positions], pick: Positions
    ) -> tuple[Doubles, Doubles]:
        """Errors of held-out rows, and the variance that inner folds expect of them."""
        rest, variance = np.empty((2, len(y)))
        for number, block in enumerate(blocks):
            gram = self.grams.sum(axis=0) - self.grams[number]
            cross = self.crosses.sum(axis=0) - self.crosses[number]
            n_rows = int(self.lengths.sum() - self.lengths[number])
            penalty = self.penalties[pick[number]] * n_rows
            weights = _solve(gram, cross, self.n_free, penalty)
            rest[block] = y[block, 0] - columns[block] @ weights
            variance[block] = self.inner[number, pick[number]]
        return rest, variance


def _solve(gram: Doubles, cross: Doubles, n_free: int, penalty: float) -> Doubles:
    if penalty == 0:
        return np.asarray(scipy.linalg.lstsq(gram, cross)[0])
    ridged = gram.copy()
    diagonal = np.arange(n_free, len(gram))
    ridged[diagonal, diagonal] += penalty
    try:
        factor = scipy.linalg.cho_factor(ridged, overwrite_a=True, check_finite=False)
    except scipy.linalg.LinAlgError:
        # Baseline regressors that depend on each other have no penalty to tell them apart.
        return _solve_any(gram, cross, diagonal, penalty)
    return np.asarray(scipy.linalg.cho_solve(factor, cross, check_finite=False))


def _solve_any(gram: Doubles, cross: Doubles, diagonal: Positions, penalty: float) -> Doubles:
    ridged = gram.copy()
    ridged[diagonal, diagonal] += penalty
    return np.asarray(scipy.linalg.lstsq(ridged, cross)[0])


def _log_ratio(
    base: Doubles, base_variance: Doubles, full: Doubles, full_variance: Doubles
) -> Doubles:
    """Log-likelihood of each error under its own Gaussian, with predictors minus without."""
    better = base**2 / base_variance - full**2 / full_variance
    return np.asarray(0.5 * (better + np.log(base_variance / full_variance)))


def _within(x: Doubles, labels: npt.NDArray[np.generic]) -> Doubles:
    out = np.empty_like(x)
    for label in np.unique(labels):
        rows = labels == label
        out[rows] = x[rows] - x[rows].mean(axis=0)
    return out


def _standard(x: Doubles) -> Doubles:
    """Give columns variance 1; a column that does not vary stays 0."""
    scale = x.std(axis=0)
    # Centring leaves rounding in a column that is constant within every group.
    scale[scale <= 1e-12 * np.abs(x).max(axis=0, initial=1.0)] = np.inf
    return np.asarray(x / scale)


def _check(
    predictors: Floats, baseline: Floats, response: Floats, n_rows: int, n_folds: int
) -> None:
    shapes = np.shape(predictors), np.shape(baseline), np.shape(response)
    if (len(shapes[0]), len(shapes[1]), len(shapes[2])) != (3, 2, 1) or {s[0] for s in shapes} != {
        n_rows
    }:
        raise DataError(
            f"predictors {shapes[0]}, baseline {shapes[1]}, response {shapes[2]} and {n_rows}"
            " group labels do not fit",
            "expected (row, layer, column), (row, regressor), (row,) and a label for every row",
        )
    for name, values in (
        ("predictors", predictors),
        ("baseline", baseline),
        ("response", response),
    ):
        if not np.isfinite(values).all():
            raise DataError(f"the {name} hold values that are not finite")
    if n_folds < 3:
        raise DataError(f"{n_folds} folds leave none to choose on", "ask for at least 3")
