"""A penalty for all voxels from their cross-products: what a scan of every voxel finds."""

from __future__ import annotations

import numpy as np
import pytest

from harness.encode.design.kernel import feature_spectrum, penalty_grid
from harness.encode.design.options import Precision
from harness.encode.design.splits import Fold, contiguous_folds
from harness.encode.solve.scan import plan_scan
from harness.encode.solve.shared import CrossProducts, SharedPlan, plan_shared

N, HELD, VOXELS = 120, 25, 70


def problem(p: int, gap: int) -> tuple[np.ndarray, np.ndarray, tuple[Fold, ...]]:
    rng = np.random.default_rng(4)
    x = rng.normal(3, 1, size=(N + HELD, p))
    y = 5 + x @ rng.normal(size=(p, VOXELS)) / np.sqrt(p) + rng.normal(size=(N + HELD, VOXELS))
    return x, y * np.geomspace(0.1, 30, VOXELS), contiguous_folds(np.zeros(N), 3, gap)


def crossed(y: np.ndarray, folds: tuple[Fold, ...], precision: Precision) -> np.ndarray:
    products = CrossProducts(folds, N, precision, "cpu")
    for start in range(0, VOXELS, 16):
        products.add(y[:N, start : start + 16])
    return products.mean()


@pytest.mark.parametrize("p", [8, 300])
@pytest.mark.parametrize("gap", [0, 4])
@pytest.mark.parametrize(
    ("precision", "near"), [(Precision.DOUBLE, 1e-9), (Precision.SINGLE, 2e-6)]
)
def test_the_mean_of_every_voxels_scan(p: int, gap: int, precision: Precision, near: float) -> None:
    x, y, folds = problem(p, gap)
    spectrum = feature_spectrum(x[:N], x[N:])
    grid = penalty_grid(spectrum.values, N, 9)
    wanted = plan_scan(spectrum, folds, grid, precision=Precision.DOUBLE).fit(y[:N])
    plan = plan_shared(spectrum, folds, grid, precision=precision)
    found = plan.score(crossed(y, folds, precision))
    np.testing.assert_allclose(found, wanted.inner.mean(axis=1), atol=near)
    assert np.ptp(found) > 0.1
    best, before = int(found.argmax()), y.copy()
    inner, predictions = plan.at(best).fit(y[:N])
    np.testing.assert_array_equal(y, before)
    np.testing.assert_allclose(inner, wanted.inner[best], atol=10 * near)
    own = plan_scan(spectrum, folds, grid, precision=Precision.DOUBLE)
    again = own.fit(y[:N], np.full(VOXELS, best)).predictions
    np.testing.assert_allclose(predictions, again, rtol=1e-4, atol=1e-5)


def test_cross_products_are_those_of_scaled_voxels() -> None:
    _, y, folds = problem(8, 0)
    found = crossed(y, folds, Precision.DOUBLE)
    centred = y[:N] - y[:N].mean(axis=0)
    for fold, got in zip(folds, found, strict=True):
        scaled = centred / (y[fold.test].std(axis=0) * np.sqrt(len(fold.test)))
        np.testing.assert_allclose(got, scaled @ scaled.T / VOXELS, atol=1e-12)


def test_no_voxels_score_the_same_under_all_penalties() -> None:
    x, _, folds = problem(8, 0)
    spectrum = feature_spectrum(x[:N], x[N:])
    plan: SharedPlan = plan_shared(spectrum, folds, np.array([1.0, 10.0]))
    empty = CrossProducts(folds, N, Precision.SINGLE, "cpu").mean()
    np.testing.assert_array_equal(plan.score(empty), 1)
