"""Contrasts, equivalence and families of tests against scipy, and their rates."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from harness.errors import ScoreError
from harness.stats.contrasts import paired_contrast
from harness.stats.equivalence import tost
from harness.stats.fdr import benjamini_hochberg, holm

RNG = np.random.default_rng(31)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test the same numbers, whichever tests run before it."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(31))


def scores(n: int = 14, shift: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    b = RNG.normal(size=(n, 2, 3))
    return b + shift + RNG.normal(size=b.shape), b


def test_a_contrast_is_scipys_paired_tests() -> None:
    a, b = scores()
    got = paired_contrast(a, b)
    t = scipy.stats.ttest_rel(a, b)
    interval = t.confidence_interval(0.95)
    w = scipy.stats.wilcoxon(a, b, axis=0)
    np.testing.assert_allclose(got.t, t.statistic)
    np.testing.assert_allclose(got.t_p, t.pvalue)
    np.testing.assert_allclose([got.low, got.high], [interval.low, interval.high])
    np.testing.assert_allclose(got.wilcoxon, w.statistic)
    np.testing.assert_allclose(got.wilcoxon_p, w.pvalue)
    np.testing.assert_allclose(got.dz, (a - b).mean(axis=0) / (a - b).std(axis=0, ddof=1))


def test_who_lacks_a_score_is_left_out_there_only() -> None:
    a, b = scores()
    clean = paired_contrast(a, b)
    a[3, 0, 0] = np.nan
    got = paired_contrast(a, b)
    alone = paired_contrast(np.delete(a[:, 0, 0], 3), np.delete(b[:, 0, 0], 3))
    assert (got.n[0, 0], got.n[0, 1]) == (13, 14)
    for name in ("difference", "low", "high", "dz", "t", "t_p", "wilcoxon", "wilcoxon_p"):
        assert getattr(got, name)[0, 0] == pytest.approx(float(getattr(alone, name)))
        np.testing.assert_array_equal(getattr(got, name)[1], getattr(clean, name)[1])


def test_swapping_turns_a_contrast_round() -> None:
    a, b = scores()
    one, other = paired_contrast(a, b), paired_contrast(b, a)
    np.testing.assert_allclose(one.difference, -other.difference)
    np.testing.assert_allclose(one.low, -other.high)
    np.testing.assert_allclose(one.t_p, other.t_p)
    np.testing.assert_allclose(one.wilcoxon_p, other.wilcoxon_p)


def test_contrasts_without_spread() -> None:
    base = np.full((6, 3), 0.1)
    got = paired_contrast(base + np.array([0.0, 0.3, np.nan]), base)
    np.testing.assert_array_equal(got.t_p[:2], [1.0, 0.0])
    assert got.wilcoxon_p[0] == 1.0
    assert got.low[1] == got.high[1] == got.difference[1]
    assert np.isnan(got.t_p[2])
    one = paired_contrast(np.array([[0.4]]), np.array([[0.1]]))
    assert np.isnan([one.low, one.high, one.t_p, one.wilcoxon_p]).all()
    assert one.difference == pytest.approx(0.3)


def test_tost_is_the_larger_of_two_one_sided_tests() -> None:
    a, b = scores(30, 0.0)
    got = tost(a, b, 0.3)
    lower = scipy.stats.ttest_1samp(a - b, -0.3, alternative="greater").pvalue
    upper = scipy.stats.ttest_1samp(a - b, 0.3, alternative="less").pvalue
    np.testing.assert_allclose(got.p, np.maximum(lower, upper))
    interval = scipy.stats.ttest_rel(a, b).confidence_interval(0.9)
    np.testing.assert_allclose([got.low, got.high], [interval.low, interval.high])
    np.testing.assert_array_equal(got.equivalent, (got.low > -0.3) & (got.high < 0.3))


def test_tost_keeps_its_rates() -> None:
    """Guard 3 of the design: equal is accepted, unequal rejected, at the nominal rate."""
    n, draws, margin, sd = 27, 20_000, 0.02, 0.03
    noise = RNG.normal(0, sd, size=(n, draws))
    zero = np.zeros((n, draws))
    at_margin = tost(noise + margin, zero, margin).equivalent.mean()
    assert at_margin == pytest.approx(0.05, abs=0.005)
    assert tost(noise - 1.5 * margin, zero, margin).equivalent.mean() < 0.001
    # Power where there is no difference, from the noncentral t (both sides, far from each other).
    critical = scipy.stats.t.ppf(0.95, n - 1)
    one_side = scipy.stats.nct.sf(critical, n - 1, margin / (sd / np.sqrt(n)))
    accepted = tost(noise, zero, margin).equivalent.mean()
    assert accepted == pytest.approx(2 * one_side - 1, abs=0.01)


def test_tost_without_spread_or_participants() -> None:
    zero = np.zeros((5, 3))
    got = tost(zero + np.array([0.0, 0.02, 0.05]), zero, 0.02)
    np.testing.assert_array_equal(got.equivalent, [True, False, False])
    np.testing.assert_array_equal(got.p, [0.0, 1.0, 1.0])
    single = tost(np.array([0.0]), np.array([0.0]), 0.02)
    assert not single.equivalent
    assert np.isnan(single.p)


@pytest.mark.parametrize("margin", [0.0, -1.0, np.nan])
def test_a_margin_must_be_given(margin: float) -> None:
    with pytest.raises(ScoreError, match="margin"):
        tost(np.zeros(4), np.zeros(4), margin)


def test_unlike_shapes_cannot_be_paired() -> None:
    with pytest.raises(ScoreError, match="paired"):
        paired_contrast(np.zeros((4, 2)), np.zeros((5, 2)))
    with pytest.raises(ScoreError, match="paired"):
        tost(np.zeros((4, 2)), np.zeros((5, 2)), 0.1)


def test_benjamini_hochberg_is_scipys() -> None:
    p = RNG.random(200) ** 2
    np.testing.assert_allclose(benjamini_hochberg(p), scipy.stats.false_discovery_control(p))
    shaped = p.reshape(10, 20)
    np.testing.assert_allclose(benjamini_hochberg(shaped).ravel(), benjamini_hochberg(p))


def test_holm_is_a_loop() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.03])
    expected = np.empty(5)
    largest = 0.0
    for rank, index in enumerate(np.argsort(p, kind="stable")):
        largest = max(largest, min(1.0, (5 - rank) * p[index]))
        expected[index] = largest
    np.testing.assert_allclose(holm(p), expected)
    np.testing.assert_allclose(holm(p), [0.04, 0.09, 0.09, 0.025, 0.09])


@pytest.mark.parametrize("adjust", [benjamini_hochberg, holm])
def test_nan_is_no_test(adjust) -> None:  # type: ignore[no-untyped-def]
    p = RNG.random(30)
    with_nan = np.insert(p, [3, 10, 30], np.nan)
    got = adjust(with_nan)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(with_nan))
    np.testing.assert_allclose(got[~np.isnan(got)], adjust(p))
    assert np.isnan(adjust([np.nan, np.nan])).all()
    assert adjust([]).shape == (0,)


def test_holm_bounds_any_false_claim_and_bh_their_share() -> None:
    null = RNG.random((2000, 20))
    false = [(holm(p) < 0.05).any() for p in null]
    assert np.mean(false) == pytest.approx(0.05, abs=0.015)
    true = np.minimum(RNG.random((2000, 20)) * 1e-4, 1)
    shares = []
    for p in np.hstack([null, true]):
        found = benjamini_hochberg(p) < 0.05
        shares.append(found[:20].sum() / max(1, found.sum()))
    assert np.mean(shares) == pytest.approx(0.025, abs=0.005)
