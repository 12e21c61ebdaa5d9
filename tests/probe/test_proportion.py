"""Wilson's interval against scipy's."""

import numpy as np
import pytest
from scipy.stats import binomtest

from harness.probe.proportion import effective_trials, wilson


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("wins", "trials"), [(0, 5), (5, 5), (1, 2), (31, 40), (700, 1000)])
def test_agrees_with_scipy(wins, trials, level):
    expected = binomtest(wins, trials).proportion_ci(level, method="wilson")
    low, high = wilson(wins / trials, trials, level)
    assert low == pytest.approx(expected.low, abs=1e-12)
    assert high == pytest.approx(expected.high, abs=1e-12)


def test_stays_inside_and_holds_its_value():
    p = np.linspace(0, 1, 41)
    low, high = wilson(p, 7)
    assert (low >= 0).all()
    assert (high <= 1).all()
    assert (low <= p).all()
    assert (p <= high).all()
    assert (high - low > 0).all()


def test_is_symmetric():
    low, high = wilson([0.2, 0.8], [30, 30])
    assert low[0] == pytest.approx(1 - high[1], abs=1e-15)
    assert high[0] == pytest.approx(1 - low[1], abs=1e-15)


def test_covers_at_its_level():
    rng = np.random.default_rng(0)
    for truth in (0.5, 0.8, 0.95):
        low, high = wilson(rng.binomial(60, truth, 20_000) / 60, 60)
        assert np.mean((low <= truth) & (truth <= high)) == pytest.approx(0.95, abs=0.02)


def test_equal_strata_pool():
    assert effective_trials([40] * 30) == pytest.approx(1200)


def test_a_small_stratum_weighs():
    # The variance of the mean of two proportions, against that of one sample.
    n = np.array([10, 1000])
    p = 0.3
    variance = np.sum(p * (1 - p) / n) / 4
    assert p * (1 - p) / effective_trials(n) == pytest.approx(variance)


def test_the_interval_of_a_mean_over_unequal_strata_covers():
    # Different proportions in different strata: conservative, never too narrow.
    rng = np.random.default_rng(1)
    n, truth = np.array([20, 40, 400]), np.array([0.9, 0.6, 0.5])
    means = (rng.binomial(n, truth, (20_000, 3)) / n).mean(axis=1)
    low, high = wilson(means, effective_trials(n))
    covered = np.mean((low <= truth.mean()) & (truth.mean() <= high))
    assert 0.95 <= covered <= 0.99
