"""Many paired differences at once: interval, effect size, difference and equivalence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.stats

from harness.board.answers.claims import Verdict
from harness.stats.bootstrap import DoubleArray
from harness.stats.contrasts import paired_moments
from harness.stats.equivalence import tost
from harness.stats.fdr import holm


@dataclass(frozen=True, eq=False)
class Paired:
    """Differences over participants; every array has the shape of one participant's differences.

    Parameters
    ----------
    difference : array
        Mean.
    low, high : array
        95 % confidence interval (Student t).
    low90, high90 : array
        90 % interval: equivalence is claimed where it lies within the margin.
    dz : array
        Cohen's d of paired samples.
    p, p_holm : array
        Of no difference, two-sided; adjusted over all of them.
    p_equivalence, p_equivalence_holm : array
        Of a difference as large as the margin; NaN without a margin.
    n : array
        Participants.
    margin, alpha : float
    """

    difference: DoubleArray
    low: DoubleArray
    high: DoubleArray
    low90: DoubleArray
    high90: DoubleArray
    dz: DoubleArray
    p: DoubleArray
    p_holm: DoubleArray
    p_equivalence: DoubleArray
    p_equivalence_holm: DoubleArray
    n: DoubleArray
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


def paired(differences: DoubleArray, margin: float, alpha: float = 0.05) -> Paired:
    """Test paired differences.

    Parameters
    ----------
    differences : array, shape (n_participants, ...)
        NaN where a participant lacks one of the two scores.
    margin : float
        The difference that counts as none, or NaN.
    alpha : float
        Level of every test; the p-values adjusted by Holm are over all differences given.
    """
    n, mean, error = paired_moments(differences)
    freedom = np.maximum(n - 1, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = mean / error
        dz = statistic / np.sqrt(n)
    p = 2 * scipy.stats.t.sf(np.abs(statistic), freedom)
    p = np.where((mean == 0) & (error == 0), 1.0, p)
    half = scipy.stats.t.ppf(0.975, freedom) * error
    half90 = scipy.stats.t.ppf(1 - alpha, freedom) * error
    same = np.full(np.shape(p), math.nan)
    if not math.isnan(margin):
        same = np.asarray(tost(differences, np.zeros_like(differences), margin, alpha).p)
    return Paired(
        mean,
        mean - half,
        mean + half,
        mean - half90,
        mean + half90,
        np.asarray(dz),
        p,
        holm(p),
        same,
        holm(same),
        n,
        margin,
        alpha,
    )
