"""Erasure of a property, against its definition."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from harness.errors import ScoreError
from harness.probe.erase import Eraser
from harness.probe.intervene import erased


def made(n=2000, d=12, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    mix = rng.standard_normal((d, d))
    x = rng.standard_normal((n, d)) + 2 * np.eye(d)[labels]
    return (x @ mix + 5), np.array(["a", "b", "c"])[labels]


def test_nothing_linear_is_left():
    x, labels = made()
    before = LogisticRegression(max_iter=2000).fit(x, labels).score(x, labels)
    eraser = Eraser.leace(x, labels)
    after = eraser.erase(x)
    assert eraser.rank == 2
    assert before > 0.8
    fitted = LogisticRegression(max_iter=2000, C=1e6).fit(after, labels)
    assert fitted.score(after, labels) == pytest.approx(
        np.unique(labels, return_counts=True)[1].max() / 2000
    )
    means = np.stack([after[labels == c].mean(axis=0) for c in "abc"])
    np.testing.assert_allclose(means, np.broadcast_to(after.mean(axis=0), means.shape), atol=1e-9)
    np.testing.assert_allclose(after.mean(axis=0), x.mean(axis=0), atol=1e-9)


def test_of_maps_that_erase_it_changes_least():
    """Against projections along other directions that hide the class means as well."""
    x, labels = made(seed=1)
    least = np.square(Eraser.leace(x, labels).erase(x) - x).sum()
    z = np.eye(3)[np.unique(labels, return_inverse=True)[1]]
    shared = (x - x.mean(axis=0)).T @ (z - z.mean(axis=0))
    u = np.linalg.svd(shared)[0][:, :2]  # what the class means span
    orthogonal = x - (x - x.mean(axis=0)) @ u @ u.T
    assert least < np.square(orthogonal - x).sum()
    rng = np.random.default_rng(0)
    for _ in range(20):
        other = u + 0.3 * rng.standard_normal(u.shape)
        taken = u @ np.linalg.inv(other.T @ u) @ other.T
        assert least < np.square((x - x.mean(axis=0)) @ taken.T).sum()


def test_a_faint_direction_is_erased_as_well_as_a_strong_one():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, 3000)
    x = rng.standard_normal((3000, 6))
    x[:, 0] += 5 * (labels == 0)
    x[:, 1] += 0.3 * (labels == 1)
    eraser = Eraser.leace(x, labels)
    assert eraser.rank == 2
    after = eraser.erase(x)
    means = np.stack([after[labels == c].mean(axis=0) for c in range(3)])
    np.testing.assert_allclose(means, np.broadcast_to(x.mean(axis=0), means.shape), atol=1e-9)


def test_numbers_are_erased():
    x, _ = made(seed=2)
    numbers = x[:, 0] - 2 * x[:, 3]
    eraser = Eraser.leace(x, numbers)
    assert eraser.rank == 1
    after = eraser.erase(x)
    centred = after - after.mean(axis=0)
    assert np.abs(centred.T @ (numbers - numbers.mean())).max() < 1e-6 * len(x)


def test_states_that_span_less_than_their_units_and_a_random_subspace():
    x, labels = made()
    wide = np.hstack([x, x @ np.random.default_rng(3).standard_normal((12, 8))])
    eraser = Eraser.leace(wide, labels)
    after = eraser.erase(wide)
    assert np.abs(after[labels == "a"].mean(axis=0) - after.mean(axis=0)).max() < 1e-6
    control = Eraser.random(wide, eraser.rank, seed=1)
    assert control.rank == 2
    moved = control.erase(wide)
    for one in (eraser, control):
        np.testing.assert_allclose(one.erase(one.erase(wide)), one.erase(wide), atol=1e-6)
    assert np.linalg.matrix_rank(np.cov(moved - wide, rowvar=False), tol=1e-6) == 2
    kept = LogisticRegression(max_iter=2000).fit(moved, labels).score(moved, labels)
    assert kept > 0.6


@pytest.mark.parametrize("labels", [["a"] * 20])
def test_nothing_to_erase(labels):
    with pytest.raises(ScoreError, match="all labels are the same"):
        Eraser.leace(np.random.default_rng(0).standard_normal((20, 3)), labels)
    broken = np.full((20, 3), np.nan)
    with pytest.raises(ScoreError, match="not finite"):
        Eraser.leace(broken, ["a", "b"] * 10)


def test_a_model_goes_on_from_erased_states():
    from transformers import LlamaConfig, LlamaForCausalLM

    from harness.lm.states import hidden_states

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=3,
        num_attention_heads=2,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    ids = torch.randint(0, 50, (4, 12))

    def states():
        found = {}
        with torch.inference_mode(), hidden_states(model, found.__setitem__, final_norm=False):
            logits = model(input_ids=ids).logits
        return {k: v.float().numpy() for k, v in found.items()}, logits.numpy()

    before, intact = states()
    x = before[2].reshape(-1, 16)
    eraser = Eraser.leace(x, np.arange(len(x)) % 2)
    with erased(model, 2, eraser):
        after, changed = states()
    np.testing.assert_array_equal(after[1], before[1])
    np.testing.assert_allclose(after[2], eraser.erase(before[2]), atol=1e-5)
    assert np.abs(after[3] - before[3]).max() > 1e-5
    assert np.abs(changed - intact).max() > 1e-6
    _, same = states()
    np.testing.assert_array_equal(same, intact)
    with pytest.raises(ScoreError, match="layer 4 leaves no block"), erased(model, 4, eraser):
        pass
