"""The batched minimiser against closed forms."""

import numpy as np
import pytest

from harness.probe.minimise import minimise


def quadratics(n_problems=6, n_parameters=20, condition=1e3, seed=0):
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((n_problems, n_parameters, n_parameters)))[0]
    bend = np.logspace(0, np.log10(condition), n_parameters)
    hessian = (axes * bend) @ np.swapaxes(axes, 1, 2)
    best = rng.standard_normal((n_problems, n_parameters))

    def objective(points, problems):
        away = points - best[problems]
        slope = np.einsum("pij,pj->pi", hessian[problems], away)
        return 1 + 0.5 * np.einsum("pi,pi->p", away, slope), slope

    return objective, best


def test_finds_the_minimum_of_ill_conditioned_quadratics():
    objective, best = quadratics()
    found = minimise(objective, np.zeros_like(best), np.ones_like(best), 1e-12, 1000)
    assert found.converged.all()
    np.testing.assert_allclose(found.values, 1, atol=1e-9)
    np.testing.assert_allclose(found.points, best, atol=1e-4)


def test_a_problem_ends_where_it_ends_alone():
    objective, best = quadratics()
    together = minimise(objective, np.zeros_like(best), np.ones_like(best), 1e-12)
    for i in range(len(best)):

        def only(points, problems, i=i):
            return objective(points, np.full(len(points), i))

        alone = minimise(only, np.zeros((1, best.shape[1])), np.ones((1, best.shape[1])), 1e-12)
        np.testing.assert_allclose(together.points[i], alone.points[0], atol=1e-4)


def test_a_good_scale_saves_iterations():
    bend = np.logspace(0, 6, 30)

    def objective(points, problems):
        return 1 + 0.5 * (bend * (points - 1) ** 2).sum(axis=1), bend * (points - 1)

    start = np.zeros((1, 30))
    blind = minimise(objective, start, np.ones((1, 30)), 1e-12)
    told = minimise(objective, start, 1 / np.tile(bend, (1, 1)), 1e-12)
    assert told.iterations <= 3
    assert blind.iterations > 10 * told.iterations


def test_a_scale_that_follows_the_curvature():
    """Problems that are steep far away and flat near their minimum: a fixed guess is soon wrong."""
    sharp = np.logspace(0, 3, 8)[:, None] * np.ones(12)
    best = np.logspace(-2, 1, 12)
    last = np.zeros_like(sharp)
    asked = []

    def objective(points, problems):
        # quartic bowls at unequal distances
        gap, bend = points - best, sharp[problems]
        last[problems] = gap
        return 1 + (bend * (gap**4 / 4 + 1e-4 * gap**2)).sum(axis=1), bend * (gap**3 + 2e-4 * gap)

    def scale(problems):
        asked.append(problems)
        return 1 / (sharp[problems] * (3 * last[problems] ** 2 + 2e-4))

    start = np.zeros_like(sharp)
    told = minimise(objective, start, scale, 1e-9)
    fixed = minimise(objective, start, 1 / (sharp * (3 * best**2 + 2e-4)), 1e-9)
    assert told.converged.all()
    np.testing.assert_allclose(told.values, fixed.values, atol=1e-5)
    np.testing.assert_allclose(told.values, 1, atol=1e-5)
    assert told.iterations < fixed.iterations
    assert len(asked) == told.iterations
    assert all(len(set(problems)) == len(problems) for problems in asked)


def test_says_when_iterations_ran_out():
    objective, best = quadratics()
    found = minimise(objective, np.zeros_like(best), np.ones_like(best), 1e-14, 2)
    assert not found.converged.any()
    assert (found.values < objective(np.zeros_like(best), np.arange(len(best)))[0]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keeps_the_precision_it_is_given(dtype):
    objective, best = quadratics(condition=10)

    def cast(points, problems):
        values, slopes = objective(points.astype(np.float64), problems)
        return values, slopes.astype(dtype)

    found = minimise(cast, np.zeros(best.shape, dtype), np.ones(best.shape, dtype))
    assert found.points.dtype == dtype
    np.testing.assert_allclose(found.values, 1, atol=1e-4)
