"""Inputs of layers rounded token by token, weights as they were."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brainpress_plugins.compressors.activations import RoundActivations
from torch import nn

from harness.compress.layers.linear import block_layers
from harness.compress.report.saved import load_compressed, save_compressed
from harness.errors import CompressionError

TinyModel = Callable[..., nn.Module]
TOKENS = torch.arange(24).reshape(2, 12)


def rounded(inputs: np.ndarray, bits: int) -> np.ndarray:
    """Round each vector on a symmetric grid over its own range, one number after the other."""
    out = np.zeros_like(inputs)
    for place in np.ndindex(inputs.shape[:-1]):
        step = np.abs(inputs[place]).max() / (2 ** (bits - 1) - 1)
        for i, value in enumerate(inputs[place]):
            out[(*place, i)] = np.rint(value / step) * step
    return out


@pytest.mark.parametrize("bits", [4, 8])
def test_a_layer_sees_rounded_inputs(bits: Any, tiny_model: TinyModel) -> None:
    model = tiny_model("llama")
    RoundActivations(bits).compress(model)
    layer: Any = model.get_submodule("model.layers.0.self_attn.q_proj")
    inputs = torch.randn(2, 3, 32, generator=torch.Generator().manual_seed(0))
    expected = rounded(inputs.double().numpy(), bits) @ layer.weight.double().numpy().T
    np.testing.assert_allclose(layer(inputs).double().numpy(), expected, rtol=1e-4, atol=1e-4)


def test_no_weight_is_changed_and_all_layers_round(
    architecture: str, tiny_model: TinyModel
) -> None:
    model, exact = tiny_model(architecture), tiny_model(architecture)
    report = RoundActivations(4).compress(model)
    pairs = zip(block_layers(model), block_layers(exact), strict=True)
    for first, second in ((a, b) for blocks in pairs for a, b in zip(*blocks, strict=True)):
        assert torch.equal(first.weight(), second.weight())
    assert {row.detail["input_bits"] for row in report.layers} == {4}
    assert report.bytes_packed == report.bytes_base
    assert report.bits_per_weight == 16
    assert report.coverage == 1
    logits = exact(input_ids=TOKENS).logits
    assert not torch.allclose(model(input_ids=TOKENS).logits, logits, atol=1e-3)


def test_fewer_bits_cost_more(tiny_model: TinyModel) -> None:
    exact = tiny_model("llama")
    logits = exact(input_ids=TOKENS).logits
    errors = []
    for bits in (8, "fp8", 4):
        model = copy.deepcopy(exact)
        RoundActivations(bits).compress(model)  # type: ignore[arg-type]
        errors.append(float((model(input_ids=TOKENS).logits - logits).norm()))
    assert 0 < errors[0] < errors[1] < errors[2]


def test_it_is_saved_and_read_back(tiny_model: TinyModel, tmp_path: Path) -> None:
    model, fresh = tiny_model("llama"), tiny_model("llama")
    report = RoundActivations("fp8").compress(model)
    save_compressed(model, report, tmp_path / "it.safetensors")
    load_compressed(fresh, tmp_path / "it.safetensors")
    assert torch.equal(fresh(input_ids=TOKENS).logits, model(input_ids=TOKENS).logits)


def test_bits_that_cannot_be(tiny_model: TinyModel) -> None:
    with pytest.raises(CompressionError, match="inputs of 5 bits cannot be"):
        RoundActivations(5).compress(tiny_model("llama"))  # type: ignore[arg-type]
