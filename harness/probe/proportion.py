"""Intervals for a proportion."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from harness.numeric.arrays import Doubles

#: Coverage of the intervals in scores.
LEVEL = 0.95


def wilson(
    proportion: npt.ArrayLike, trials: npt.ArrayLike, level: float = LEVEL
) -> tuple[Doubles, Doubles]:
    """Score interval of a proportion.

    It stays inside [0, 1] and has a width at 0 and 1, where the bootstrap and the normal interval
    collapse to a point.

    Parameters
    ----------
    proportion : array-like
        Observed proportions; a tie may have counted half.
    trials : array-like
        Numbers of trials, positive, not necessarily whole (an effective number).
    level : float
        Coverage, in (0, 1).

    Returns
    -------
    low, high : array
        Of the broadcast shape of the two.

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22, 209-212.
    """
    p, n = np.asarray(proportion, np.float64), np.asarray(trials, np.float64)
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    centre = p + z2 / (2 * n)
    half = np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n**2)))
    scale = 1 + z2 / n
    # At 0 and 1 the end is exactly there; rounding may leave it 1e-17 off.
    low: Doubles = np.clip((centre - half) / scale, 0.0, p)
    high: Doubles = np.clip((centre + half) / scale, p, 1.0)
    return low, high


def effective_trials(trials: npt.ArrayLike) -> float:
    """Trials behind an unweighted mean of proportions.

    Parameters
    ----------
    trials : array-like (strata,)
        Trials of each stratum.

    Returns
    -------
    float
        ``K**2 / sum(1 / n)``: the number of trials of one sample that has the variance of the mean
        over K strata when all have the same proportion. Where proportions differ between strata
        the true variance is smaller (p (1 - p) is concave), so an interval from this number is
        conservative. Equal strata: the number of all trials.
    """
    n = np.asarray(trials, np.float64)
    return float(len(n) ** 2 / np.sum(1 / n))
