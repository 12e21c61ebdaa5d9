"""Shares of a height that were lost, compared between two sides without dividing by noise.

A side has a height (a base's score above what needs no model) and a change of it. Its share is
change / height. Where heights are positive, two shares differ as the products change * other height
do, so that the test needs no division (as Fieller 1954 does for one ratio).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.stats

from harness.numeric.arrays import Doubles


@dataclass(frozen=True, eq=False)
class Side:
    """Means of changes and heights, and how sure they are; every array of one shape.

    Parameters
    ----------
    change, height : array
        Change from base to variant; base above floor.
    change_variance, height_variance, covariance : array
        Of these means: participants or items, and the floor's own error, are in them.
    freedom : array or float
        Degrees of freedom of the variances.
    """

    change: Doubles
    height: Doubles
    change_variance: Doubles
    height_variance: Doubles
    covariance: Doubles
    freedom: Doubles | float

    def above_floor(self, alpha: float) -> Doubles:
        """Whether the height is above zero, one-sided at ``alpha``: 1, or NaN where it is not."""
        error = np.sqrt(self.height_variance)
        with np.errstate(invalid="ignore", divide="ignore"):
            p = scipy.stats.t.sf(self.height / error, self.freedom)
        sure = np.where(error > 0, p < alpha, self.height > 0)
        return np.asarray(np.where(sure, 1.0, np.nan))

    def falls(self) -> Doubles:
        """P-value of no fall, one-sided."""
        with np.errstate(invalid="ignore", divide="ignore"):
            statistic = self.change / np.sqrt(self.change_variance)
        return np.asarray(scipy.stats.t.cdf(statistic, self.freedom))

    def share(self, level: float = 0.95) -> tuple[Doubles, Doubles, Doubles]:
        """Change as a share of the height, with the ends of its interval (delta method).

        There is none of a height of 0.
        """
        height = _known(self.height)
        share = self.change / height
        variance = (
            self.change_variance
            - 2 * share * self.covariance
            + np.square(share) * self.height_variance
        )
        error = np.sqrt(np.maximum(variance, 0)) / np.abs(height)
        half = scipy.stats.t.ppf((1 + level) / 2, self.freedom) * error
        return np.asarray(share), np.asarray(share - half), np.asarray(share + half)


@dataclass(frozen=True, eq=False)
class SharesTest:
    """One side's share minus the other's.

    Parameters
    ----------
    difference, low, high : array
        With its 95 % interval, which holds 0 exactly where the two-sided test does not reject.
    p_smaller, p_larger : array
        One-sided, of no smaller, and of no larger share on the first side. A share of -1 (all
        lost) is smaller than one of 0.
    """

    difference: Doubles
    low: Doubles
    high: Doubles
    p_smaller: Doubles
    p_larger: Doubles


def compare_shares(first: Side, second: Side) -> SharesTest:
    """Compare the shares of two independent sides whose heights are above zero.

    The statistic is ``D = change_1 * height_2 - change_2 * height_1``, which has the sign of the
    difference of shares. Given one side, it is a mean over the units of the other: its variance is
    the sum of the two, with degrees of freedom after Welch and Satterthwaite.

    Parameters
    ----------
    first, second : Side
        Of shapes that broadcast.
    """
    d = first.change * second.height - second.change * first.height
    of_first = (
        np.square(second.height) * first.change_variance
        - 2 * second.height * second.change * first.covariance
        + np.square(second.change) * first.height_variance
    )
    of_second = (
        np.square(first.height) * second.change_variance
        - 2 * first.height * first.change * second.covariance
        + np.square(first.change) * second.height_variance
    )
    of_first, of_second = np.maximum(of_first, 0), np.maximum(of_second, 0)
    variance = of_first + of_second
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = np.square(variance) / (
            np.square(of_first) / first.freedom + np.square(of_second) / second.freedom
        )
        statistic = d / np.sqrt(variance)
        scale = _known(first.height * second.height)
        difference = d / scale
        half = scipy.stats.t.ppf(0.975, freedom) * np.sqrt(variance) / np.abs(scale)
    return SharesTest(
        np.asarray(difference),
        np.asarray(difference - half),
        np.asarray(difference + half),
        np.asarray(scipy.stats.t.cdf(statistic, freedom)),
        np.asarray(scipy.stats.t.sf(statistic, freedom)),
    )


def _known(height: Doubles) -> Doubles:
    """Leave out what is 0."""
    return np.asarray(np.where(height == 0, np.nan, height))
