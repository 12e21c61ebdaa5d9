"""The ridge plan against one fit per fold, penalty and target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from harness.encode.design.kernel import Spectrum, feature_spectrum, kernel_spectrum, penalty_grid
from harness.encode.design.options import Metric, Precision
from harness.encode.design.scores import pearson, r_squared
from harness.encode.design.splits import Fold, contiguous_folds
from harness.encode.solve.choice import best_index, grid_ends
from harness.encode.solve.inner import InnerSolver, cheaper_solver
from harness.encode.solve.scan import Scan, plan_scan
from harness.errors import DataError, ScoreError

RNG = np.random.default_rng(5)
N, HELD = 120, 25


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test the same numbers, whichever tests run before it."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(5))


def problem(p: int, steep: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features with an offset, a decaying spectrum, and responses of mixed predictability."""
    n = N + HELD
    latent = np.cumsum(RNG.normal(size=(n, 6)), axis=0)
    x = 3 + RNG.normal(size=(n, p)) + steep * latent @ RNG.normal(size=(6, p))
    signal = x @ RNG.normal(size=(p, 9)) / np.sqrt(p)
    y = 10 + signal + RNG.normal(size=(n, 9)) * np.geomspace(0.1, 100, 9)
    return x[:N], x[N:], y[:N]


def loop(
    x: np.ndarray, y: np.ndarray, folds: tuple[Fold, ...], grid: np.ndarray, metric: Metric
) -> np.ndarray:
    score = {Metric.R2: r_squared, Metric.CORRELATION: pearson}[metric]
    scores = np.zeros((len(folds), len(grid), y.shape[1]))
    for f, fold in enumerate(folds):
        for a, penalty in enumerate(grid):
            model = Ridge(penalty, solver="svd").fit(x[fold.train], y[fold.train])
            scores[f, a] = score(y[fold.test], model.predict(x[fold.test]))
    return scores.mean(axis=0)


def spectra(x: np.ndarray, held: np.ndarray) -> list[Spectrum]:
    return [kernel_spectrum(x @ x.T, held @ x.T), feature_spectrum(x, held)]


