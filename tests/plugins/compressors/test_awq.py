"""AWQ, against its definition with the inputs themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from brainpress_plugins.compressors.awq import AWQ, round_clipped, round_scaled, search_scale
from brainpress_plugins.compressors.rtn import RoundToNearest
from torch import Tensor, nn

from harness.compress.layers.observe import SharedInput
from harness.compress.methods.grid import Grid, round_to_grid
from harness.compress.methods.moments import InputStatistics, output_error

TinyModel = Callable[..., nn.Module]


def problem(rows: int = 48, width: int = 64) -> tuple[Tensor, Tensor, SharedInput]:
    """A weight, inputs of which a few are large, and their statistics."""
    rng = np.random.default_rng(3)
    inputs = rng.standard_normal((500, width))
    inputs[:, :4] *= 30
    inputs = torch.from_numpy(inputs @ (np.eye(width) + 0.2 * rng.random((width, width)))).float()
    weight = torch.from_numpy(rng.standard_normal((rows, width)) * 0.05).float()
    statistics = InputStatistics(
        inputs.T @ inputs / 500, inputs.abs().amax(0), inputs.abs().mean(0), 500
    )
    return weight, inputs, SharedInput((), statistics, after_norm=True)


def by_definition(weight: Tensor, inputs: Tensor, grid: Grid) -> tuple[int, Tensor]:
    """Search the power by running the inputs (Lin et al., eq. 4 and 5)."""
    exact = inputs @ weight.T
    losses, scales = [], []
    for step in range(20):
        scale = inputs.abs().mean(0).pow(step / 20).clamp(min=1e-4)
        scale = scale / (scale.max() * scale.min()).sqrt()
        rounded = round_to_grid(weight * scale, grid)
        losses.append(float((((inputs / scale) @ rounded.T - exact) ** 2).mean()))
        scales.append(scale)
    return int(np.argmin(losses)), scales[int(np.argmin(losses))]


@pytest.mark.parametrize("grid", [Grid(4, 32), Grid(3, 64), Grid(4, 32, symmetric=True)], ids=str)
def test_the_scale_is_that_of_the_definition(grid: Grid) -> None:
    weight, inputs, shared = problem()
    scale, power = search_scale(weight, shared, grid)
    step, expected = by_definition(weight, inputs, grid)
    assert power == step / 20
    assert step > 0
    torch.testing.assert_close(scale, expected)


@pytest.mark.parametrize("grid", [Grid(4, 32), Grid(3, 64)], ids=str)
def test_clipping_is_that_of_the_definition(grid: Grid) -> None:
    weight, inputs, shared = problem(rows=6)
    found = round_clipped(weight, shared.statistics.moments, grid)
    assert isinstance(grid.group, int)
    size = grid.group
    chosen = set()
    for row in range(6):
        for start in range(0, 64, size):
            part = slice(start, start + size)
            group, x = weight[row, part], inputs[:, part]
            bounds = [float(group.abs().max()) * (1 - step / 20) for step in range(10)]
            tries = [round_to_grid(group.clamp(-b, b)[None], grid)[0] for b in bounds]
            losses = [float(((x @ (t - group)) ** 2).double().sum()) for t in tries]
            chosen.add(int(np.argmin(losses)))
            torch.testing.assert_close(found[row, part], tries[int(np.argmin(losses))])
    assert len(chosen) > 2


def test_better_than_rounding_when_inputs_are_uneven() -> None:
    weight, _, shared = problem()
    grid = Grid(4, 32)
    found = round_scaled([weight], shared, grid)[0].weight
    moments = shared.statistics.moments
    plain = output_error(weight, round_to_grid(weight, grid), moments)
    assert output_error(weight, found, moments) < 0.7 * plain


def test_even_inputs_need_no_scale() -> None:
    weight = problem()[0]
    statistics = InputStatistics(torch.eye(64), torch.ones(64), torch.ones(64), 10)
    scale, power = search_scale(weight, SharedInput((), statistics), Grid(4, 32))
    assert power == 0
    assert torch.equal(scale, torch.ones(64))


def test_layers_share_one_scale_and_store_it_once() -> None:
    weight, _, shared = problem()
    grid = Grid(4, 32)
    codes = 24 * 64 * 4 + 24 * 2 * 32
    first, second = round_scaled([weight[:24], weight[24:]], shared, grid)
    assert (first.packed_bits, second.packed_bits) == (codes, codes)
    alone = SharedInput((), shared.statistics, after_norm=False)
    first, second = round_scaled([weight[:24], weight[24:]], alone, grid)
    assert (first.packed_bits, second.packed_bits) == (codes + 64 * 16, codes)
    assert first.detail["power"] == second.detail["power"]


def test_on_every_architecture(
    architecture: str, tiny_model: TinyModel, random_calibration: Any
) -> None:
    tokens = torch.randint(3, 96, (8, 40), generator=torch.Generator().manual_seed(1))
    exact = tiny_model(architecture)(input_ids=tokens).logits

    def error(model: nn.Module) -> float:
        return float((model(input_ids=tokens).logits - exact).norm())

    ours, plain = tiny_model(architecture), tiny_model(architecture)
    AWQ(3).compress(ours, random_calibration)
    RoundToNearest(3).compress(plain)
    assert error(ours) < error(plain)


def test_a_norm_without_a_weight_takes_no_scales_in(random_calibration: Any) -> None:
    from architectures import tiny

    report = AWQ(4).compress(tiny("olmo"), random_calibration)
    layers = {row.name: row for row in report.layers}
    query = layers["model.layers.0.self_attn.q_proj"]
    plain = Grid(4).packed_bits(query.shape)
    assert query.packed_bits == plain + 16 * query.shape[1]
    weighted = AWQ(4).compress(tiny("llama"), random_calibration)
    assert weighted.layers[0].packed_bits == plain
