"""Paired contrasts between two variants, over participants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.stats

from harness.errors import ScoreError
from harness.numeric.arrays import Doubles, Floats


@dataclass(frozen=True, eq=False)
class Contrast:
    """Two variants on the same participants; every array has the shape of one participant's scores.

    Parameters
    ----------
    difference : array
        Mean of first minus second.
    low, high : array
        Confidence interval of the difference (Student t).
    level : float
        Its coverage.
    dz : array
        Cohen's d of paired samples: mean over standard deviation of the differences.
    t, t_p : array
        Paired t-test, two-sided.
    wilcoxon, wilcoxon_p : array
        Wilcoxon signed-rank test, two-sided; differences of 0 are left out.
    n : array of int
        Participants with both scores.
    """

    difference: Doubles
    low: Doubles
    high: Doubles
    level: float
    dz: Doubles
    t: Doubles
    t_p: Doubles
    wilcoxon: Doubles
    wilcoxon_p: Doubles
    n: Doubles


def paired_contrast(first: Floats, second: Floats, level: float = 0.95) -> Contrast:
    """Contrast two variants participant by participant.

    Parameters
    ----------
    first, second : array, shape (n_participants, ...)
        Scores of the same participants in the same order. Who lacks one (NaN) is left out there.
    level : float
        Coverage of the interval.

    Returns
    -------
    Contrast
        NaN where fewer than two participants have both scores. Where all differences are equal
        but not 0, t is infinite and its p 0; where all are 0, t is NaN and p is 1.

    Raises
    ------
    ScoreError
        Shapes differ.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim == 0:
        raise ScoreError(
            f"scores of shape {a.shape} and {b.shape} cannot be paired",
            "give the same participants in the same order",
        )
    differences = a - b
    n, mean, error = paired_moments(differences)
    half = scipy.stats.t.ppf((1 + level) / 2, np.maximum(n - 1, 1)) * error
    with np.errstate(invalid="ignore", divide="ignore"):
        dz = mean / (error * np.sqrt(n))
        t = mean / error
    t_p = 2 * scipy.stats.t.sf(np.abs(t), np.maximum(n - 1, 1))
    t_p = np.where((mean == 0) & (error == 0), 1.0, t_p)
    statistic, p = _signed_ranks(differences)
    return Contrast(mean, mean - half, mean + half, level, dz, t, t_p, statistic, p, n)


def paired_moments(differences: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Count, mean and standard error of differences over participants, without NaN.

    Parameters
    ----------
    differences : array, shape (n_participants, ...)
        Paired differences.

    Returns
    -------
    n, mean, error : array, shape (...)
        The standard error is exactly 0 where all differences are equal, NaN with fewer than two.
    """
    present = np.isfinite(differences)
    n = present.sum(axis=0).astype(np.float64)
    filled = np.where(present, differences, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=0) / n
        squares = (np.where(present, differences - mean, 0.0) ** 2).sum(axis=0)
        error = np.sqrt(squares / (n - 1) / n)
    top = np.where(present, differences, -np.inf).max(axis=0)
    bottom = np.where(present, differences, np.inf).min(axis=0)
    error = np.where((top == bottom) & (n > 1), 0.0, error)
    return n, np.where(top == bottom, top, mean), np.where(n > 1, error, np.nan)


def _signed_ranks(differences: Doubles) -> tuple[Doubles, Doubles]:
    flat = differences.reshape(len(differences), -1)
    statistic, p = np.full((2, flat.shape[1]), np.nan)
    for column in range(flat.shape[1]):
        values = flat[np.isfinite(flat[:, column]), column]
        if len(values) < 2:
            continue
        if not values.any():
            statistic[column], p[column] = 0.0, 1.0
            continue
        found = scipy.stats.wilcoxon(values)
        statistic[column], p[column] = found.statistic, found.pvalue
    return statistic.reshape(differences.shape[1:]), p.reshape(differences.shape[1:])
