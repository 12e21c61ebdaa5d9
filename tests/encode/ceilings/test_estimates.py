"""Ceilings against loops, and against the truth in simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from harness.encode.ceilings.estimates import (
    CeilingKind,
    explainable_variance,
    leave_one_out,
    spearman_brown,
    split_half,
)
from harness.errors import DataError


def group(
    n: int, samples: int, noise: float, targets: int = 4, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """A common signal of variance 1, and participants that see it through noise."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(samples, targets))
    return signal, signal + noise * rng.normal(size=(n, samples, targets))


def test_split_half_is_the_mean_over_all_halves() -> None:
    _, y = group(6, 40, 1.0)
    rs = []
    for half in itertools.combinations(range(6), 3):
        rest = [p for p in range(6) if p not in half]
        a, b = y[list(half)].mean(axis=0), y[rest].mean(axis=0)
        rs.append([np.corrcoef(a[:, v], b[:, v])[0, 1] for v in range(4)])
    expected = spearman_brown(np.mean(rs, axis=0), 2.0)
    got = split_half(y, n_splits=20_000, seed=1)
    np.testing.assert_allclose(got.reliability, expected, atol=2e-3)
    np.testing.assert_allclose(got.value, np.sqrt(got.reliability))
    assert (got.kind, got.n) == (CeilingKind.SPLIT_HALF, 6)


@pytest.mark.parametrize("n", [2, 5, 8])
def test_split_half_recovers_the_reliability_of_the_mean(n: int) -> None:
    _, y = group(n, 20_000, 1.5)
    truth = 1 / (1 + 1.5**2 / n)
    np.testing.assert_allclose(split_half(y, 200).reliability, truth, atol=0.02)


def test_the_split_half_ceiling_is_what_the_true_signal_reaches() -> None:
    signal, y = group(9, 20_000, 2.0)
    mean = y.mean(axis=0)
    reached = [np.corrcoef(signal[:, v], mean[:, v])[0, 1] for v in range(4)]
    np.testing.assert_allclose(split_half(y, 200).value, reached, atol=0.01)


def test_leave_one_out_is_a_loop_over_participants() -> None:
    _, y = group(5, 30, 1.0)
    got = leave_one_out(y)
    assert got.per_participant is not None
    for p in range(5):
        others = np.delete(y, p, axis=0).mean(axis=0)
        expected = [np.corrcoef(y[p, :, v], others[:, v])[0, 1] for v in range(4)]
        np.testing.assert_allclose(got.per_participant[p], expected)
    np.testing.assert_allclose(got.value, got.per_participant.mean(axis=0))


def test_leave_one_out_is_a_lower_bound() -> None:
    signal, y = group(6, 5_000, 1.5)
    reached = [np.corrcoef(signal[:, v], y[p, :, v])[0, 1] for p in range(6) for v in range(4)]
    assert (leave_one_out(y).value < np.mean(reached)).all()


@pytest.mark.parametrize("n", [2, 3, 10])
def test_explainable_variance_is_unbiased_where_the_plain_ratio_is_not(n: int) -> None:
    truth = 1 / (1 + 4 / n)
    estimates = []
    for seed in range(200):
        _, y = group(n, 100, 2.0, seed=seed)
        got = explainable_variance(y)
        assert got.reliability is not None
        # Numerator and denominator apart: a ratio of unbiased estimates is not itself unbiased.
        of_mean = y.mean(axis=0).var(axis=0)
        estimates.append([got.reliability * of_mean, of_mean])
    signal, of_mean = np.mean(estimates, axis=(0, 2))
    assert signal / of_mean == pytest.approx(truth, abs=0.02)


def test_explainable_variance_is_the_formula_of_sahani_and_linden() -> None:
    _, y = group(4, 50, 1.0)
    power_of_mean = y.mean(axis=0).var(axis=0)
    signal = (4 * power_of_mean - y.var(axis=1).mean(axis=0)) / 3
    np.testing.assert_allclose(explainable_variance(y).reliability, signal / power_of_mean)


def test_pure_noise_has_no_ceiling_and_is_not_clipped() -> None:
    y = np.random.default_rng(8).normal(size=(4, 60, 300))
    for ceiling in (split_half(y, 50), explainable_variance(y)):
        assert ceiling.reliability is not None
        assert (ceiling.reliability < 0).mean() == pytest.approx(0.5, abs=0.15)
        np.testing.assert_array_equal(np.isnan(ceiling.value), ceiling.reliability <= 0)


@pytest.mark.parametrize("estimate", [split_half, leave_one_out, explainable_variance])
def test_constant_and_nan_targets_have_no_ceiling_and_harm_no_other(estimate) -> None:  # type: ignore[no-untyped-def]
    _, y = group(6, 40, 1.0)
    clean = estimate(y).value
    y[2, :, 0] = 0.1
    y[1, 3, 2] = np.nan
    got = estimate(y).value
    assert np.isnan(got[[0, 2]]).all()
    np.testing.assert_allclose(got[[1, 3]], clean[[1, 3]])


@pytest.mark.parametrize("estimate", [split_half, leave_one_out, explainable_variance])
def test_scale_and_offset_of_the_responses_do_not_matter(estimate) -> None:  # type: ignore[no-untyped-def]
    _, y = group(6, 40, 1.0)
    np.testing.assert_allclose(estimate(1e3 + 0.01 * y).value, estimate(y).value)


@pytest.mark.parametrize("shape", [(1, 40, 3), (4, 40), (4, 2, 3)])
def test_too_little_to_estimate_from_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="no ceiling"):
        split_half(np.zeros(shape))


def test_splits_depend_on_the_seed_only() -> None:
    _, y = group(7, 30, 1.0)
    np.testing.assert_array_equal(split_half(y, 20, 3).value, split_half(y, 20, 3).value)
    assert not np.array_equal(split_half(y, 20, 3).value, split_half(y, 20, 4).value)
