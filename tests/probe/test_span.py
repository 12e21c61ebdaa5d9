"""Items on the axes of their own span: inner products, and the way back."""

import numpy as np
import pytest

from harness.probe.span import CLASSES, Spans, own_spans


def items(n=40, d=30, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)) @ np.diag(np.logspace(0, -2, d))


def used(counts, n=40, seed=1):
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(n) < count for count in counts])


def test_inner_products_are_kept_and_weights_come_back():
    x, mine = items(), used([3, 9, 9])
    spans = Spans.of(x, mine)
    rng = np.random.default_rng(2)
    found = rng.standard_normal((3, 2, 9))
    weights = spans.weights(x, found)
    for i, count in enumerate([3, 9, 9]):
        assert set(spans.items[i, :count]) == set(np.flatnonzero(mine[i]))
        assert spans.real[i].sum() == count
        z, own = spans.coordinates[i, :count], x[spans.items[i, :count]]
        np.testing.assert_allclose(z @ z.T, own @ own.T, atol=1e-12)
        assert not spans.coordinates[i, count:].any()
        np.testing.assert_allclose(own @ weights[i].T, z @ found[i].T, atol=1e-9)
        # The penalty of a probe is the same in both.
        inside = found[i][:, :count]
        assert np.square(weights[i]).sum() == pytest.approx(np.square(inside).sum())


def test_items_that_are_alike_share_an_axis():
    x = items()
    x[:3] = x[0]
    mine = np.zeros((1, 40), bool)
    mine[0, :4] = True
    spans = Spans.of(x, mine)
    axes = np.square(spans.coordinates[0]).sum(axis=0) > 0
    assert axes.sum() == 2
    np.testing.assert_array_equal(spans.back[0, 2:], 0)
    z, own = spans.coordinates[0], x[spans.items[0]]
    np.testing.assert_allclose(z @ z.T, own @ own.T, atol=1e-12)


def test_every_problem_is_in_one_group_of_its_size():
    x, counts = items(n=200), [2, 150, 3, 16, 40, 5]
    weights = used(counts, n=200).astype(float)
    members = np.array([0, 1, 2, 4, 5])
    groups = list(own_spans(x, weights, members))
    assert sorted(np.concatenate([group for group, _ in groups])) == members.tolist()
    assert len(groups) > 1
    for group, spans in groups:
        sizes = (weights[group] > 0).sum(axis=1)
        assert sizes.max() == spans.items.shape[1] < CLASSES * sizes.min()
