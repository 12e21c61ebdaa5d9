"""Intervals for scores of participants by parts of the stimulus, both of them drawn.

Participants who heard one text are a sample of listeners, and its parts are a sample of texts. A
mean over both that is to hold for other listeners *and* other texts has an error from either:
random effects crossed, one observation a cell (Cornfield & Tukey 1956; Baayen, Davidson & Bates
2008). The parts are contiguous; what neighbouring parts share is not in the interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.stats

from harness.errors import ScoreError
from harness.numeric.arrays import Doubles, Floats
from harness.stats.random_effects import random_mean


@dataclass(frozen=True, eq=False)
class Crossed:
    """A mean over participants and parts; arrays have the shape of what follows these two axes.

    Parameters
    ----------
    estimate, error : array
        Mean; its standard error.
    freedom : array
        Degrees of freedom of the error (Satterthwaite 1946).
    n_participants, n_parts : int
    """

    estimate: Doubles
    error: Doubles
    freedom: Doubles
    n_participants: int
    n_parts: int

    def interval(self, level: float = 0.95) -> tuple[Doubles, Doubles]:
        """Return the ends of the confidence interval of a coverage."""
        half = scipy.stats.t.ppf((1 + level) / 2, self.freedom) * self.error
        return self.estimate - half, self.estimate + half

    def p(self) -> Doubles:
        """Test the mean against 0, two-sided."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(
                2 * scipy.stats.t.sf(np.abs(self.estimate / self.error), self.freedom)
            )

    def p_equivalent(self, margin: float) -> Doubles:
        """Test that the mean lies within a margin of 0: the larger of two one-sided p-values."""
        with np.errstate(invalid="ignore", divide="ignore"):
            above = scipy.stats.t.sf((self.estimate + margin) / self.error, self.freedom)
            below = scipy.stats.t.cdf((self.estimate - margin) / self.error, self.freedom)
        return np.asarray(np.maximum(above, below))


def crossed(values: Floats) -> Crossed:
    """Estimate a mean over participants and parts of the stimulus, both random.

    With mean squares of participants, parts and residuals, the variance of the mean over P
    participants and F parts is ``(MS_p + MS_f - MS_e) / (P F)``; where one of the one-way variances
    is larger it stands, so that crossing never narrows
    (:func:`harness.stats.random_effects.random_mean`).

    Parameters
    ----------
    values : array, shape (n_participants, n_parts, ...)
        One score each, such as a difference between two models. A participant with NaN is left out.

    Returns
    -------
    Crossed

    Raises
    ------
    ScoreError
        There are fewer than two participants or parts.
    """
    x = np.asarray(values, np.float64)
    if x.ndim < 2:
        raise ScoreError(f"values of shape {x.shape}", "give (participant, part, ...)")
    whole = np.isfinite(x).all(axis=tuple(range(1, x.ndim)))
    x = x[whole]
    n, m = x.shape[:2]
    if n < 2 or m < 2:
        raise ScoreError(
            f"{n} participants and {m} parts cannot be crossed", "at least two of each are needed"
        )
    found = random_mean(x, 2)
    return Crossed(found.estimate, found.error, found.freedom, n, m)


def crossed_covariance(first: Floats, second: Floats) -> float:
    """Estimate the covariance of two means over the same participants and parts, both random.

    With mean products in place of mean squares, ``(MP_p + MP_f - MP_e) / (P F)``; of a score with
    itself, the variance of its mean.

    Parameters
    ----------
    first, second : array, shape (n_participants, n_parts)
        All finite.
    """
    parts = []
    for values in (first, second):
        x = np.asarray(values, np.float64) - np.mean(values)
        rows, columns = x.mean(axis=1), x.mean(axis=0)
        parts.append((rows, columns, x - rows[:, None] - columns))
    n, m = np.shape(first)
    products = [float((a * b).sum()) for a, b in zip(*parts, strict=True)]
    of_rows, of_columns = m * products[0] / (n - 1), n * products[1] / (m - 1)
    return (of_rows + of_columns - products[2] / ((n - 1) * (m - 1))) / (n * m)


def detectable(error: Floats, freedom: Floats, alpha: float = 0.05, power: float = 0.8) -> Doubles:
    """Return the smallest true difference that data of this error would probably have shown.

    Parameters
    ----------
    error, freedom : array
        Standard error of the difference; its degrees of freedom.
    alpha : float
        Level of the two-sided test.
    power : float
        Probability of finding the difference.

    Returns
    -------
    array
        In the unit of the error. The usual approximation by two quantiles of t.
    """
    freedom = np.asarray(freedom, np.float64)
    quantiles = scipy.stats.t.ppf(1 - alpha / 2, freedom) + scipy.stats.t.ppf(power, freedom)
    return np.asarray(quantiles * np.asarray(error, np.float64))
