"""Flipped signs: the exact test where it can be enumerated, its rate where nothing is there."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from harness.stats.sign_flips import sign_flips


def test_it_is_the_share_of_all_flips_that_reach_the_sum():
    rng = np.random.default_rng(0)
    gains = rng.normal(0.4, 1, size=(9, 5))
    every = np.array(list(itertools.product([-1, 1], repeat=9))) @ gains
    exact = (every >= gains.sum(axis=0) - 1e-12).mean(axis=0)
    np.testing.assert_allclose(sign_flips(gains, 20_000), exact, atol=0.012)


def test_nothing_is_significant_at_its_rate_and_no_gain_at_all_never():
    rng = np.random.default_rng(1)
    p = sign_flips(rng.standard_t(3, size=(15, 4000)), 999)
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.01)
    gains = np.column_stack([np.zeros(15), np.full(15, np.nan), np.ones(15)])
    p = sign_flips(gains, 999)
    assert p[0] == 1
    assert np.isnan(p[1])
    assert p[2] == pytest.approx(0.001)
