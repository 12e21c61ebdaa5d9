"""Bootstrap intervals against scipy, and their coverage."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from harness.errors import ScoreError
from harness.stats.bootstrap import BootstrapMethod, bootstrap_interval

RNG = np.random.default_rng(4)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test the same numbers, whichever tests run before it."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(4))


@pytest.mark.parametrize("method", list(BootstrapMethod))
def test_intervals_are_those_of_scipy(method: BootstrapMethod) -> None:
    values = RNG.gamma(1.5, size=(27, 3))
    got = bootstrap_interval(values, n=200_000, method=method)
    expected = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=200_000, batch=20_000, method=method.value, rng=1
    ).confidence_interval
    spread = values.std(axis=0) / np.sqrt(27)
    np.testing.assert_allclose((got.low - expected.low) / spread, 0, atol=0.05)
    np.testing.assert_allclose((got.high - expected.high) / spread, 0, atol=0.05)
    np.testing.assert_allclose(got.estimate, values.mean(axis=0))


def test_an_interval_covers_the_truth_at_about_its_level() -> None:
    values = RNG.normal(0.3, 1.0, size=(30, 1500))
    interval = bootstrap_interval(values, n=2000)
    covered = ((interval.low < 0.3) & (interval.high > 0.3)).mean()
    # A bootstrap of 30 falls short of its level a little: t would be 2 % wider at each end.
    assert covered == pytest.approx(0.94, abs=0.02)


def test_shape_shift_and_scale() -> None:
    values = RNG.normal(size=(12, 2, 5))
    plain, moved = bootstrap_interval(values, 500), bootstrap_interval(10 + 3 * values, 500)
    assert plain.low.shape == (2, 5)
    np.testing.assert_allclose(moved.low, 10 + 3 * plain.low)
    np.testing.assert_allclose(moved.high, 10 + 3 * plain.high)


def test_a_wider_level_contains_a_narrower_one() -> None:
    values = RNG.normal(size=(12, 40))
    wide, narrow = (bootstrap_interval(values, 2000, level=level) for level in (0.99, 0.8))
    assert (wide.low < narrow.low).all()
    assert (wide.high > narrow.high).all()


def test_a_participant_without_a_score_is_left_out_of_that_mean_only() -> None:
    values = RNG.normal(size=(12, 3))
    clean = bootstrap_interval(values, 5000)
    values[4, 1] = np.nan
    got = bootstrap_interval(values, 5000)
    np.testing.assert_array_equal(got.low[[0, 2]], clean.low[[0, 2]])
    assert got.estimate[1] == pytest.approx(np.nanmean(values[:, 1]))
    alone = bootstrap_interval(np.delete(values[:, 1], 4), 5000)
    assert got.low[1] == pytest.approx(float(alone.low), abs=0.05)


def test_no_spread_no_width_and_one_participant_no_interval() -> None:
    same = bootstrap_interval(np.full((8, 2), 0.25))
    np.testing.assert_allclose([same.low, same.high], 0.25)
    single = bootstrap_interval(np.array([[0.5, np.nan]]))
    assert np.isnan(single.low).all()
    np.testing.assert_array_equal(single.estimate, [0.5, np.nan])


@pytest.mark.parametrize(("values", "level"), [(np.empty((0, 3)), 0.95), (np.ones(4), 1.0)])
def test_senseless_questions_are_refused(values: np.ndarray, level: float) -> None:
    with pytest.raises(ScoreError):
        bootstrap_interval(values, level=level)
