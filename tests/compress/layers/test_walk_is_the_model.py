"""What a walk shows a layer is what the model itself does, for architectures of every kind."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from architectures import CONFIGS, tiny
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from harness.compress.compressor import Compressed
from harness.compress.layers import enter
from harness.compress.layers.linear import all_layers, block_layers
from harness.compress.layers.walk import walk
from harness.errors import CompressionError

ODD = (
    "falcon",
    "gemma3n_text",
    "gemma4_text",
    "gpt_oss",
    "granitemoe",
    "jamba",
    "qwen3_next",
    "recurrent_gemma",
    "rwkv",
    "zamba2",
)
"""Architectures that a walk has to do something particular for."""
CASES = [(name, "dense") for name in sorted(CONFIGS)] + [(name, "true-sequential") for name in ODD]


class Products(TorchFunctionMode):
    """An oracle that knows no hooks: it keeps what every two-dimensional weight multiplies."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        layers = [layer for block in all_layers(model) for layer in block]
        self.places = {layer.address: place for place, layer in enumerate(layers)}
        self.seen: dict[int, list[Tensor]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if func in (functional.linear, torch.matmul, Tensor.matmul, Tensor.__matmul__):
            self.keep(args[1], args[0])
            if func is not functional.linear and args[1].ndim > 1:
                self.keep(args[0], args[1].transpose(-1, -2))
        if func is torch.addmm:
            self.keep(args[2], args[1])
        return func(*args, **(kwargs or {}))

    def keep(self, weight: Tensor, value: Tensor) -> None:
        place = self.places.get(weight.data_ptr())
        if place is not None and weight.ndim == 2:
            self.seen.setdefault(place, []).append(value.reshape(-1, value.shape[-1]))


def own_inputs(model: nn.Module, tokens: Tensor) -> dict[int, Tensor]:
    """Run the model, and return what each weight multiplies, (token, in), by its last place."""
    with torch.no_grad(), Products(model) as products:
        model(input_ids=tokens, use_cache=False)
    return {place: torch.cat(parts).double() for place, parts in products.seen.items()}


@pytest.mark.parametrize(("name", "order"), CASES)
def test_every_layer_is_shown_what_it_sees_in_the_model(
    name: str, order: str, random_calibration: Any
) -> None:
    model = tiny(name)
    config: Any = model.config
    config._experts_implementation = "eager"
    expected = own_inputs(copy.deepcopy(model), random_calibration.tokens)
    shown: dict[str, tuple[Tensor, int]] = {}

    def look(weights: list[Tensor], shared: Any) -> list[Compressed]:
        for layer in shared.layers:
            shown[layer.name] = shared.statistics.moments, shared.statistics.tokens
        return [Compressed(weight, 1) for weight in weights]

    again = name == "gemma3n_text" and order == "true-sequential"  # its altup calls a layer twice
    said = "calls this layer more than once" if again else "nothing was changed"
    with pytest.raises(CompressionError, match=said):
        walk(model, random_calibration, look, order=order)
    if again:
        return
    layers = [layer for block in all_layers(model) for layer in block]
    identity = {layer.name: layer.identity for layer in layers}
    places = {layer.identity: place for place, layer in enumerate(layers)}
    wanted = {layer.identity for block in block_layers(model) for layer in block}
    assert {identity[layer] for layer in shown} == wanted
    for layer, (moments, tokens) in shown.items():
        if tokens < len(moments):
            continue  # an expert that few tokens reach is filled up
        rows = expected[places[identity[layer]]][
            :tokens
        ]  # of a layer that blocks share, the first block's use
        own = rows.T @ rows / tokens
        apart = float((moments.double() - own).norm() / own.norm())
        assert apart < 2e-5, f"{layer}: {apart}"


class Forgetful(nn.Module):
    """A block that does another thing the second time it is called."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.calls = 0

    def forward(self, *arguments: Any, **keywords: Any) -> Any:
        self.calls += 1
        out = self.block(*arguments, **keywords)
        return out * (1 + 0.01 * self.calls)


def test_a_model_that_a_walk_does_not_follow_is_refused_by_name(random_calibration: Any) -> None:
    model: Any = tiny("llama")
    model.model.layers[1] = Forgetful(model.model.layers[1])
    with pytest.raises(CompressionError, match=r"llama: a walk .*layers\.2\.\S+ sees other inputs"):
        enter.enter(model, random_calibration.tokens)


def test_arguments_of_a_block_stay_with_their_batch(random_calibration: Any) -> None:
    model: Any = tiny("gemma4_text")
    seen: list[Tensor] = []
    stream = enter.enter(model, random_calibration.tokens).stream
    block = model.model.layers[0]
    handle = block.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs.get("per_layer_input", args[-1])),
        with_kwargs=True,
    )
    stream.advance(block, torch.device("cpu"))
    handle.remove()
    assert len(seen) > 1
    assert not torch.equal(seen[0][:1], seen[-1][:1])


def test_a_weight_that_is_not_a_number_is_blamed_itself(random_calibration: Any) -> None:
    model: Any = tiny("llama")
    model.model.layers[1].mlp.up_proj.weight[0, 0] = torch.nan
    with pytest.raises(CompressionError, match=r"layers\.1\.mlp\.up_proj: 1 of 2048 weights are"):
        enter.enter(model, random_calibration.tokens)
