"""How well infinitely many other participants would predict one: a ceiling for single participants.

Schrimpf et al. (2021): a participant is predicted from pools of 1, 2, ... others, and the curve of
scores is extrapolated to a pool without end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harness.encode.ceilings import Ceiling, CeilingKind
from harness.encode.design import zscore_by_run
from harness.encode.kernel import DoubleArray, FloatArray, kernel_spectrum
from harness.encode.layers import layer_plan
from harness.encode.result import EncodingOptions
from harness.encode.scores import pearson
from harness.encode.targets import Split, make_splits
from harness.encode.threads import spread
from harness.errors import DataError

SCALES = 100
"""Points of each of two grids over the scale of the curve, coarse and fine; the asymptote has a
closed form for each."""


@dataclass(frozen=True, eq=False)
class Saturation:
    """Curves ``asymptote * (1 - exp(-size / scale))`` fitted by least squares.

    Parameters
    ----------
    asymptote, scale : array, shape (n_curves,)
        NaN where the fit is refused.
    """

    asymptote: DoubleArray
    scale: DoubleArray


def fit_saturation(sizes: npt.ArrayLike, scores: FloatArray) -> Saturation:
    """Fit a saturating curve to each column of scores, and refuse what cannot be extrapolated.

    A fit is refused where the curve has not covered 63 % of the way to its asymptote within the
    sizes measured (its scale exceeds the largest), where the asymptote is not in (0, 1], or where a
    score is NaN. Fits without such guards have given ceilings of -5 and of 6.

    Parameters
    ----------
    sizes : array, shape (n_sizes,)
        Sizes of the pool, at least three different ones.
    scores : array, shape (n_sizes, n_curves)
        Scores at each size.

    Returns
    -------
    Saturation

    Raises
    ------
    DataError
        There are fewer than three sizes.
    """
    x = np.asarray(sizes, dtype=np.float64)
    y = np.asarray(scores, dtype=np.float64)
    if len(np.unique(x)) < 3 or y.ndim != 2 or len(y) != len(x) or x.min() <= 0:
        raise DataError(
            f"a curve cannot be extrapolated from pools of {x.tolist()}",
            "at least three pool sizes are needed, that is four participants",
        )
    # Below a third of the smallest size the curve is flat; above the largest it is refused.
    coarse = np.geomspace(x.min() / 3, 2 * x.max(), SCALES)[:, None]
    scale, _ = _best(x, y, np.broadcast_to(coarse, (SCALES, y.shape[1])))
    step = coarse[1] / coarse[0]
    fine = scale * np.geomspace(1 / step, step, SCALES)
    scale, asymptote = _best(x, y, fine)
    finite = np.isfinite(y).all(axis=0)
    accepted = finite & (scale <= x.max()) & (asymptote > 0) & (asymptote <= 1)
    return Saturation(np.where(accepted, asymptote, np.nan), np.where(accepted, scale, np.nan))


def _best(x: DoubleArray, y: DoubleArray, scales: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Scale and asymptote of least squared error, of scales given for each curve."""
    shapes = 1 - np.exp(-x[:, None, None] / scales)
    heights = (shapes * y[:, None]).sum(axis=0) / np.square(shapes).sum(axis=0)
    errors = np.square(y[:, None] - shapes * heights).sum(axis=0)
    best = np.argmin(np.where(np.isfinite(errors), errors, np.inf), axis=0)[None]
    return (
        np.take_along_axis(scales, best, axis=0)[0],
        np.take_along_axis(heights, best, axis=0)[0],
    )


def extrapolated(
    responses: FloatArray,
    runs: npt.ArrayLike,
    *,
    options: EncodingOptions,
    sizes: Sequence[int] | None = None,
    n_draws: int = 5,
    seed: int = 0,
) -> Ceiling:
    """Ceiling on predicting a single participant, from pools of others.

    In each draw a participant's targets are predicted from all targets of a random pool of others
    by the ridge regression that models go through (without delays: others saw the stimulus at the
    same time), with held-out folds. Scores are averaged over draws and extrapolated to an endless
    pool.

    Parameters
    ----------
    responses : array, shape (n_participants, n_samples, n_targets)
        The same stimulus for all; finite.
    runs : array, shape (n_samples,)
        Run label of every row.
    options : EncodingOptions
        Folds, gap, penalties, metric. Delays are not used.
    sizes : sequence of int, optional
        Pool sizes; by default all up to 5, then about five more, evenly in their logarithm.
    n_draws : int
        Pools of each size for each participant (fewer where there are not that many).
    seed : int
        Seed of the pools.

    Returns
    -------
    Ceiling
        ``per_participant`` has the extrapolated score of each, NaN where its fit is refused;
        ``value`` is their median, ``excluded`` the share refused.

    Raises
    ------
    DataError
        There are fewer than four participants, or a response is not finite.
    """
    y = np.asarray(responses, dtype=np.float64)
    if y.ndim != 3 or len(y) < 4 or not np.isfinite(y).all():
        raise DataError(
            f"responses of shape {y.shape} cannot be extrapolated over participants",
            "give at least four participants, with finite responses: (participant, sample, target)",
        )
    n = len(y)
    pools = _sizes(n - 1) if sizes is None else tuple(sizes)
    standard = np.stack([zscore_by_run(one, runs) for one in y])
    grams = standard @ standard.swapaxes(1, 2)
    splits = make_splits(runs, replace(options, delays=(0,)))
    scores = np.zeros((len(pools), n, y.shape[2]))

    def score(held: int) -> None:
        rng = np.random.default_rng([seed, held])
        others = np.delete(np.arange(n), held)
        for number, size in enumerate(pools):
            draws = min(n_draws, math.comb(n - 1, size))
            for _ in range(draws):
                kernel = grams[rng.choice(others, size, replace=False)].sum(axis=0)
                found = [_held_out_r(kernel, y[held], split, options) for split in splits]
                scores[number, held] += np.mean(found, axis=0) / draws

    with spread(y.shape[1]) as each:
        each(score, range(n))
    curves = fit_saturation(pools, scores.reshape(len(pools), -1))
    own = curves.asymptote.reshape(n, -1)
    refused = np.isnan(own)
    value = np.full(own.shape[1], np.nan)
    some = ~refused.all(axis=0)
    value[some] = np.nanmedian(own[:, some], axis=0)
    return Ceiling(
        CeilingKind.EXTRAPOLATED, n, value, per_participant=own, excluded=refused.mean(axis=0)
    )


def _held_out_r(
    kernel: DoubleArray, responses: DoubleArray, split: Split, options: EncodingOptions
) -> DoubleArray:
    train, test = split.outer.train, split.outer.test
    spectrum = kernel_spectrum(kernel[np.ix_(train, train)], kernel[np.ix_(test, train)])
    fit = layer_plan(spectrum, split, options, responses.shape[1]).fit(responses[train])
    return pearson(responses[test], fit.predictions)


def _sizes(largest: int) -> tuple[int, ...]:
    spread = np.geomspace(min(5, largest), largest, 6).round().astype(int)
    return tuple(sorted({*range(1, min(5, largest) + 1), *(int(size) for size in spread)}))
