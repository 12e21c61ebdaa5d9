import numpy as np
import pytest
from scipy.stats import binom

from harness.board.answers.curves import CURVES, fit_curves

X = np.log10([1e8, 3e8, 1e9, 1.5e9, 3e9, 1e10, 3e10, 1e11])


def loop(name, x, y, knots):
    """Leave each point out and fit again, with the knot chosen anew."""
    errors = []
    for i in range(len(x)):
        kept = np.arange(len(x)) != i
        best = (np.inf, 0.0)
        for k in knots:
            columns = {
                "line": [np.ones_like(x), x],
                "plateau": [np.ones_like(x), np.minimum(x, k)],
                "broken stick": [np.ones_like(x), x, np.maximum(x - k, 0)],
            }[name]
            design = np.column_stack(columns)
            if np.linalg.matrix_rank(design[kept], tol=1e-6) < design.shape[1]:
                continue
            weights = np.linalg.lstsq(design[kept], y[kept], rcond=None)[0]
            total = np.square(y[kept] - design[kept] @ weights).sum()
            if total < best[0]:
                best = (total, float(y[i] - design[i] @ weights))
        errors.append(best[1])
    return np.sqrt(np.mean(np.square(errors)))


@pytest.mark.parametrize("name", CURVES)
def test_left_out_errors_are_those_of_fitting_again(name):
    rng = np.random.default_rng(1)
    y = rng.normal(0, 0.02, (len(X), 3)) + 0.05 * np.minimum(X, 9.5)[:, None]
    knots = np.linspace(X[2], X[-2 if name == "plateau" else -3], 25)
    found = fit_curves(X, y, draws=10).error[CURVES.index(name)]
    expected = [loop(name, X, column, knots) for column in y.T]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_break_is_found_where_it_is():
    y = 0.1 * np.minimum(X, 9.5) + np.random.default_rng(0).normal(0, 0.002, len(X))
    fit = fit_curves(X, y[:, None])
    assert (fit.p[1:, 0] < 0.01).all()
    np.testing.assert_allclose(fit.knot[1:, 0], 9.5, atol=0.25)


def test_a_straight_line_is_seldom_called_broken():
    rng = np.random.default_rng(3)
    y = 0.03 * X[:, None] + rng.normal(0, 0.01, (len(X), 200))
    p = fit_curves(X, y, draws=400, seed=99).p
    limit = binom.ppf(0.999, 200, 0.05)
    assert (p[1] < 0.05).sum() <= limit
    assert (p[2] < 0.05).sum() <= limit


def test_too_few_sizes_fit_no_curve():
    few = fit_curves(X[:4], np.arange(4.0)[:, None])
    assert np.isfinite(few.error[0]).all()
    assert np.isnan(few.error[1:]).all()
    assert np.isnan(fit_curves(X[:2], np.ones((2, 1))).error).all()


def test_points_on_a_line_are_no_broken_stick():
    fit = fit_curves(X, (0.03 * X)[:, None])
    assert fit.error[0, 0] == pytest.approx(0, abs=1e-9)
    assert not (fit.p[1:, 0] < 0.05).any()
