"""Model and nuisance jointly, against one explicit fit for each pair of penalties."""

from __future__ import annotations

import numpy as np
import pytest
from encode_oracles.joint import plan_joint
from encode_oracles.ridge import RidgePlan, plan_ridge
from sklearn.linear_model import Ridge

from harness.encode.design.kernel import feature_spectrum, kernel_spectrum, penalty_grid
from harness.encode.design.options import Metric, Precision
from harness.encode.design.scores import pearson, r_squared
from harness.encode.design.splits import Fold, contiguous_folds
from harness.encode.solve.inner import InnerSolver
from harness.errors import DataError

RNG = np.random.default_rng(12)
N, HELD, Q = 90, 20, 5
NUISANCE = np.geomspace(0.3, 300, 4)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test the same numbers, whichever tests run before it."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(12))


def problem(p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = N + HELD
    nuisance = RNG.normal(2, 1, size=(n, Q))
    x = RNG.normal(3, 1, size=(n, p)) + nuisance @ RNG.normal(size=(Q, p)) / 2
    y = 4 + x @ RNG.normal(size=(p, 6)) / np.sqrt(p) * np.linspace(0, 2, 6)
    y += nuisance @ RNG.normal(size=(Q, 6)) + RNG.normal(size=(n, 6))
    return x, nuisance, y


def model_plan(x: np.ndarray, folds: tuple[Fold, ...], **options: object) -> RidgePlan:
    train, held = x[:N], x[N:]
    if x.shape[1] < N:
        spectrum = feature_spectrum(train, held)
    else:
        spectrum = kernel_spectrum(train @ train.T, held @ train.T)
    grid = penalty_grid(spectrum.values, N, 6)
    return plan_ridge(spectrum, folds, grid, **options)  # type: ignore[arg-type]


def design(x: np.ndarray, nuisance: np.ndarray, alpha: float, lam: float) -> np.ndarray:
    """Columns scaled so that a penalty of 1 is ``alpha`` on one band and ``lam`` on the other."""
    return np.hstack([x / np.sqrt(alpha), nuisance / np.sqrt(lam)])


@pytest.mark.parametrize("solver", list(InnerSolver))
@pytest.mark.parametrize("metric", [m for m in Metric if not m.compares])
@pytest.mark.parametrize("p", [8, 200])
@pytest.mark.parametrize("gap", [0, 5])
def test_scores_and_predictions_are_those_of_one_fit_each(
    p: int, gap: int, metric: Metric, solver: InnerSolver
) -> None:
    x, nuisance, y = problem(p)
    folds = contiguous_folds(np.zeros(N), 3, gap)
    plan = model_plan(x, folds, metric=metric, solver=solver)
    joint = plan_joint(plan, nuisance[:N], nuisance[N:], NUISANCE)
    score = {Metric.R2: r_squared, Metric.CORRELATION: pearson}[metric]
    expected = np.zeros((6, 4, 6))
    for a, alpha in enumerate(plan.penalties):
        for b, lam in enumerate(NUISANCE):
            z = design(x[:N], nuisance[:N], alpha, lam)
            for fold in folds:
                ridge = Ridge(1.0, solver="svd").fit(z[fold.train], y[fold.train])
                expected[a, b] += score(y[fold.test], ridge.predict(z[fold.test])) / len(folds)
    np.testing.assert_allclose(joint.score(y[:N]), expected, atol=1e-7)
    fit = joint.fit(y[:N])
    np.testing.assert_allclose(fit.inner_score, expected.max(axis=(0, 1)), atol=1e-7)
    for v in range(6):
        pair = plan.penalties[fit.chosen[0, v]], NUISANCE[fit.chosen[1, v]]
        z = design(x, nuisance, *pair)
        ridge = Ridge(1.0, solver="svd").fit(z[:N], y[:N, v])
        np.testing.assert_allclose(fit.predictions[:, v], ridge.predict(z[N:]), rtol=1e-7)
        part = z[N:, :p] - z[:N, :p].mean(axis=0)
        np.testing.assert_allclose(fit.model[:, v], part @ ridge.coef_[:p], atol=1e-7)


@pytest.mark.parametrize("solver", list(InnerSolver))
def test_single_precision_agrees(solver: InnerSolver) -> None:
    x, nuisance, y = problem(200)
    folds = contiguous_folds(np.zeros(N), 3, 0)
    double, single = (
        plan_joint(
            model_plan(x, folds, precision=p, solver=solver), nuisance[:N], nuisance[N:], NUISANCE
        )
        for p in Precision
    )
    np.testing.assert_allclose(single.score(y[:N]), double.score(y[:N]), atol=1e-4)


def test_duplicate_and_constant_regressors_change_nothing_that_penalties_do_not() -> None:
    x, nuisance, y = problem(200)
    folds = contiguous_folds(np.zeros(N), 3, 0)
    plan = model_plan(x, folds)
    once = plan_joint(plan, nuisance[:N], nuisance[N:], NUISANCE)
    padded = np.hstack([nuisance, nuisance, np.full((N + HELD, 2), 3.0)]) / np.sqrt(2)
    twice = plan_joint(plan, padded[:N], padded[N:], NUISANCE)
    np.testing.assert_allclose(twice.score(y[:N]), once.score(y[:N]), atol=1e-9)


def test_more_regressors_than_rows() -> None:
    x, _, y = problem(200)
    wide = RNG.normal(size=(N + HELD, 150))
    folds = contiguous_folds(np.zeros(N), 3, 0)
    plan = model_plan(x, folds)
    joint = plan_joint(plan, wide[:N], wide[N:], NUISANCE)
    z = design(x[:N], wide[:N], plan.penalties[2], NUISANCE[1])
    expected = [
        r_squared(
            y[f.test], Ridge(1.0, solver="svd").fit(z[f.train], y[f.train]).predict(z[f.test])
        )
        for f in folds
    ]
    np.testing.assert_allclose(joint.score(y[:N])[2, 1], np.mean(expected, axis=0), atol=1e-7)


def test_senseless_penalties_are_refused() -> None:
    x, nuisance, _ = problem(8)
    plan = model_plan(x, contiguous_folds(np.zeros(N), 3, 0))
    with pytest.raises(DataError, match="penalties"):
        plan_joint(plan, nuisance[:N], nuisance[N:], [1.0, 0.0])
