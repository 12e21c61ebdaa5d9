"""Probes with a hidden layer: their gradient, and what they can that linear ones cannot."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from harness.probe.hidden import _Hidden, fit_hidden
from harness.probe.linear import fit_logistic


def crossed(n=400, seed=0):
    """Labels that no linear probe gets."""
    x = np.random.default_rng(seed).standard_normal((n, 4)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int64)


@pytest.mark.parametrize("kind", ["class", "number"])
def test_gradient_is_that_of_finite_differences(kind):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, 3))
    targets = rng.integers(0, 3, (1, 12)) if kind == "class" else rng.standard_normal((1, 12))
    weights = rng.random((1, 12))
    weights /= weights.sum()
    problem = _Hidden(x, targets, 3 if kind == "class" else 1, 5, np.array([0.1]), weights)
    point = problem.start(np.array([3]))[0] + 0.1 * rng.standard_normal(
        problem.start(np.array([3])).shape[1]
    )

    def value(theta):
        return problem.objective(theta[None], np.array([0]))[0][0]

    def slope(theta):
        return problem.objective(theta[None], np.array([0]))[1][0]

    assert check_grad(value, slope, point) < 1e-5


def test_learns_what_a_linear_probe_cannot():
    x, y = crossed()
    weights, penalty = np.ones((1, len(x))), np.array([1e-4])
    new, labels = crossed(seed=1)
    bent = fit_hidden(x, y[None], 2, penalty, weights, np.array([0]), n_hidden=16)
    straight = fit_logistic(x, y[None], 2, penalty, weights)
    assert (bent.outputs(new)[0].argmax(axis=0) == labels).mean() > 0.9
    assert (straight.outputs(new)[0].argmax(axis=0) == labels).mean() < 0.65


def test_predicts_numbers():
    x, _ = crossed()
    new, _ = crossed(seed=1)
    goal = np.abs(x[:, 0])
    fitted = fit_hidden(
        x, goal[None], 1, np.array([1e-4]), np.ones((1, len(x))), np.array([0]), n_hidden=16
    )
    r = np.corrcoef(fitted.outputs(new)[0, 0], np.abs(new[:, 0]))[0, 1]
    assert r > 0.9


def test_a_seed_is_a_start():
    x, y = crossed()
    args = (np.tile(y, (3, 1)), 2, np.full(3, 1e-3), np.ones((3, len(x))), np.array([0, 0, 1]))
    outputs = fit_hidden(x, *args, n_hidden=4).outputs(x)
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-3)
    assert np.abs(outputs[0] - outputs[2]).max() > 1e-2
