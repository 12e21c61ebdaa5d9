"""Is there no difference worth the name? Two one-sided tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.stats

from harness.errors import ScoreError
from harness.numeric.arrays import Bools, Doubles, Floats
from harness.stats.contrasts import paired_moments


@dataclass(frozen=True, eq=False)
class Equivalence:
    """A test of equivalence; every array has the shape of one participant's scores.

    Parameters
    ----------
    difference : array
        Mean of first minus second.
    low, high : array
        Confidence interval of coverage ``1 - 2 * alpha``: equivalence is claimed exactly where it
        lies within the margin.
    p : array
        The larger of the two one-sided p-values.
    equivalent : array of bool
        Whether ``p < alpha``.
    margin, alpha : float
        What was asked.
    n : array
        Participants with both scores.
    """

    difference: Doubles
    low: Doubles
    high: Doubles
    p: Doubles
    equivalent: Bools
    margin: float
    alpha: float
    n: Doubles


def tost(first: Floats, second: Floats, margin: float, alpha: float = 0.05) -> Equivalence:
    """Test that two variants differ by less than a margin (Schuirmann 1987), paired.

    Parameters
    ----------
    first, second : array, shape (n_participants, ...)
        Scores of the same participants in the same order. Who lacks one (NaN) is left out there.
    margin : float
        The difference that counts as none, fixed before looking (a benchmark's spec has it).
    alpha : float
        Rate at which a difference as large as the margin is taken for none.

    Returns
    -------
    Equivalence
        With fewer than two participants nothing is claimed and p is NaN.

    Raises
    ------
    ScoreError
        Shapes differ, or the margin is not positive.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim == 0:
        raise ScoreError(
            f"scores of shape {a.shape} and {b.shape} cannot be paired",
            "give the same participants in the same order",
        )
    if not margin > 0:
        raise ScoreError(f"a margin of {margin}", "give the smallest difference that matters")
    n, mean, error = paired_moments(a - b)
    freedom = np.maximum(n - 1, 1)
    p = equivalence_p(mean, error, freedom, margin)
    half = scipy.stats.t.ppf(1 - alpha, freedom) * error
    return Equivalence(mean, mean - half, mean + half, p, p < alpha, margin, alpha, n)


def equivalence_p(mean: Doubles, error: Doubles, freedom: Doubles, margin: float) -> Doubles:
    """Return the larger of the two one-sided p-values of a mean within a margin (Schuirmann 1987).

    Without spread and exactly at the margin both statistics are 0 / 0: nothing is shown.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        above = scipy.stats.t.sf((mean + margin) / error, freedom)
        below = scipy.stats.t.cdf((mean - margin) / error, freedom)
    p = np.maximum(above, below)
    return np.where((error == 0) & np.isnan(p), 1.0, p)
