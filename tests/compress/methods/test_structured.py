"""Taking inputs out of a layer, against least squares on the inputs themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.compress.methods.structured import losses, without_inputs

WIDTH, ROWS, TOKENS = 12, 5, 200


@pytest.fixture
def problem() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    mixing = torch.randn(WIDTH, WIDTH, generator=generator, dtype=torch.float64)
    inputs = torch.randn(TOKENS, WIDTH, generator=generator, dtype=torch.float64) @ mixing
    weight = torch.randn(ROWS, WIDTH, generator=generator, dtype=torch.float64)
    return weight, inputs, inputs.T @ inputs / TOKENS


def ridge(
    weight: torch.Tensor, inputs: torch.Tensor, removed: list[int], penalty: float
) -> np.ndarray:
    """Fit the outputs from the inputs that stay by least squares, drawn to the old weight."""
    stay = [i for i in range(WIDTH) if i not in removed]
    x, y = inputs.numpy(), (inputs @ weight.T).numpy()
    old = weight.numpy()
    pull = np.sqrt(penalty * TOKENS) * np.eye(len(stay))
    left = np.vstack([x[:, stay], pull])
    right = np.vstack([y, pull @ old[:, stay].T])
    new = np.zeros_like(old)
    new[:, stay] = np.linalg.lstsq(left, right, rcond=None)[0].T
    return new


@pytest.mark.parametrize("removed", [[0], [3, 4, 11], list(range(11))])
@pytest.mark.parametrize("damping", [1e-8, 0.01, 1.0])
def test_the_inputs_that_stay_make_up_by_least_squares(
    problem: tuple[torch.Tensor, torch.Tensor, torch.Tensor], removed: list[int], damping: float
) -> None:
    weight, inputs, moments = problem
    penalty = damping * float(moments.diagonal().mean())
    expected = ridge(weight, inputs, removed, penalty)
    found = without_inputs(weight, moments, torch.tensor(removed), damping)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=1e-9)
    assert bool((found[:, removed] == 0).all())


@pytest.mark.parametrize("unit", [1, 2, 3, 6])
def test_a_loss_is_the_error_that_is_left(
    problem: tuple[torch.Tensor, torch.Tensor, torch.Tensor], unit: int
) -> None:
    weight, inputs, moments = problem
    found = losses(weight, moments, unit, damping=1e-9)
    for place, loss in enumerate(found.tolist()):
        removed = list(range(place * unit, (place + 1) * unit))
        change = torch.from_numpy(ridge(weight, inputs, removed, 1e-9)) - weight
        error = float((inputs @ change.T).square().sum() / TOKENS)
        assert loss == pytest.approx(error, rel=1e-5)


def test_an_input_that_another_repeats_costs_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(100, 4, generator=generator, dtype=torch.float64)
    inputs[:, 3] = 2 * inputs[:, 0]
    weight = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    moments = inputs.T @ inputs / 100
    cost = losses(weight, moments, 1, damping=1e-9)
    assert float(cost[[0, 3]].max()) < 1e-6 * float(cost[[1, 2]].min())
    new = without_inputs(weight, moments, torch.tensor([3]), 1e-9)
    torch.testing.assert_close(inputs @ new.T, inputs @ weight.T, atol=1e-6, rtol=1e-6)


def test_independent_inputs_change_nothing_else() -> None:
    weight = torch.arange(6.0).reshape(2, 3)
    new = without_inputs(weight, torch.diag(torch.tensor([1.0, 2.0, 3.0])), torch.tensor([1]))
    assert torch.equal(new, weight * torch.tensor([1.0, 0.0, 1.0]))
