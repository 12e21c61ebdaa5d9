"""Intervals by resampling participants.

A resample is a set of weights, so a bootstrap of any number of scores is one matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import scipy.stats

from harness.errors import ScoreError
from harness.numeric.arrays import Doubles, Floats

_BLOCK = 2**24
"""Numbers a temporary array may hold."""


class BootstrapMethod(StrEnum):
    """How an interval is read off the resampled means."""

    PERCENTILE = "percentile"
    BCA = "bca"


@dataclass(frozen=True, eq=False)
class Interval:
    """An estimate and its confidence interval.

    Parameters
    ----------
    estimate, low, high : array
        Of one shape.
    level : float
        Coverage, such as .95.
    n : int
        Participants behind it.
    """

    estimate: Doubles
    low: Doubles
    high: Doubles
    level: float
    n: int


def bootstrap_interval(
    values: Floats,
    n: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
    method: BootstrapMethod = BootstrapMethod.BCA,
) -> Interval:
    """Confidence interval of the mean over participants.

    Parameters
    ----------
    values : array, shape (n_participants, ...)
        A score of each participant. A participant whose score is NaN is left out of that mean.
    n : int
        Number of resamples.
    seed : int
        Seed of the resamples; the same for all scores, so that their intervals belong together.
    level : float
        Coverage.
    method : BootstrapMethod
        Percentile, or bias-corrected and accelerated (Efron 1987, eq. 2.3 and 6.6).

    Returns
    -------
    Interval
        Of shape (...). With fewer than two participants the ends are NaN.

    Raises
    ------
    ScoreError
        There is no participant, or the level is not between 0 and 1.
    """
    x = np.asarray(values, dtype=np.float64)
    _check(x, level)
    n_participants = len(x)
    flat = x.reshape(n_participants, -1)
    counts = _resamples(np.random.default_rng(seed), n, n_participants)
    low, high = np.full((2, flat.shape[1]), np.nan)
    for columns in _column_blocks(flat.shape[1], n):
        part = flat[:, columns]
        low[columns], high[columns] = _ends(part, _weighted_means(counts, part), level, method)
    shape = x.shape[1:]
    return Interval(
        _mean(flat).reshape(shape), low.reshape(shape), high.reshape(shape), level, n_participants
    )


def _check(values: Doubles, level: float) -> None:
    if values.ndim < 1 or values.size == 0:
        raise ScoreError(f"values of shape {values.shape}", "give at least one participant")
    if not 0 < level < 1:
        raise ScoreError(f"a confidence level of {level}", "give a share such as .95")


def _resamples(rng: np.random.Generator, n: int, size: int) -> Doubles:
    """How often each of ``size`` units is drawn, in each of ``n`` resamples."""
    counts: Doubles = rng.multinomial(size, np.full(size, 1 / size), size=n).astype(np.float64)
    return counts


def _column_blocks(n_columns: int, n: int) -> Iterator[slice]:
    width = max(1, _BLOCK // n)
    for start in range(0, n_columns, width):
        yield slice(start, start + width)


def _weighted_means(weights: Doubles, values: Doubles) -> Doubles:
    present = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(
            (weights @ np.where(present, values, 0.0)) / (weights @ present.astype(np.float64))
        )


def _mean(values: Doubles) -> Doubles:
    return np.asarray(_weighted_means(np.ones((1, len(values))), values)[0])


def _ends(
    values: Doubles, means: Doubles, level: float, method: BootstrapMethod
) -> tuple[Doubles, Doubles]:
    tail = (1 - level) / 2
    n_columns = values.shape[1]
    probabilities = np.repeat([[tail], [1 - tail]], n_columns, axis=1)
    if method is BootstrapMethod.BCA:
        probabilities = _accelerated(values, means, probabilities)
    ends = np.full((2, n_columns), np.nan)
    for column in np.flatnonzero(np.isfinite(values).sum(axis=0) > 1):
        # A resample may hold none of the participants that have a score.
        drawn = means[np.isfinite(means[:, column]), column]
        ends[:, column] = np.quantile(drawn, probabilities[:, column])
    return ends[0], ends[1]


def _accelerated(values: Doubles, means: Doubles, probabilities: Doubles) -> Doubles:
    """Move the probabilities of a percentile interval for bias and skewness (Efron 1987)."""
    estimate = _mean(values)
    drawn = np.isfinite(means).sum(axis=0)
    # Half of what ties with the estimate, to rounding, counts as below it.
    slack = 1e-9 * np.sqrt(np.square(np.nan_to_num(values - estimate)).mean(axis=0))
    below = (means < estimate - slack).sum(axis=0) + 0.5 * (np.abs(means - estimate) <= slack).sum(
        axis=0
    )
    bias = scipy.stats.norm.ppf(np.clip(below, 0.5, drawn - 0.5) / np.maximum(drawn, 1))
    # Jackknife values of a mean are linear in the values: their skewness is that of the values.
    deviations = np.where(np.isfinite(values), values - estimate, 0.0)
    spread = np.square(deviations).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        skew = (deviations**3).sum(axis=0) / (6 * spread**1.5)
    skew = np.where(spread > 0, skew, 0.0)
    z = bias + scipy.stats.norm.ppf(probabilities)
    return np.asarray(scipy.stats.norm.cdf(bias + z / (1 - skew * z)))
