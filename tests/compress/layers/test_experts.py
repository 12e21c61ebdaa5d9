"""Experts are measured on the tokens that are sent to them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from architectures import tiny
from torch import Tensor, nn

from harness.compress.compressor import Compressed
from harness.compress.layers.linear import block_layers
from harness.compress.layers.observe import SharedInput
from harness.compress.layers.walk import walk
from harness.compress.methods.grid import Grid
from harness.compress.methods.moments import InputStatistics
from harness.compress.methods.second_order import inverse_factor
from harness.errors import CompressionError


def routed(model: Any, tokens: Tensor, block: int) -> dict[str, Tensor]:
    """Return what each expert of a block multiplies, by a loop over experts and their tokens."""
    seen: list[tuple[Tensor, Tensor]] = []
    experts = model.model.layers[block].mlp.experts
    handle = experts.register_forward_pre_hook(
        lambda _, arguments: seen.append((arguments[0], arguments[1]))
    )
    with torch.no_grad():
        model(input_ids=tokens, use_cache=False)
    handle.remove()
    hidden = torch.cat([state for state, _ in seen])
    chosen = torch.cat([index for _, index in seen])
    found = {}
    name = f"model.layers.{block}.mlp.experts"
    for expert in range(experts.gate_up_proj.shape[0]):
        rows = hidden[(chosen == expert).any(1)]
        gate, up = (rows @ experts.gate_up_proj[expert].T).chunk(2, -1)
        found[f"{name}.gate_up_proj[{expert}]"] = rows
        found[f"{name}.down_proj[{expert}]"] = nn.functional.silu(gate) * up
    return found


@pytest.mark.parametrize("order", ["dense", "true-sequential"])
def test_second_moments_are_those_of_a_loop_over_experts(
    order: str, random_calibration: Any
) -> None:
    model = tiny("qwen3_moe")
    expected = routed(model, random_calibration.tokens, 1)
    shown: dict[str, InputStatistics] = {}

    def look(weights: list[Tensor], shared: SharedInput) -> list[Compressed]:
        shown.update({layer.name: shared.statistics for layer in shared.layers})
        return [Compressed(weight, 1) for weight in weights]

    with pytest.raises(CompressionError, match="nothing was changed"):
        walk(model, random_calibration, look, order=order)
    assert len(expected) == 8
    for name, rows in expected.items():
        assert shown[name].tokens == len(rows)
        moments = rows.double().T @ rows.double() / len(rows)
        if len(rows) >= len(moments):
            torch.testing.assert_close(shown[name].moments.double(), moments, atol=1e-5, rtol=1e-4)


def silent(model: Any, expert: int) -> None:
    """Send no token to an expert of the second block."""

    def reroute(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        state, index, weights = arguments
        return state, torch.where(index == expert, (expert + 1) % 4, index), weights

    model.model.layers[1].mlp.experts.register_forward_pre_hook(reroute)


def test_an_expert_that_no_token_reaches_is_rounded_to_nearest(random_calibration: Any) -> None:
    from brainpress_plugins.compressors.gptq import GPTQ

    from harness.compress.methods.grid import round_to_grid

    model: Any = tiny("qwen3_moe")
    silent(model, 2)
    layers = {layer.name: layer for layer in block_layers(model)[1]}
    name = "model.layers.1.mlp.experts.down_proj[2]"
    before = layers[name].weight()
    GPTQ(4).compress(model, random_calibration)
    torch.testing.assert_close(layers[name].weight(), round_to_grid(before, Grid(4)))


def test_below_the_floor_moments_go_over_into_white_ones() -> None:
    rows = torch.randn(6, 24, generator=torch.Generator().manual_seed(0))
    own = InputStatistics(rows.T @ rows / 6, rows.abs().amax(0), rows.abs().mean(0), tokens=6)
    assert own.mixed_with_white(6, 2.0) is own
    mixed = own.mixed_with_white(24, 2.0)
    expected = (6 * own.moments + 18 * 2.0 * torch.eye(24)) / 24
    torch.testing.assert_close(mixed.moments, expected)
    assert inverse_factor(mixed.moments)[1] == 0.01
    assert torch.equal(InputStatistics.white(3, 0.0, torch.device("cpu")).moments, torch.eye(3))
