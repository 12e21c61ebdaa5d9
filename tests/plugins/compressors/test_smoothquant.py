"""SmoothQuant, against products of integers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from brainpress_plugins.compressors.smoothquant import SmoothQuant, smoothing
from torch import nn

from harness.compress.layers.linear import block_layers
from harness.compress.layers.observe import SharedInput
from harness.compress.methods.grid import Grid, fit_scales
from harness.compress.methods.moments import InputStatistics
from harness.errors import CompressionError

TinyModel = Callable[..., nn.Module]


def test_a_layer_computes_the_product_of_integers(
    architecture: str, tiny_model: TinyModel, random_calibration: Any
) -> None:
    model = tiny_model(architecture)
    before = copy.deepcopy(model)
    SmoothQuant(8).compress(model, random_calibration)
    for old, new in zip(block_layers(before)[1], block_layers(model)[1], strict=True):
        scale = new.module.get_buffer("input_scale")
        x = torch.randn(7, old.shape[1], generator=torch.Generator().manual_seed(0)) * 3
        scales = fit_scales(old.weight() * scale, Grid(8, "channel", symmetric=True))
        codes = scales.codes(old.weight() * scale).double().numpy()
        smooth = (x / scale).double().numpy()
        step = np.abs(smooth).max(1, keepdims=True) / 127
        integers = np.round(smooth / step)
        assert np.abs(integers).max() == 127
        expected = (integers @ codes.T) * step * scales.scale.double().numpy().T
        bias = old.module.bias
        expected = expected + (0 if bias is None else bias.double().numpy())
        found = new.module(x).double().numpy()
        np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())


def test_the_scale_is_that_of_the_paper() -> None:
    maxima = torch.tensor([100.0, 4.0, 1.0, 0.0])
    statistics = InputStatistics(torch.eye(4), maxima, maxima, 1)
    weights = [torch.tensor([[1.0, 0.25, 0.5, 2.0]]), torch.tensor([[-0.25, 0.125, -4.0, 1.0]])]
    after = SharedInput((), statistics, after_norm=True)
    found = smoothing(weights, after, 0.5)
    torch.testing.assert_close(found, torch.tensor([10.0, 4.0, 0.5, 1e-5]))
    assert torch.equal(smoothing(weights, SharedInput((), statistics), 0.5), torch.ones(4))


def test_moving_outliers_helps(tiny_model: TinyModel, random_calibration: Any) -> None:
    def outlying() -> nn.Module:
        model = tiny_model("llama")
        for block in model.model.layers:  # type: ignore[union-attr]
            block.input_layernorm.weight[:2] *= 60
            block.post_attention_layernorm.weight[:2] *= 60
        return model

    tokens = random_calibration.tokens[:4]
    exact = outlying()(input_ids=tokens).logits

    def error(strength: float) -> float:
        model = outlying()
        SmoothQuant(8, strength).compress(model, random_calibration)
        return float((model(input_ids=tokens).logits - exact).norm() / exact.norm())

    assert error(0.5) < 0.7 * error(0.0)


def test_8_bits_are_close_and_4_bits_are_not(
    architecture: str, tiny_model: TinyModel, random_calibration: Any
) -> None:
    tokens = random_calibration.tokens[:4]
    exact = tiny_model(architecture)(input_ids=tokens).logits

    def error(bits: int) -> float:
        model = tiny_model(architecture)
        SmoothQuant(bits).compress(model, random_calibration)
        return float((model(input_ids=tokens).logits - exact).norm() / exact.norm())

    assert error(8) < 0.06
    assert error(4) > 5 * error(8)


def test_bits_are_counted_per_channel(tiny_model: TinyModel, random_calibration: Any) -> None:
    report = SmoothQuant(8).compress(tiny_model("llama"), random_calibration)
    row = report.layers[0]
    assert row.packed_bits == row.weights * 8 + row.shape[0] * 16
    assert all(row.detail["input_bits"] == 8 for row in report.layers)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strengths_that_cannot_be(
    tiny_model: TinyModel, random_calibration: Any, strength: float
) -> None:
    with pytest.raises(CompressionError, match="migration strength"):
        SmoothQuant(8, strength).compress(tiny_model("llama"), random_calibration)
