"""Linear probes against scikit-learn, in the basis and out of it."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from harness.errors import ScoreError
from harness.probe.features import Basis
from harness.probe.linear import fit_logistic, fit_ridge


def correlated(n=160, d=40, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((d, d)))[0]
    x = (rng.standard_normal((n, d)) * np.logspace(0, -2, d)) @ axes + rng.standard_normal(d)
    return x.astype(dtype)


def classes(x, k, seed=1):
    rng = np.random.default_rng(seed)
    return np.argmax(
        (x - x.mean(0)) @ rng.standard_normal((x.shape[1], k)) + rng.gumbel(size=(len(x), k)), 1
    )


def level(logits):
    """Without what all classes share, which no probability depends on."""
    return logits - logits.mean(axis=-2, keepdims=True)


def objective(logits, y, weights, coefficients, penalty):
    logits = logits - logits.max(axis=0)
    loss = np.log(np.exp(logits).sum(axis=0)) - logits[y, np.arange(len(y))]
    return (weights * loss).sum() / weights.sum() + penalty / 2 * np.square(coefficients).sum()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [2, 3, 7])
def test_logistic_has_the_optimum_of_scikit_learn(k, dtype):
    x = correlated(dtype=dtype)
    y = classes(x, k)
    standard = (x - x.mean(0)) / x.std(0)
    z = Basis.of(x).rotate(x)
    rng = np.random.default_rng(2)
    weights = np.stack([np.ones(len(x)), rng.integers(0, 3, len(x)), np.ones(len(x))])
    penalties = np.array([1e-3, 1e-2, 1.0])
    fitted = fit_logistic(z, np.tile(y, (3, 1)), k, penalties, weights, tolerance=1e-7)
    logits = fitted.outputs(z).astype(np.float64)
    for i, penalty in enumerate(penalties):
        total = weights[i].sum() * penalty
        oracle = LogisticRegression(C=(2 if k == 2 else 1) / total, tol=1e-9, max_iter=20_000)
        oracle.fit(standard.astype(np.float64), y, sample_weight=weights[i])
        scores = oracle.decision_function(standard).T
        vectors = oracle.coef_
        if k == 2:
            scores, vectors = np.stack([-scores, scores]) / 2, np.stack([-vectors, vectors]) / 2
        ours = objective(logits[i], y, weights[i], fitted.weights[i], penalty)
        theirs = objective(scores, y, weights[i], vectors, penalty)
        assert ours == pytest.approx(theirs, abs=1e-4)
        mine, given = logits[i].argmax(axis=0), scores.argmax(axis=0)
        margin = np.sort(scores, axis=0)[-1] - np.sort(scores, axis=0)[-2]
        clear = margin > 0.05
        assert clear.mean() > 0.8
        np.testing.assert_array_equal(mine[clear], given[clear])


@pytest.mark.parametrize("penalty", [1e-5, 1e-2])
def test_the_optimum_is_found_where_items_are_told_apart(penalty):
    """Separable items: the curvature of the loss falls to nothing while the probe grows."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((90, 120))
    y = rng.integers(0, 3, 90)
    z = Basis.of(x).rotate(x)
    fitted = fit_logistic(z, y[None], 3, np.array([penalty]), np.ones((1, 90)), tolerance=1e-10)
    oracle = LogisticRegression(C=1 / (90 * penalty), tol=1e-10, max_iter=20_000).fit(z, y)
    even = np.ones(90)
    ours = objective(fitted.outputs(z)[0], y, even, fitted.weights[0], penalty)
    theirs = objective(oracle.decision_function(z).T, y, even, oracle.coef_, penalty)
    assert ours <= theirs * (1 + 1e-6)
    assert (fitted.outputs(z)[0].argmax(axis=0) == oracle.predict(z)).all()


def test_default_tolerance_is_within_a_ten_thousandth_and_predicts_alike():
    x = correlated(n=400, d=60, dtype=np.float32)
    y = classes(x, 4)
    z = Basis.of(x).rotate(x)
    weights = np.ones((1, len(x)))
    quick = fit_logistic(z, y[None], 4, np.array([1e-3]), weights, tolerance=1e-5)
    exact = fit_logistic(
        z.astype(np.float64), y[None], 4, np.array([1e-3]), weights, tolerance=1e-13
    )
    a, b = quick.outputs(z)[0].astype(np.float64), exact.outputs(z.astype(np.float64))[0]
    gap = objective(a, y, weights[0], quick.weights[0], 1e-3) - objective(
        b, y, weights[0], exact.weights[0], 1e-3
    )
    assert 0 <= gap < 1e-4
    assert (a.argmax(0) == b.argmax(0)).mean() > 0.99