def planned(spectrum: Spectrum, folds: tuple[Fold, ...], grid: object, **options: Any) -> Scan:
    """Plan for few targets in memory, in double precision."""
    defaults = {"precision": Precision.DOUBLE, "n_voxels": 9}
    return plan_scan(spectrum, folds, grid, **{**defaults, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("n_voxels", [9, 5000])
@pytest.mark.parametrize("metric", [m for m in Metric if not m.compares])
@pytest.mark.parametrize("p", [3, 70, 400])
@pytest.mark.parametrize("gap", [0, 6])
def test_inner_scores_and_predictions_are_those_of_one_fit_each(
    p: int, gap: int, metric: Metric, n_voxels: int
) -> None:
    x, held, y = problem(p)
    folds = contiguous_folds(np.zeros(N), 4, gap)
    for spectrum in spectra(x, held):
        grid = penalty_grid(spectrum.values, N, 12)
        expected = loop(x, y, folds, grid, metric)
        for solver in InnerSolver:
            plan = planned(spectrum, folds, grid, metric=metric, solver=solver, n_voxels=n_voxels)
            fit = plan.fit(y)
            np.testing.assert_allclose(fit.inner, expected, atol=1e-7)
            np.testing.assert_array_equal(fit.chosen, expected.argmax(axis=0))
            for v in range(y.shape[1]):
                single = Ridge(grid[fit.chosen[v]], solver="svd").fit(x, y[:, v]).predict(held)
                np.testing.assert_allclose(fit.predictions[:, v], single, rtol=1e-7)


def test_the_solver_is_chosen_by_the_number_of_targets() -> None:
    rng = np.random.default_rng(0)
    basis = np.zeros((3500, 3499))
    spectrum = Spectrum(basis, rng.random(3499), np.zeros((1, 3499)))
    folds = contiguous_folds(np.zeros(3500), 5, 0)
    assert cheaper_solver(spectrum, folds, 20, 500) is InnerSolver.LEAVE_OUT
    assert cheaper_solver(spectrum, folds, 20, 80_000) is InnerSolver.REFIT


@pytest.mark.parametrize("solver", list(InnerSolver))
@pytest.mark.parametrize("metric", [m for m in Metric if not m.compares])
@pytest.mark.parametrize("steep", [1.0, 100.0])
def test_single_precision_products_change_scores_little(
    metric: Metric, steep: float, solver: InnerSolver
) -> None:
    x, held, y = problem(400, steep)
    spectrum = kernel_spectrum(x @ x.T, held @ x.T)
    folds = contiguous_folds(np.zeros(N), 4, 3)
    grid = penalty_grid(spectrum.values, N, 20)
    double, single = (
        planned(spectrum, folds, grid, metric=metric, precision=precision, solver=solver).fit(y)
        for precision in Precision
    )
    np.testing.assert_allclose(single.inner, double.inner, atol=1e-4)
    best = double.inner.max(axis=0)
    reached = np.take_along_axis(double.inner, single.chosen[None], axis=0)[0]
    np.testing.assert_allclose(reached, best, atol=1e-4)


@pytest.mark.parametrize("solver", list(InnerSolver))
def test_features_that_vary_in_one_inner_fold_only(solver: InnerSolver) -> None:
    x, held, y = problem(2)
    x[:90] = 1.0
    spectrum = feature_spectrum(x, held)
    folds = contiguous_folds(np.zeros(N), 4, 0)
    grid = penalty_grid(spectrum.values, N, 5)
    got = planned(spectrum, folds, grid, solver=solver).inner(y)
    np.testing.assert_allclose(got, loop(x, y, folds, grid, Metric.R2), atol=1e-7)


def test_a_target_scores_the_same_alone_and_among_many() -> None:
    x, held, y = problem(300)
    spectrum = kernel_spectrum(x @ x.T, held @ x.T)
    plan = planned(
        spectrum, contiguous_folds(np.zeros(N), 4, 0), penalty_grid(spectrum.values, N, 8)
    )
    many = np.tile(y, 20)
    together = plan.fit(many)
    alone = plan.fit(y[:, 4:5])
    np.testing.assert_allclose(together.inner[:, 4::9], alone.inner.repeat(20, 1))
    np.testing.assert_allclose(together.predictions[:, 4::9], alone.predictions.repeat(20, 1))


def test_offset_and_scale_of_responses_change_no_choice() -> None:
    x, held, y = problem(300)
    spectrum = kernel_spectrum(x @ x.T, held @ x.T)
    plan = planned(
        spectrum, contiguous_folds(np.zeros(N), 4, 0), penalty_grid(spectrum.values, N, 8)
    )
    plain, moved = plan.fit(y), plan.fit(1000 - 7 * y)
    np.testing.assert_array_equal(plain.chosen, moved.chosen)
    np.testing.assert_allclose(moved.inner, plain.inner, atol=1e-9)
    np.testing.assert_allclose(moved.predictions, 1000 - 7 * plain.predictions, rtol=1e-9)


def test_responses_of_held_out_rows_cannot_matter_and_their_features_do_not() -> None:
    x, held, y = problem(300)
    folds = contiguous_folds(np.zeros(N), 4, 0)
    plain, other = (
        planned(spectrum, folds, penalty_grid(spectrum.values, N, 8)).inner(y)
        for spectrum in (kernel_spectrum(x @ x.T, h @ x.T) for h in (held, 50 * held + 3))
    )
    np.testing.assert_array_equal(plain, other)


def test_equal_scores_take_the_larger_penalty_and_nan_the_largest() -> None:
    scores = np.array([[1.0, 0.2, np.nan], [1.0, 0.5, np.nan], [0.3, np.nan, np.nan]])
    np.testing.assert_array_equal(best_index(scores), [1, 1, 2])


def test_ends_of_the_grid_are_counted() -> None:
    ends = grid_ends(np.array([0, 0, 5, 9] + [4] * 36), 10)
    assert (ends.low, ends.high) == (0.05, 0.025)
    assert ends.crowded
    assert not grid_ends(np.array([9, 9] + [4] * 38), 10).crowded
    assert not grid_ends(np.array([], dtype=int), 10).crowded
    assert not grid_ends(np.array([0, 0]), 1).crowded


def test_a_target_constant_in_an_inner_fold_scores_nan_not_zero() -> None:
    x, held, y = problem(50)
    y[:30, 0] = 4.0
    spectrum = kernel_spectrum(x @ x.T, held @ x.T)
    plan = planned(
        spectrum, contiguous_folds(np.zeros(N), 4, 0), penalty_grid(spectrum.values, N, 8)
    )
    scores = plan.inner(y)
    assert np.isnan(scores[:, 0]).all()
    assert np.isfinite(scores[:, 1:]).all()


@pytest.mark.parametrize("grid", [[], [0.0, 1.0], [2.0, 1.0], [1.0, 1.0]])
def test_senseless_penalties_are_refused(grid: list[float]) -> None:
    x, held, _ = problem(10)
    with pytest.raises(DataError, match="penalties"):
        planned(feature_spectrum(x, held), contiguous_folds(np.zeros(N), 4, 0), grid)


def test_responses_must_fit_the_plan() -> None:
    x, held, y = problem(10)
    plan = planned(feature_spectrum(x, held), contiguous_folds(np.zeros(N), 4, 0), [1.0])
    with pytest.raises(ScoreError, match="120 rows"):
        plan.fit(y[:-1])
