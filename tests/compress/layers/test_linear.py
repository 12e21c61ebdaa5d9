"""One view of a linear layer, whatever the architecture."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from harness.compress.layers.linear import Layer, block_layers, left_alone
from harness.errors import CompressionError, ModelError

TinyModel = Callable[..., nn.Module]


def test_every_weight_is_taken_or_named(architecture: str, tiny_model: TinyModel) -> None:
    model = tiny_model(architecture)
    layers = [layer for block in block_layers(model) for layer in block]
    skipped = left_alone(model, layers)
    holders = {
        name for name, module in model.named_modules() if list(module.parameters(recurse=False))
    }
    assert {layer.name for layer in layers} | set(skipped) == holders
    assert not {layer.name for layer in layers} & set(skipped)
    assert any(reason.startswith("input embedding") for reason in skipped.values())
    assert any(reason.startswith("output head") for reason in skipped.values())
    assert any(reason.startswith("norm") for reason in skipped.values())


def test_a_layer_computes_what_its_module_does(architecture: str, tiny_model: TinyModel) -> None:
    for layer in block_layers(tiny_model(architecture))[0]:
        x = torch.randn(5, layer.shape[1], generator=torch.Generator().manual_seed(0))
        bias = layer.module.bias
        expected = x @ layer.weight().T + (0 if bias is None else bias)
        torch.testing.assert_close(layer.module(x), expected)


def test_assigning_in_another_dtype_keeps_the_model_s(tiny_model: TinyModel) -> None:
    model = tiny_model("gpt2").to(torch.bfloat16)
    layer = block_layers(model)[0][0]
    weight = torch.randn(layer.shape, generator=torch.Generator().manual_seed(0))
    layer.assign(weight)
    assert layer.module.weight.dtype == torch.bfloat16
    assert torch.equal(layer.weight(), weight.bfloat16().float())


def test_the_weight_is_a_copy(tiny_model: TinyModel) -> None:
    layer = block_layers(tiny_model("llama"))[0][0]
    layer.weight().zero_()
    assert bool(layer.weight().any())


def test_a_model_without_linear_layers_is_refused(tiny_model: TinyModel) -> None:
    model = tiny_model("llama")
    for block in model.model.layers:  # type: ignore[union-attr]
        for name, module in list(block.named_modules()):
            if isinstance(module, nn.Linear):
                block.set_submodule(name, nn.Identity())
    with pytest.raises(CompressionError, match=r"no linear layer in its 3 blocks: .*Conv1D"):
        block_layers(model)


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(ModelError, match="blocks"):
        block_layers(nn.Sequential(nn.Linear(2, 2)))


def test_a_layer_shows_the_transpose_of_conv1d(tiny_model: TinyModel) -> None:
    block = block_layers(tiny_model("gpt2"))[0]
    assert {layer.name.rpartition(".")[2]: layer.shape for layer in block[::2]} == {
        "c_attn": (96, 32),
        "c_fc": (128, 32),
    }
    assert all(isinstance(layer, Layer) and layer.transposed for layer in block)
