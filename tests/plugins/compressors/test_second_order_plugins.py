"""GPTQ and SparseGPT as plugins: on whole models."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from brainpress_plugins.compressors.gptq import GPTQ
from brainpress_plugins.compressors.rtn import RoundToNearest
from brainpress_plugins.compressors.sparsegpt import SparseGPT
from torch import nn

from harness.compress.layers.linear import block_layers
from harness.compress.layers.observe import SharedInput
from harness.compress.methods.grid import Grid, fit_scales, round_to_grid
from harness.compress.methods.moments import InputStatistics
from harness.compress.methods.second_order import Rounding, inverse_factor, sweep
from harness.compress.report.summary import CompressionReport
from harness.errors import CompressionError

TinyModel = Callable[..., nn.Module]


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {layer.name: layer.weight() for block in block_layers(model) for layer in block}


def shared_input(width: int, seed: int = 0) -> SharedInput:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((4 * width, width)) * np.logspace(-1, 1, width)
    rows = torch.from_numpy(rows @ rng.standard_normal((width, width))).float()
    moments = rows.T @ rows / len(rows)
    statistics = InputStatistics(moments, rows.abs().amax(0), rows.abs().mean(0), len(rows))
    return SharedInput((), statistics)


def errors(report: CompressionReport) -> list[float]:
    return [row.output_error for row in report.layers if row.output_error is not None]


@pytest.mark.parametrize("bits", [3, 4])
def test_gptq_beats_rounding_in_nearly_every_layer(
    architecture: str, tiny_model: TinyModel, random_calibration: Any, bits: int
) -> None:
    from brainpress_plugins.compressors.rtn import _round

    from harness.compress.layers.walk import walk

    grid = Grid(bits)
    plain = walk(
        tiny_model(architecture),
        random_calibration,
        lambda weights, shared: [_round(weight, grid) for weight in weights],
        order="dense",
    )
    report = GPTQ(bits, order="dense").compress(tiny_model(architecture), random_calibration)
    better = [a < b for a, b in zip(errors(report), errors(plain), strict=True)]
    assert sum(better) >= 0.9 * len(better)
    assert [row.packed_bits for row in report.layers] == [row.packed_bits for row in plain.layers]


@pytest.mark.parametrize("activation_order", [False, True])
def test_at_8_bits_without_groups_gptq_stays_on_the_grid_of_rounding(
    tiny_model: TinyModel, random_calibration: Any, activation_order: bool
) -> None:
    model = tiny_model("llama")
    before = weights(model)
    GPTQ(8, "channel", activation_order=activation_order).compress(model, random_calibration)
    for name, weight in weights(model).items():
        scales = fit_scales(before[name], Grid(8, "channel"))
        torch.testing.assert_close(scales.round(weight), weight, atol=1e-7, rtol=0)
        steps = (weight - round_to_grid(before[name], Grid(8, "channel"))) / scales.scale
        assert float(steps.abs().max()) < 12


def test_layers_swept_together_are_as_swept_alone() -> None:
    shared = shared_input(64)
    parts = list(torch.randn(3, 20, 64, generator=torch.Generator().manual_seed(0)).unbind())
    for method in (
        GPTQ(4, 32, activation_order=False),
        GPTQ(3, 32),
        SparseGPT(0.5),
        SparseGPT("2:4", bits=4),
    ):
        grid = Grid(4, 32) if not isinstance(method, GPTQ) else Grid(method.bits, method.group)
        if isinstance(method, GPTQ):
            together = method._round(parts, shared, grid)
            alone = [method._round([part], shared, grid)[0] for part in parts]
        else:
            from harness.compress.methods.sparsity import parse_pattern

            pattern = parse_pattern(method.sparsity)
            given = grid if method.bits else None
            together = method._prune(parts, shared, pattern, given)
            alone = [method._prune([part], shared, pattern, given)[0] for part in parts]
        for a, b in zip(together, alone, strict=True):
            torch.testing.assert_close(a.weight, b.weight, atol=2e-5, rtol=1e-4)
            assert a.packed_bits == b.packed_bits


def test_activation_order_decides_the_largest_inputs_first() -> None:
    shared = shared_input(64)
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
    grid = Grid(4, "channel")
    found = GPTQ(4, "channel")._round([weight], shared, grid)[0].weight
    order = torch.argsort(shared.statistics.moments.diagonal(), descending=True)
    moments = shared.statistics.moments[order][:, order]
    expected = sweep(weight[:, order], inverse_factor(moments)[0], [Rounding(grid, 64)])
    torch.testing.assert_close(found[:, order], expected)


def test_sequential_and_dense_differ_behind_the_first_block(
    tiny_model: TinyModel, random_calibration: Any
) -> None:
    first, second = tiny_model("llama"), tiny_model("llama")
    GPTQ(3, order="sequential").compress(first, random_calibration)
    GPTQ(3, order="dense").compress(second, random_calibration)
    same = {name: torch.equal(a, weights(second)[name]) for name, a in weights(first).items()}
    assert all(equal == (".layers.0." in name) for name, equal in same.items())


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_sparsegpt_prunes_its_share_of_every_layer(
    architecture: str, tiny_model: TinyModel, random_calibration: Any, share: float
) -> None:
    report = SparseGPT(share).compress(tiny_model(architecture), random_calibration)
    for row in report.layers:
        assert row.sparsity == pytest.approx(share, abs=1e-3)
        assert row.packed_bits == row.weights + (row.weights - row.zeros) * 16


def test_sparsegpt_two_of_four(
    architecture: str, tiny_model: TinyModel, random_calibration: Any
) -> None:
    model = tiny_model(architecture)
    report = SparseGPT("2:4").compress(model, random_calibration)
    for name, weight in weights(model).items():
        assert bool(((weight.reshape(len(weight), -1, 4) != 0).sum(-1) == 2).all()), name
    assert report.bits_per_weight == (3 + 2 * 16) / 4


def test_both_at_once_by_hand(tiny_model: TinyModel, random_calibration: Any) -> None:
    model = tiny_model("llama")
    before = copy.deepcopy(model)
    report = SparseGPT("2:4", bits=4, group=32).compress(model, random_calibration)
    # Three bits of pattern and two codes of four bits for four weights; 32 bits for each 32.
    assert report.bits_per_weight == (3 + 8) / 4 + 1
    for name, weight in weights(model).items():
        assert float((weight == 0).float().mean()) >= 0.5
        levels = [len(torch.unique(group)) for group in weight.reshape(-1, 32)]
        assert max(levels) <= 16
        assert not torch.equal(weight, weights(before)[name])


def test_same_seed_same_weights(tiny_model: TinyModel, random_calibration: Any) -> None:
    first, second = tiny_model("gpt2"), tiny_model("gpt2")
    GPTQ(3).compress(first, random_calibration)
    GPTQ(3).compress(second, random_calibration)
    assert all(torch.equal(a, weights(second)[name]) for name, a in weights(first).items())


def test_a_model_in_bfloat16(tiny_model: TinyModel, random_calibration: Any) -> None:
    model = tiny_model("llama").to(torch.bfloat16)
    report = GPTQ(4).compress(model, random_calibration)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert max(errors(report)) < 0.2


def test_damping_that_had_to_be_raised_is_reported(
    tiny_model: TinyModel, random_calibration: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.compress.methods import second_order

    real = second_order.inverse_cholesky
    calls = iter(range(10_000))

    def stubborn(matrix: torch.Tensor) -> torch.Tensor | None:
        return None if next(calls) == 0 else real(matrix)

    monkeypatch.setattr(second_order, "inverse_cholesky", stubborn)
    report = GPTQ(4).compress(tiny_model("llama"), random_calibration)
    assert [row.detail["damping"] for row in report.layers[:4]] == [0.1, 0.1, 0.1, 0.01]


@pytest.mark.parametrize(
    ("compressor", "message"),
    [
        (GPTQ(4, 24), "groups of 24 do not divide"),
        (GPTQ(5), "5 bits do not pack"),
        (GPTQ(4, damping=0), "damping of 0"),
        (SparseGPT(1.0), "sparsity of 1.0"),
        (SparseGPT("3:7"), "3:7 does not fit rows of 32"),
        (SparseGPT(0.5, bits=6), "6 bits do not pack"),
    ],
)
def test_refusals(
    tiny_model: TinyModel,
    random_calibration: Any,
    compressor: GPTQ | SparseGPT,
    message: str,
) -> None:
    with pytest.raises(CompressionError, match=message):
        compressor.compress(tiny_model("llama"), random_calibration)


def test_calibration_text_is_wanted(tiny_model: TinyModel) -> None:
    with pytest.raises(CompressionError, match="needs calibration text"):
        GPTQ().compress(tiny_model("llama"))


def test_rounding_without_calibration_is_not_gptq(
    tiny_model: TinyModel, random_calibration: Any
) -> None:
    first, second = tiny_model("llama"), tiny_model("llama")
    GPTQ(4).compress(first, random_calibration)
    RoundToNearest(4).compress(second)
    assert all(not torch.equal(a, weights(second)[name]) for name, a in weights(first).items())