def test_a_problem_is_solved_as_it_is_alone():
    x = correlated(dtype=np.float64)
    z = Basis.of(x).rotate(x)
    labels = np.stack([classes(x, 3, seed=s) for s in range(4)])
    penalties = np.array([1e-3, 1e-1, 1e-2, 1.0])
    weights = np.ones(labels.shape)
    together = fit_logistic(z, labels, 3, penalties, weights, tolerance=1e-10).outputs(z)
    for i in range(4):
        one = slice(i, i + 1)
        alone = fit_logistic(z, labels[one], 3, penalties[one], weights[one], tolerance=1e-10)
        np.testing.assert_allclose(together[i], alone.outputs(z)[0], atol=2e-3)


def test_items_without_weight_do_not_count():
    x = correlated(dtype=np.float64)
    z = Basis.of(x).rotate(x)
    y = classes(x, 3)
    weights = (np.arange(len(x)) < 100).astype(float)[None]
    wrong = y.copy()
    wrong[100:] = 0
    args = (3, np.array([1e-2]), weights)
    a = fit_logistic(z, y[None], *args, tolerance=1e-10).outputs(z)
    b = fit_logistic(z, wrong[None], *args, tolerance=1e-10).outputs(z)
    np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("k", [2, 4])
def test_a_problem_of_few_items_has_the_optimum_of_scikit_learn(k):
    """Fewer items than axes, beside problems of many: each is solved in the span of its own."""
    x = correlated(n=160, d=90)
    z = Basis.of(x).rotate(x)
    y = classes(x, k)
    weights = np.ones((4, len(x)))
    for i, count in enumerate([8, 25, 12]):
        weights[i] = 0
        weights[i, i * 30 : i * 30 + count] = 1 + np.arange(count) % 2
    penalties = np.array([1e-2, 1e-2, 1e-1, 1e-2])
    args = (np.tile(y, (4, 1)), k, penalties, weights)
    logits = fit_logistic(z, *args, tolerance=1e-12).outputs(z)
    for i, penalty in enumerate(penalties):
        kept = weights[i] > 0
        total = weights[i].sum() * penalty
        oracle = LogisticRegression(C=(2 if k == 2 else 1) / total, tol=1e-12, max_iter=20_000)
        oracle.fit(z[kept], y[kept], sample_weight=weights[i, kept])
        assert (oracle.classes_ == np.arange(k)).all()
        scores = oracle.decision_function(z).T
        if k == 2:
            scores = np.stack([-scores, scores]) / 2
        np.testing.assert_allclose(level(logits[i]), level(scores), atol=2e-3)


def test_a_class_that_no_item_has_is_never_predicted():
    x = correlated()
    z = Basis.of(x).rotate(x)
    y = classes(x, 3)
    fitted = fit_logistic(z, y[None], 5, np.array([1e-2]), np.ones((1, len(x))))
    assert np.isfinite(fitted.outputs(z)).all()
    assert fitted.outputs(z).argmax(axis=1).max() == 2


@pytest.mark.parametrize("n", [25, 160])
def test_ridge_is_that_of_scikit_learn(n):
    x = correlated(n=n)
    rng = np.random.default_rng(4)
    targets = np.stack([x @ rng.standard_normal(x.shape[1]) + rng.standard_normal(n)] * 4)
    weights = np.ones((4, n))
    weights[2:] = rng.integers(0, 3, n)
    penalties = np.array([1e-3, 1e-1, 1e-3, 1e-1])
    fitted = fit_ridge(x, targets, penalties, weights)
    for i in range(4):
        oracle = Ridge(alpha=weights[i].sum() * penalties[i], solver="svd")
        oracle.fit(x, targets[i], sample_weight=weights[i])
        np.testing.assert_allclose(fitted.weights[i, 0], oracle.coef_, atol=1e-6)
        np.testing.assert_allclose(fitted.outputs(x)[i, 0], oracle.predict(x), atol=1e-6)


@pytest.mark.parametrize("shape", [(160, 40), (30, 40), (30, 1)])
def test_basis_keeps_inner_products_of_standardised_items(shape):
    x = correlated(*shape)
    standard = (x - x.mean(0)) / x.std(0)
    basis = Basis.of(x)
    z = basis.rotate(x)
    np.testing.assert_allclose(z @ z.T, standard @ standard.T, atol=1e-9 * shape[1] * shape[0])
    np.testing.assert_allclose(basis.axes.T @ basis.axes, np.eye(z.shape[1]), atol=1e-10)
    np.testing.assert_allclose(basis.variances, np.square(z).mean(axis=0), atol=1e-10)


def test_a_constant_unit_says_nothing():
    x = correlated(dtype=np.float32)
    still = np.concatenate([x, np.full((len(x), 2), 21_000.1, np.float32)], axis=1)
    later = still.copy()
    later[:, -1] += 5
    basis = Basis.of(still)
    np.testing.assert_array_equal(basis.rotate(still), basis.rotate(later))
    gram = Basis.of(x).rotate(x)
    z = basis.rotate(still)
    np.testing.assert_allclose(z @ z.T, gram @ gram.T, atol=1e-2)


def test_features_must_be_finite():
    x = correlated()
    x[3, 2] = np.nan
    with pytest.raises(ScoreError, match="not finite"):
        Basis.of(x)
