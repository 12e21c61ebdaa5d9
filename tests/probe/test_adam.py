"""Probes as Holmes trains them, against torch."""

import numpy as np
import pytest
import torch

from harness.probe import adam
from harness.probe.adam import Schooling, fit_adam, loss_and_slope


def made(n=5000, kind="class", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 12)).astype(np.float32)
    truth = x[:, :3] @ np.array([1.0, -1.0, 0.5]) + 0.5 * rng.standard_normal(n)
    y = np.digitize(truth, [-0.7, 0.7]) if kind == "class" else truth
    return Schooling(x[:4000], y[:4000], x[4000:], y[4000:], 3 if kind == "class" else 1)


def test_loss_and_slope_are_torchs():
    rng = np.random.default_rng(1)
    outputs = rng.standard_normal((7, 4))
    targets = rng.integers(0, 4, 7)
    at = torch.tensor(outputs, requires_grad=True)
    loss = torch.nn.CrossEntropyLoss()(torch.softmax(at, 1), torch.tensor(targets))
    loss.backward()
    ours, slope = loss_and_slope(outputs, targets)
    assert ours == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(slope, at.grad.numpy(), rtol=1e-10)
    outputs, numbers = 3 * rng.standard_normal((9, 1)), rng.standard_normal(9)
    at = torch.tensor(outputs, requires_grad=True)
    loss = torch.nn.SmoothL1Loss()(at[:, 0], torch.tensor(numbers))
    loss.backward()
    ours, slope = loss_and_slope(outputs, numbers)
    assert ours == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(slope, at.grad.numpy(), rtol=1e-10)


def test_steps_are_those_of_torchs_adam_under_the_linear_schedule():
    from transformers import get_linear_schedule_with_warmup

    rng = np.random.default_rng(2)
    start = rng.standard_normal((3, 5)).astype(np.float32)
    theirs = torch.nn.Parameter(torch.tensor(start))
    optimiser = torch.optim.Adam([theirs], lr=adam.RATE)
    schedule = get_linear_schedule_with_warmup(optimiser, adam.WARM_UP * 50, 50)
    ours = adam._Adam(start, 50)
    for _ in range(50):
        slope = rng.standard_normal(start.shape).astype(np.float32)
        theirs.grad = torch.tensor(slope)
        optimiser.step()
        schedule.step()
        ours.step(slope)
    np.testing.assert_allclose(ours.weights, theirs.detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("kind", ["class", "number"])
def test_probes_learn_and_seeds_differ(kind):
    items = made(kind=kind)
    fit = fit_adam(items, np.arange(3))
    outputs = fit.outputs(items.dev_x)
    if kind == "class":
        assert ((outputs.argmax(axis=1) == items.dev_targets).mean(axis=1) > 0.6).all()
    else:
        assert all(np.corrcoef(o[0], items.dev_targets)[0, 1] > 0.5 for o in outputs)
    assert np.abs(fit.weights[0] - fit.weights[1]).max() > 1e-3
    np.testing.assert_array_equal(fit_adam(items, np.array([1])).weights[0], fit.weights[1])
