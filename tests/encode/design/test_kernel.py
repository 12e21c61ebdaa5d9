"""Spectra, penalty grids, filters and scores."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from harness.encode.design.kernel import (
    decompose_kernel,
    feature_spectrum,
    kernel_spectrum,
    penalty_grid,
)
from harness.encode.design.options import Precision
from harness.encode.design.scores import pearson, r_squared
from harness.encode.solve.filters import filter_bank
from harness.errors import DataError

RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test the same numbers, whichever tests run before it."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(3))


@pytest.mark.parametrize(("n", "p"), [(40, 15), (30, 90), (30, 30), (20, 1)])
def test_both_forms_predict_what_scikit_learn_predicts(n: int, p: int) -> None:
    x, held = RNG.normal(2, 1, size=(n, p)), RNG.normal(2, 1, size=(7, p))
    y = RNG.normal(size=(n, 3)) + x[:, :1]
    dual, primal = kernel_spectrum(x @ x.T, held @ x.T), feature_spectrum(x, held)
    np.testing.assert_allclose(dual.values, primal.values, rtol=1e-9)
    assert dual.complete == (p >= n - 1)
    for penalty in (1e-2, 1.0, 1e3):
        expected = Ridge(penalty).fit(x, y).predict(held)
        for spectrum in (dual, primal):
            axes = spectrum.basis.T @ (y - y.mean(axis=0))
            got = spectrum.heldout @ (axes / (spectrum.values[:, None] + penalty)) + y.mean(axis=0)
            np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9)


def test_the_basis_is_orthonormal_and_without_the_constant() -> None:
    x = RNG.normal(5, 1, size=(30, 60))
    kernel = x @ x.T
    spectrum = kernel_spectrum(kernel, x[:1] @ x.T)
    rounding = len(x) * np.finfo(np.float64).eps
    np.testing.assert_allclose(spectrum.basis.T @ spectrum.basis, np.eye(29), atol=10 * rounding)
    lost = np.linalg.norm(kernel, 2) / spectrum.values.min()  # to centring, relative to the axis
    np.testing.assert_allclose(spectrum.basis.sum(axis=0), 0, atol=10 * lost * rounding)


def test_duplicate_columns_do_not_raise_the_rank() -> None:
    x = RNG.normal(size=(30, 4))
    x = np.hstack([x, x, np.full((30, 2), 7.0)])
    assert feature_spectrum(x, x[:1]).basis.shape[1] == 4
    assert kernel_spectrum(x @ x.T, x[:1] @ x.T).basis.shape[1] == 4


def test_features_that_do_not_vary_are_refused() -> None:
    x = np.full((20, 3), 1e6)
    with pytest.raises(DataError, match="no feature varies"):
        kernel_spectrum(x @ x.T, x[:2] @ x.T)
    with pytest.raises(DataError, match="no feature varies"):
        feature_spectrum(x, x[:2])


def test_features_that_are_not_finite_are_refused() -> None:
    x = RNG.normal(size=(20, 3))
    x[3, 1] = np.nan
    with pytest.raises(DataError, match="not finite"):
        kernel_spectrum(x @ x.T, x[:2] @ x.T)
    with pytest.raises(DataError, match="not finite"):
        feature_spectrum(x, x[:2])


def test_the_penalty_grid_follows_the_scale_of_the_features() -> None:
    values = np.sort(RNG.random(30))[::-1]
    grid = penalty_grid(values, 31, 20)
    assert grid[0] == pytest.approx(1e-3 * values.sum() / 31)
    assert grid[-1] == pytest.approx(10 * values[0])
    np.testing.assert_allclose(np.diff(np.log(grid)), np.log(grid[1] / grid[0]))
    np.testing.assert_allclose(penalty_grid(100 * values, 31, 20), 100 * grid)


@pytest.mark.parametrize("tolerance", [1e-10, 1e-7])
@pytest.mark.parametrize("decay", [0.0, 1.5, 4.0])
@pytest.mark.parametrize("rank", [1, 5, 900])
def test_filters_are_accurate_relative_to_their_own_size(
    rank: int, decay: float, tolerance: float
) -> None:
    values = 1e4 * np.arange(1.0, rank + 1) ** -decay
    penalties = penalty_grid(values, rank + 1, 20)
    blocks = filter_bank(values, penalties, tolerance, Precision.DOUBLE).blocks
    assert sum(block.functions.shape[1] for block in blocks) == rank
    got = np.hstack([block.coefficients @ block.functions for block in blocks])
    exact = 1 / (values + penalties[:, None])
    # An error is relative to the smallest filter value of its block, which is smaller still.
    np.testing.assert_allclose(got, exact, rtol=2 * tolerance, atol=0)


def test_a_bank_applies_every_filter() -> None:
    values = 1e4 * np.arange(1.0, 201) ** -1.2
    penalties = penalty_grid(values, 201, 20)
    rows, axes = RNG.normal(size=(7, 200)), RNG.normal(size=(200, 4))
    for precision, tolerance in ((Precision.DOUBLE, 1e-9), (Precision.SINGLE, 1e-4)):
        bank = filter_bank(values, penalties, 1e-9, precision)
        typed = rows.astype(precision.value)
        got = bank.apply(typed, bank.terms(axes), penalties)
        assert got.dtype == precision.value
        for number, a in enumerate(penalties):
            expected = rows @ ((a / (values + a))[:, None] * axes)
            np.testing.assert_allclose(got[number], expected, atol=tolerance)


def test_filters_need_fewer_products_than_penalties() -> None:
    values = 1e4 * np.arange(1.0, 3000) ** -1.2
    penalties = penalty_grid(values, 3000, 20)
    blocks = filter_bank(values, penalties, 1e-7, Precision.SINGLE).blocks
    products = sum(block.functions.size for block in blocks)
    assert products < 0.5 * 20 * len(values)


def test_scores_are_those_of_scipy_and_scikit_learn() -> None:
    y = RNG.normal(size=(50, 6)).astype(np.float32)
    p = (y + RNG.normal(size=(50, 6))).astype(np.float32)
    for v in range(6):
        y64, p64 = y[:, v].astype(float), p[:, v].astype(float)
        assert pearson(y, p)[v] == pytest.approx(scipy.stats.pearsonr(y64, p64)[0], abs=1e-12)
        assert r_squared(y, p)[v] == pytest.approx(r2_score(y64, p64), abs=1e-6)


def test_what_does_not_vary_has_no_score() -> None:
    y, p = RNG.normal(size=(50, 2)), RNG.normal(size=(50, 2))
    y[:, 0] = 0.1
    assert np.isnan(pearson(y, p)[0])
    assert np.isnan(r_squared(y, p)[0])
    assert np.isnan(pearson(p, y)[0])
    assert np.isfinite(pearson(y, p)[1])


def test_a_decomposition_in_single_precision_predicts_the_same() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((90, 200)) * np.arange(1, 201) ** -0.5
    y = rng.standard_normal((70, 4))
    kernel = x @ x.T
    predicted = []
    for precision in Precision:
        found = decompose_kernel(kernel[:70, :70], kernel[70:, :70], precision)
        assert found.basis.dtype == found.values.dtype == np.float64
        axes = (found.basis.T @ y) / (found.values[:, None] + 1e-2 * found.values[0])
        predicted.append(found.heldout @ axes)
    np.testing.assert_allclose(*predicted, atol=1e-5)
    assert not np.array_equal(*predicted)
