"""Z-scores, delays and drifts, run by run."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
import scipy.stats

from harness.encode.design.features import delayed, delayed_gram, highpass, zscore_by_run
from harness.errors import DataError

RNG = np.random.default_rng(11)
RUNS = np.repeat(["a", "b", "c"], [30, 3, 27])


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test the same numbers, whichever tests run before it."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(11))


def test_zscore_is_scipys_within_each_run() -> None:
    x = RNG.normal(3, 5, size=(60, 4))
    got = zscore_by_run(x, RUNS)
    for run in "abc":
        np.testing.assert_allclose(got[run == RUNS], scipy.stats.zscore(x[run == RUNS]), atol=1e-12)


def test_zscore_of_a_constant_column_is_zero() -> None:
    x = RNG.normal(size=(60, 2)).astype(np.float32)
    x[RUNS == "c", 1] = 0.1  # not exact in binary: the naive deviation is not 0
    got = zscore_by_run(x, RUNS)
    assert (got[RUNS == "c", 1] == 0).all()
    assert got[RUNS == "a", 1].std() == pytest.approx(1, abs=1e-5)
    assert got.dtype == np.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_zscore_names_run_and_column_of_a_bad_value(bad: float) -> None:
    x = RNG.normal(size=(60, 4))
    x[40, 2] = bad
    with pytest.raises(DataError, match="run c: column 2"):
        zscore_by_run(x, RUNS)


def loop_delayed(x: np.ndarray, runs: np.ndarray, delays: tuple[int, ...]) -> np.ndarray:
    out = np.zeros((len(x), len(delays) * x.shape[1]))
    for row in range(len(x)):
        for k, delay in enumerate(delays):
            if row - delay >= 0 and (runs[row - delay : row] == runs[row]).all():
                out[row, k * x.shape[1] : (k + 1) * x.shape[1]] = x[row - delay]
    return out


@pytest.mark.parametrize("delays", [(1, 2, 3, 4), (0,), (0, 5), (2, 1)])
def test_delays_are_those_of_a_loop(delays: tuple[int, ...]) -> None:
    x = RNG.normal(size=(60, 3))
    np.testing.assert_array_equal(delayed(x, RUNS, delays), loop_delayed(x, RUNS, delays))


@pytest.mark.parametrize("delays", [(1, 2, 3, 4), (0,), (0, 5), (2, 1), (70,), (29, 3)])
def test_the_shifted_gram_is_the_gram_of_delayed_features(delays: tuple[int, ...]) -> None:
    a, b = RNG.normal(size=(60, 5)), RNG.normal(size=(40, 5))
    runs_b = np.repeat([0, 1, 2], [20, 19, 1])
    own = delayed(a, RUNS, delays)
    np.testing.assert_allclose(delayed_gram(a, RUNS, delays), own @ own.T, atol=1e-12)
    np.testing.assert_allclose(
        delayed_gram(a, RUNS, delays, b, runs_b), own @ delayed(b, runs_b, delays).T, atol=1e-12
    )


def test_the_gram_of_many_single_precision_units_adds_up_in_double() -> None:
    x = RNG.normal(size=(20, 5000)).astype(np.float32)
    exact = x.astype(np.float64) @ x.astype(np.float64).T
    got = delayed_gram(x, np.zeros(20), (0,))
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, exact, rtol=0, atol=5e-3)


@pytest.mark.parametrize("delays", [(), (-1, 2), (1, 1)])
def test_senseless_delays_are_refused(delays: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="delays"):
        delayed(RNG.normal(size=(60, 2)), RUNS, delays)
    with pytest.raises(DataError, match="delays"):
        delayed_gram(RNG.normal(size=(60, 2)), RUNS, delays)


def test_labels_must_fit_the_rows() -> None:
    with pytest.raises(DataError, match="60 run labels for 59 rows"):
        zscore_by_run(np.zeros((59, 2)), RUNS)


def test_highpass_zeroes_the_slow_cosines() -> None:
    x = RNG.normal(size=(60, 4)) + np.linspace(0, 9, 60)[:, None]
    got = highpass(x, RUNS, tr=2.0, cutoff=30.0)
    for run in "abc":
        rows = run == RUNS
        spectrum = scipy.fft.dct(x[rows], norm="ortho", axis=0)
        # Frequency k has a period of 2 * n * tr / k seconds.
        period = 2 * rows.sum() * 2.0 / np.maximum(np.arange(rows.sum()), 1e-9)
        spectrum[period >= 30.0] = 0
        np.testing.assert_allclose(
            got[rows], scipy.fft.idct(spectrum, norm="ortho", axis=0), atol=1e-12
        )


def test_highpass_keeps_fast_and_removes_slow_waves() -> None:
    time = np.arange(300) * 2.0
    runs = np.zeros(300)
    slow, fast = np.sin(2 * np.pi * time / 400), np.sin(2 * np.pi * time / 20)
    got = highpass(np.stack([slow, fast], axis=1), runs, tr=2.0, cutoff=128.0)
    # At the ends of a run, where the wave slopes, the even basis leaves ringing (documented).
    assert np.abs(got[64:-64, 0]).max() < 0.05
    assert 0.1 < np.abs(got[0, 0]) < 0.3
    assert np.corrcoef(got[:, 1], fast)[0, 1] > 0.998


def test_highpass_leaves_a_nan_column_nan_and_others_alone() -> None:
    x = RNG.normal(size=(60, 2))
    clean = highpass(x, RUNS, 2.0, 30.0)
    x[5, 0] = np.nan
    got = highpass(x, RUNS, 2.0, 30.0)
    assert np.isnan(got[RUNS == "a", 0]).all()
    np.testing.assert_array_equal(got[:, 1], clean[:, 1])
    np.testing.assert_array_equal(got[RUNS != "a", 0], clean[RUNS != "a", 0])


def test_highpass_needs_times() -> None:
    with pytest.raises(DataError, match="cutoff"):
        highpass(np.zeros((60, 1)), RUNS, 2.0, 0.0)
