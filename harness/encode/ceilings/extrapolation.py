"""How well infinitely many other participants would predict one: a ceiling for single participants.

Schrimpf et al. (2021): a participant is predicted from pools of 1, 2, ... others, and the curve of
scores is extrapolated to a pool without end.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.encode.ceilings.estimates import Ceiling, CeilingKind
from harness.encode.design.options import EncodingOptions
from harness.encode.design.splits import Fold
from harness.encode.items.pools import PoolScores, pool_sizes, score_pools
from harness.errors import DataError
from harness.numeric.arrays import Doubles, Floats, Positions

FEWEST = 4
"""Participants: pools of one, two and three others make the shortest curve that can be fitted."""

TARGETS = 200
"""Targets whose resampled curves are fitted at once."""

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

    asymptote: Doubles
    scale: Doubles


def fit_saturation(sizes: npt.ArrayLike, scores: Floats) -> Saturation:
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


def _best(x: Doubles, y: Doubles, scales: Doubles) -> tuple[Doubles, Doubles]:
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
    responses: Floats,
    participants: Sequence[Hashable] | npt.NDArray[Any],
    runs: npt.ArrayLike,
    *,
    options: EncodingOptions,
    folds: Sequence[Fold] | None = None,
    sizes: Sequence[int] | None = None,
    draws: int = 3,
    n_bootstraps: int = 100,
    seed: int = 0,
) -> Ceiling:
    """Ceiling on predicting the targets of single participants, from pools of others.

    Everybody's targets are predicted from all targets of pools of others, by the ridge regression
    that models go through, on the same held-out folds; scores are extrapolated to an endless pool.
    Pools and folds are resampled, and the ceiling is the median over resamples (Schrimpf et al.
    2021), of those whose fit is accepted by :func:`fit_saturation`. Another's response is a noisy
    account of what the stimulus drives, so that what is left of its noise at any size makes the
    ceiling a conservative one.

    Parameters
    ----------
    responses : array, shape (n_samples, n_targets)
        The same stimulus for all; targets of all participants side by side; finite.
    participants : array, shape (n_targets,)
        Whose target it is.
    runs : array, shape (n_samples,)
        Run label of every row.
    options : EncodingOptions
        Folds, gap, penalties, metric. Delays are not used.
    folds : sequence of Fold, optional
        Outer folds, where the data set prescribes them.
    sizes : sequence of int, optional
        Pool sizes; by default 1, 2, 3 and about three more, evenly in their logarithm.
    draws : int
        Pools of each size that everybody is predicted from, at least (fewer where there are not
        that many).
    n_bootstraps, seed : int
        Resamples; seed of pools and resamples.

    Returns
    -------
    Ceiling
        ``value`` is the median over accepted resamples, ``low`` and ``high`` their 2.5 and 97.5 %
        quantiles; NaN where half of the resamples or more are refused. ``excluded``: the share that
        is. ``n``: participants.

    Raises
    ------
    DataError
        There are fewer than four participants, or a response is not finite.
    """
    y = np.asarray(responses, dtype=np.float64)
    names, owner = np.unique(np.asarray(participants, dtype=str), return_inverse=True)
    if y.ndim != 2 or owner.shape != (y.shape[1],) or not np.isfinite(y).all():
        raise DataError(
            f"responses of shape {y.shape} with {owner.size} owners cannot be extrapolated",
            "give finite responses (sample, target), and the participant of every target",
        )
    if len(names) < FEWEST:
        raise DataError(
            f"{len(names)} participants are too few to extrapolate from: a curve needs pools of"
            " three sizes",
            "at least four participants are needed",
        )
    found = score_pools(
        y,
        owner,
        runs,
        options=options,
        sizes=pool_sizes(len(names) - 1) if sizes is None else sizes,
        folds=folds,
        draws=draws,
        seed=seed,
    )
    rng = np.random.default_rng([seed, 1])
    value, low, high, refused = (np.full(y.shape[1], np.nan) for _ in range(4))
    for person in range(len(names)):
        own = np.flatnonzero(owner == person)
        weights = _resamples(found, person, n_bootstraps, rng)
        for start in range(0, len(own), TARGETS):
            some = own[start : start + TARGETS]
            heights = _bootstrapped(found, person, some, weights)
            refused[some] = np.isnan(heights).mean(axis=0)
            kept = some[refused[some] < 0.5]
            if len(kept):
                ends = np.nanquantile(heights[:, refused[some] < 0.5], [0.5, 0.025, 0.975], axis=0)
                value[kept], low[kept], high[kept] = ends
    return Ceiling(
        CeilingKind.EXTRAPOLATED, len(names), value, excluded=refused, low=low, high=high
    )


def _resamples(
    found: Sequence[PoolScores], person: int, n: int, rng: np.random.Generator
) -> list[Doubles]:
    """Weights of pools and folds, (n, n_pools, n_folds) a size: folds are drawn once for all."""
    n_folds = found[0].r.shape[1]
    folds = rng.multinomial(n_folds, np.full(n_folds, 1 / n_folds), size=n) / n_folds
    weights = []
    for scores in found:
        m = int((~scores.pools[:, person]).sum())
        pools = rng.multinomial(m, np.full(m, 1 / m), size=n) / m
        weights.append(np.asarray(pools[:, :, None] * folds[:, None], np.float64))
    return weights


def _bootstrapped(
    found: Sequence[PoolScores], person: int, targets: Positions, weights: Sequence[Doubles]
) -> Doubles:
    """Asymptotes of resampled curves, (n_bootstraps, n_targets)."""
    curves = []
    for scores, weight in zip(found, weights, strict=True):
        known = scores.r[~scores.pools[:, person]][:, :, targets]
        curves.append(np.tensordot(weight, known, axes=2).ravel())
    fitted = fit_saturation([scores.size for scores in found], np.stack(curves))
    return fitted.asymptote.reshape(-1, len(targets))
