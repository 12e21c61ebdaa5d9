"""NF4, against the quantiles of the normal distribution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from brainpress_plugins.compressors.nf4 import CODES, NormalFloat, round_to_normal_float
from scipy.stats import norm
from torch import nn

from harness.compress.layers.linear import block_layers
from harness.errors import CompressionError

TinyModel = Callable[..., nn.Module]


def test_the_codes_are_normal_quantiles() -> None:
    # Dettmers et al. 2023: evenly spaced probabilities, eight above zero and seven below.
    offset = 0.9677083
    above = norm.ppf(np.linspace(offset, 0.5, 9)[:-1])
    below = -norm.ppf(np.linspace(offset, 0.5, 8)[:-1])
    codes = np.sort(np.concatenate([above, [0], below]))
    np.testing.assert_allclose(CODES, codes / np.abs(codes).max(), atol=1e-6)


@pytest.mark.parametrize("block", [64, 7])
def test_each_weight_goes_to_the_nearest_code(block: int) -> None:
    weight = torch.randn(5, 30, generator=torch.Generator().manual_seed(0))
    found = round_to_normal_float(weight, block).flatten().double().numpy()
    flat = weight.flatten().double().numpy()
    for start in range(0, 150, block):
        part = flat[start : start + block]
        points = np.array(CODES) * np.abs(part).max()
        nearest = points[np.abs(part[:, None] - points).argmin(1)]
        np.testing.assert_allclose(found[start : start + block], nearest, atol=1e-6)


def test_zeros_and_extremes_are_exact() -> None:
    weight = torch.zeros(2, 64)
    assert torch.equal(round_to_normal_float(weight, 64), weight)
    weight[0, 3], weight[1, 9] = -2.5, 7.25
    assert torch.equal(round_to_normal_float(weight, 64), weight)


def test_twice_is_once() -> None:
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
    once = round_to_normal_float(weight, 64)
    assert torch.equal(round_to_normal_float(once, 64), once)


def test_bits_by_hand(architecture: str, tiny_model: TinyModel) -> None:
    model = tiny_model(architecture)
    report = NormalFloat().compress(model)
    assert report.bits_per_weight == 4 + 32 / 64
    for block in block_layers(model):
        for layer in block:
            groups = layer.weight().reshape(-1, 64)
            assert max(len(torch.unique(group)) for group in groups) <= 16


def test_a_block_that_cannot_be(tiny_model: TinyModel) -> None:
    with pytest.raises(CompressionError, match="block of 0"):
        NormalFloat(0).compress(tiny_model("llama"))
