"""Banded ridge against himalaya's random search over the same candidates."""

from __future__ import annotations

import numpy as np
import pytest
from encode_oracles.banded import band_mixtures, fit_banded
from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
from himalaya.scoring import correlation_score, r2_score, r2_score_split
from sklearn.model_selection import PredefinedSplit

from harness.encode.design.options import Metric
from harness.encode.design.scores import product_measure, r_squared
from harness.encode.design.splits import contiguous_folds
from harness.errors import DataError

RNG = np.random.default_rng(21)
N, HELD, V = 80, 15, 12
PENALTIES = np.geomspace(1e-2, 1e3, 7)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test the same numbers, whichever tests run before it."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(21))


def problem(n_bands: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    xs = [RNG.normal(1, 1, size=(N + HELD, 30 * (b + 1))) for b in range(n_bands)]
    y = 3 + RNG.normal(size=(N + HELD, V))
    for x in xs:
        y += x @ RNG.normal(size=(x.shape[1], V)) / np.sqrt(x.shape[1]) * RNG.random(V) * 2
    kernels = np.stack([x[:N] @ x[:N].T / x.shape[1] for x in xs])
    cross = np.stack([x[N:] @ x[:N].T / x.shape[1] for x in xs])
    return kernels, cross, y[:N], y[N:]


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning:himalaya")
@pytest.mark.parametrize("n_bands", [2, 3])
@pytest.mark.parametrize("metric", [m for m in Metric if not m.compares])
def test_the_optimum_is_himalayas(n_bands: int, metric: Metric) -> None:
    kernels, cross, y, _ = problem(n_bands)
    folds = contiguous_folds(np.zeros(N), 4, 0)
    mixtures = band_mixtures(n_bands, 4)
    ours = fit_banded(kernels, cross, y, folds, mixtures, PENALTIES, metric=metric)
    number = np.zeros(N, dtype=int)
    for k, fold in enumerate(folds):
        number[fold.test] = k
    deltas, dual, scores, alphas, intercept = solve_multiple_kernel_ridge_random_search(
        kernels,
        y,
        n_iter=mixtures,
        alphas=PENALTIES,
        cv=PredefinedSplit(number),
        score_func={Metric.R2: r2_score, Metric.CORRELATION: correlation_score}[metric],
        fit_intercept=True,
        return_weights="dual",
        return_alphas=True,
        progress_bar=False,
    )
    np.testing.assert_allclose(ours.inner_scores, scores, atol=1e-7)
    np.testing.assert_allclose(PENALTIES[ours.penalty], alphas)
    with np.errstate(divide="ignore"):
        expected = np.log(mixtures[ours.mixture].T / alphas)
    np.testing.assert_allclose(deltas, expected)
    predictions = sum(np.exp(deltas[b]) * (cross[b] @ dual) for b in range(n_bands)) + intercept
    np.testing.assert_allclose(ours.predictions, predictions, atol=1e-7)


def test_mixtures_cover_the_simplex_evenly() -> None:
    mixtures = band_mixtures(3, 4)
    assert len(mixtures) == 15
    assert len(np.unique(mixtures, axis=0)) == 15
    np.testing.assert_allclose(mixtures.sum(axis=1), 1)
    assert {tuple(corner) for corner in np.eye(3)} <= {tuple(m) for m in mixtures}
    np.testing.assert_array_equal(band_mixtures(1, 5), [[1.0]])


def test_a_band_without_weight_predicts_nothing() -> None:
    kernels, cross, y, _ = problem(2)
    fit = fit_banded(kernels, cross, y, contiguous_folds(np.zeros(N), 4, 0), [[1, 0]], PENALTIES)
    assert (fit.bands[1] == 0).all()
    assert np.abs(fit.bands[0]).max() > 0


def test_the_product_measure_is_himalayas_and_adds_up() -> None:
    y = RNG.normal(size=(40, V))
    y -= y.mean(axis=0)
    bands = RNG.normal(size=(3, 40, V)) + 0.3 * y
    shares = product_measure(y, bands, np.zeros(V))
    np.testing.assert_allclose(shares, r2_score_split(y, bands))
    np.testing.assert_allclose(shares.sum(axis=0), r_squared(y, bands.sum(axis=0)))


def test_the_product_measure_needs_no_centred_responses() -> None:
    kernels, cross, y, held = problem(2)
    fit = fit_banded(
        kernels, cross, y, contiguous_folds(np.zeros(N), 4, 0), band_mixtures(2, 4), PENALTIES
    )
    shares = product_measure(held, fit.bands, fit.offset)
    loss = r_squared(held, fit.predictions) - shares.sum(axis=0)
    mean = held.mean(axis=0)
    total = np.square(held - mean).sum(axis=0)
    missed = fit.offset - mean
    joint = fit.predictions - mean
    np.testing.assert_allclose(loss, ((2 * (held - mean) - joint) * missed).sum(axis=0) / total)
    moved = product_measure(100 + 2 * held, 2 * fit.bands, 100 + 2 * fit.offset)
    np.testing.assert_allclose(moved, shares)


@pytest.mark.parametrize("mixtures", [[[1.0, -0.1]], [[0.0, 0.0]], [[1.0]]])
def test_senseless_mixtures_are_refused(mixtures: list[list[float]]) -> None:
    kernels, cross, y, _ = problem(2)
    with pytest.raises(DataError, match="mixture"):
        fit_banded(kernels, cross, y, contiguous_folds(np.zeros(N), 4, 0), mixtures, PENALTIES)
