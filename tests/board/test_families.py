"""Tests of paired differences are one family: Holm over differences and over equivalence, too."""

from __future__ import annotations

import numpy as np
import scipy.stats

from harness.board.answers.paired import paired
from harness.stats.fdr import holm

RNG = np.random.default_rng(5)
DIFFERENCES = RNG.normal([0.0, 0.004, 0.02, 0.05], 0.02, size=(12, 4))
MARGIN = 0.02


def test_both_kinds_of_test_are_adjusted_over_all_differences() -> None:
    found = paired(DIFFERENCES, MARGIN)
    t_p = scipy.stats.ttest_1samp(DIFFERENCES, 0).pvalue
    above = scipy.stats.ttest_1samp(DIFFERENCES, -MARGIN, alternative="greater").pvalue
    below = scipy.stats.ttest_1samp(DIFFERENCES, MARGIN, alternative="less").pvalue
    same = np.maximum(above, below)
    np.testing.assert_allclose(found.p, t_p)
    np.testing.assert_allclose(found.p_holm, holm(t_p))
    np.testing.assert_allclose(found.p_equivalence, same)
    np.testing.assert_allclose(found.p_equivalence_holm, holm(same))
    assert (holm(same) > same).any()
    assert (holm(t_p) > t_p).any()


def test_intervals_of_difference_and_of_equivalence() -> None:
    found = paired(DIFFERENCES, MARGIN, alpha=0.05)
    error = scipy.stats.sem(DIFFERENCES)
    mean = DIFFERENCES.mean(axis=0)
    low, high = scipy.stats.t.interval(0.95, 11, mean, error)
    low90, high90 = scipy.stats.t.interval(0.90, 11, mean, error)
    np.testing.assert_allclose([found.low, found.high], [low, high])
    np.testing.assert_allclose([found.low90, found.high90], [low90, high90])
    np.testing.assert_allclose(found.dz, mean / DIFFERENCES.std(axis=0, ddof=1))
