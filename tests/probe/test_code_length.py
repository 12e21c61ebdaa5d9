"""The online code against a plain loop with scikit-learn."""

import math
from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from harness.probe.chance import code_order, code_stops
from harness.probe.code_length import code_length, prefix_weights
from harness.probe.linear import fit_logistic


def coded(x, y, k, penalty, order):
    stops = code_stops(len(y))
    weights = prefix_weights(order, stops)
    seeds, fits, n = weights.shape
    fitted = fit_logistic(
        x,
        np.tile(y, (seeds * fits, 1)),
        k,
        np.tile(penalty * n / np.array(stops[:-1]), seeds),
        weights.reshape(-1, n),
        tolerance=1e-10,
    )
    logits = fitted.outputs(x).reshape(seeds, fits, k, n)
    return code_length(logits, y, order, stops)


def looped(x, y, k, penalty, order):
    """Item by item, one fit a block."""
    stops = code_stops(len(y))
    bits = stops[0] * math.log2(k)
    for start, stop in pairwise(stops):
        seen = order[:start]
        model = LogisticRegression(C=1 / (penalty * len(y)), tol=1e-10, max_iter=20_000)
        model.fit(x[seen], y[seen])
        for item in order[start:stop]:
            given = dict(zip(model.classes_, model.predict_proba(x[[item]])[0], strict=True))
            bits -= math.log2((start * given[y[item]] + 1 / k) / (start + 1))
    return bits


def problem(n=200, d=6, k=3, noise=1.0):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d))
    y = (x @ rng.standard_normal((d, k)) + noise * rng.gumbel(size=(n, k))).argmax(axis=1)
    return x, y


def test_bits_are_those_of_a_plain_loop():
    x, y = problem()
    order = code_order("task", [str(i) for i in range(len(y))], 2)
    ours = coded(x, y, 3, 0.01, order)
    for seed in range(2):
        assert ours[seed] == pytest.approx(looped(x, y, 3, 0.01, order[seed]), rel=1e-4)


def test_separable_labels_cost_little_and_random_ones_their_entropy():
    n, k = 400, 2
    rng = np.random.default_rng(1)
    x = rng.standard_normal((n, 5))
    order = code_order("task", [str(i) for i in range(n)], 5)
    apart = x.copy()
    apart[:, 0] += 3 * np.sign(x[:, 0])
    clear = coded(apart, (x[:, 0] > 0).astype(int), k, 1e-5, order)
    chance = coded(x, rng.integers(0, k, n), k, 1.0, order)
    assert (clear < 0.1 * n).all()
    assert (chance > 0.95 * n).all()


def test_a_class_not_seen_before_costs_a_finite_number_of_bits():
    x, y = problem()
    y[-1] = 3
    order = np.arange(len(y))[None]
    assert np.isfinite(coded(x, y, 4, 0.01, order)).all()
