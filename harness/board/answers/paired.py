"""Many paired differences at once: interval, effect size, difference and equivalence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats

from harness.board.answers.claims import Verdict
from harness.numeric.arrays import Doubles
from harness.stats.contrasts import paired_moments
from harness.stats.crossed import detectable
from harness.stats.equivalence import equivalence_p
from harness.stats.fdr import holm
from harness.stats.random_effects import random_mean


@dataclass(frozen=True, eq=False)
class Paired:
    """Differences over what was drawn; every array has the shape of one participant's differences.

    Parameters
    ----------
    difference : array
        Mean.
    low, high : array
        95 % confidence interval (Student t).
    low90, high90 : array
        90 % interval: equivalence is claimed where it lies within the margin.
    dz : array
        Cohen's d of paired samples, over participants.
    p, p_holm : array
        Of no difference, two-sided; adjusted over all of them.
    p_equivalence, p_equivalence_holm : array
        Of a difference as large as the margin; NaN without a margin.
    detectable : array
        The smallest true difference that such data show four times in five, at ``alpha``.
    n : array
        Participants.
    margin, alpha : float
    """

    difference: Doubles
    low: Doubles
    high: Doubles
    low90: Doubles
    high90: Doubles
    dz: Doubles
    p: Doubles
    p_holm: Doubles
    p_equivalence: Doubles
    p_equivalence_holm: Doubles
    detectable: Doubles
    n: Doubles
    margin: float
    alpha: float

    def outcome(self, at: int | tuple[int, ...]) -> str:
        """Return ``equivalent``, ``worse``, ``better`` or ``undecided``, after Holm's adjustment.

        A difference within the margin is equivalent even where it is significantly not 0.
        """
        if self.p_equivalence_holm[at] < self.alpha:
            return "equivalent"
        if self.p_holm[at] < self.alpha:
            return "worse" if self.difference[at] < 0 else "better"
        return "undecided"

    def equivalence_verdict(self, at: int | tuple[int, ...]) -> Verdict:
        """Whether equivalence is shown, refuted (the interval is beyond the margin), or neither."""
        if self.p_equivalence_holm[at] < self.alpha:
            return Verdict.YES
        beyond = self.low90[at] > self.margin or self.high90[at] < -self.margin
        return Verdict.NO if beyond else Verdict.UNDECIDED


@dataclass(frozen=True, eq=False)
class Moments:
    """Means of paired differences, and how sure they are; every array of one shape.

    Parameters
    ----------
    n, mean, error, freedom : array
        Participants; mean; its standard error, of everything that was drawn, and its degrees of
        freedom.
    alone : array
        Standard error over participants alone.
    """

    n: Doubles
    mean: Doubles
    error: Doubles
    freedom: Doubles
    alone: Doubles


def moments(differences: Doubles, factors: int = 1) -> Moments:
    """Average differences over what was drawn.

    Parameters
    ----------
    differences : array, shape (n_participants, [n_parts, [n_draws,]] ...)
        NaN where a participant lacks one of the two scores. Who lacks a part is left out where
        parts are drawn.
    factors : int
        Number of leading axes that were drawn: participants; parts of the stimulus; draws of a
        compressor.
    """
    over = tuple(range(1, factors))
    if factors == 1:
        n, mean, error = paired_moments(differences)
        return Moments(n, mean, error, np.maximum(n - 1, 1), error)
    shape = differences.shape[factors:]
    flat = differences.reshape(*differences.shape[:factors], -1)
    columns = np.full((5, flat.shape[-1]), math.nan)
    for k in range(flat.shape[-1]):
        own = flat[..., k]
        own = own[np.isfinite(own).all(axis=over)]
        if len(own) < 2:
            columns[0, k] = len(own)
            continue
        found = random_mean(own, factors)
        n, mean, alone = paired_moments(own.mean(axis=over))
        columns[:, k] = n, mean, found.error, found.freedom, alone
    return Moments(*columns.reshape(5, *shape))


def joined(each: Sequence[Moments]) -> Moments:
    """Put moments of single columns side by side."""
    names = ("n", "mean", "error", "freedom", "alone")
    return Moments(*(np.array([float(getattr(m, name)) for m in each]) for name in names))


def paired(differences: Doubles, margin: float, alpha: float = 0.05, factors: int = 1) -> Paired:
    """Test paired differences.

    Parameters
    ----------
    differences : array, shape (n_participants, [n_parts,] ...)
        NaN where a participant lacks one of the two scores.
    margin : float
        The difference that counts as none, or NaN.
    alpha : float
        Level of every test; the p-values adjusted by Holm are over all differences given.
    factors : int
        Number of leading axes that were drawn, see :func:`moments`.
    """
    return with_tests(moments(differences, factors), margin, alpha)


def with_tests(found: Moments, margin: float, alpha: float) -> Paired:
    """Test means of differences, see :func:`paired`."""
    mean, error, freedom = found.mean, found.error, np.maximum(found.freedom, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        dz = mean / found.alone / np.sqrt(found.n)
        p = np.asarray(2 * scipy.stats.t.sf(np.abs(mean / error), freedom))
    p = np.where((mean == 0) & (error == 0), 1.0, p)
    half = scipy.stats.t.ppf(0.975, freedom) * error
    half90 = scipy.stats.t.ppf(1 - alpha, freedom) * error
    same = np.full(np.shape(p), math.nan)
    if not math.isnan(margin):
        same = equivalence_p(mean, error, freedom, margin)
    return Paired(
        mean,
        np.asarray(mean - half),
        np.asarray(mean + half),
        np.asarray(mean - half90),
        np.asarray(mean + half90),
        np.asarray(dz),
        p,
        holm(p),
        same,
        holm(same),
        detectable(error, freedom, alpha),
        found.n,
        margin,
        alpha,
    )
