"""Rounding of inputs, token by token."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from harness.compress.methods.activations import round_inputs, round_tokens


@pytest.mark.parametrize("bits", [8, 4])
def test_each_token_has_its_own_grid(bits: int) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(2, 5, 16, generator=generator) * torch.logspace(-3, 3, 5)[:, None]
    scale = torch.rand(16, generator=generator) + 0.5
    found = round_tokens(inputs, scale, bits).double().numpy().reshape(-1, 16)
    highest = 2 ** (bits - 1) - 1
    for row, x in zip(found, inputs.double().numpy().reshape(-1, 16), strict=True):
        smooth = x / scale.double().numpy()
        step = np.abs(smooth).max() / highest
        np.testing.assert_allclose(
            row, np.round(smooth / step) * step * scale.double().numpy(), rtol=1e-5
        )


def test_tokens_of_zeros_stay() -> None:
    assert torch.equal(round_tokens(torch.zeros(3, 4), torch.ones(4), 8), torch.zeros(3, 4))


def test_the_dtype_stays() -> None:
    assert round_tokens(torch.ones(3, 4).bfloat16(), torch.ones(4), 8).dtype == torch.bfloat16


def test_a_layer_keeps_its_scale_among_its_weights() -> None:
    layer = nn.Linear(4, 2)
    round_inputs(layer, torch.tensor([1.0, 2.0, 3.0, 4.0]), 4)
    assert set(layer.state_dict()) == {"weight", "bias", "input_scale"}
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    expected = nn.functional.linear(
        round_tokens(x, torch.tensor([1.0, 2.0, 3.0, 4.0]), 4), layer.weight, layer.bias
    )
    assert torch.equal(layer(x), expected)
