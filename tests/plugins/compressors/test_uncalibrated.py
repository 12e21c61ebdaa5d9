"""none, rtn and magnitude on tiny models of every architecture."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from brainpress_plugins.compressors import magnitude, none, rtn
from brainpress_plugins.compressors.magnitude import MagnitudePruning
from brainpress_plugins.compressors.none import Identity
from brainpress_plugins.compressors.rtn import RoundToNearest
from torch import nn

from harness.compress.layers.linear import block_layers
from harness.compress.methods.grid import Grid, round_to_grid
from harness.errors import CompressionError
from harness.spec.specs import load_target

TinyModel = Callable[..., nn.Module]


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {layer.name: layer.weight() for block in block_layers(model) for layer in block}


def others(model: nn.Module, names: set[str]) -> dict[str, torch.Tensor]:
    return {
        name: parameter.clone()
        for name, parameter in model.named_parameters()
        if name.removesuffix(".weight") not in names
    }


@pytest.mark.parametrize("bits", [8, 4, 3, 2])
def test_rtn_rounds_each_layer_and_nothing_else(
    architecture: str, tiny_model: TinyModel, bits: int
) -> None:
    model = tiny_model(architecture)
    before = weights(model)
    rest = others(model, set(before))
    report = RoundToNearest(bits).compress(model)
    after = weights(model)
    assert [row.name for row in report.layers] == list(before)
    for row in report.layers:
        expected = round_to_grid(before[row.name], Grid(bits))
        assert torch.equal(after[row.name], expected)
        change = np.linalg.norm((after[row.name] - before[row.name]).double().numpy())
        assert row.weight_change == pytest.approx(change, rel=1e-6)
        assert row.zeros == int((expected == 0).sum())
    for name, value in others(model, set(before)).items():
        assert torch.equal(value, rest[name])


def test_rtn_bytes_by_hand(tiny_model: TinyModel) -> None:
    report = RoundToNearest(4, 32).compress(tiny_model("llama"))
    weights_ = 3 * (32 * 32 * 2 + 16 * 32 * 2 + 3 * 32 * 64)
    assert report.weights == weights_
    assert report.bits_per_weight == 4 + 32 / 32
    total = 2 * 96 * 32 + 7 * 32 + weights_  # embedding, head, norms
    assert report.parameters == total
    assert report.bytes_packed == weights_ * 5 // 8 + 2 * (total - weights_)
    assert report.bytes_base == 2 * total


def test_tied_weights_count_once(tiny_model: TinyModel) -> None:
    report = RoundToNearest(4).compress(tiny_model("llama", tie_word_embeddings=True))
    assert report.parameters == 96 * 32 + 7 * 32 + report.weights


def test_rtn_keeps_the_dtype(tiny_model: TinyModel) -> None:
    model = tiny_model("llama").to(torch.bfloat16)
    before = weights(model)
    RoundToNearest(4).compress(model)
    for name, weight in weights(model).items():
        assert torch.equal(weight, round_to_grid(before[name], Grid(4)).bfloat16().float())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def test_rtn_is_the_same_twice(tiny_model: TinyModel) -> None:
    first, second = tiny_model("gpt2"), tiny_model("gpt2")
    RoundToNearest(3).compress(first)
    RoundToNearest(3).compress(second)
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


def test_rtn_names_the_layer_a_group_does_not_fit(tiny_model: TinyModel) -> None:
    with pytest.raises(CompressionError, match=r"layers\.0\.self_attn\.q_proj: groups of 24"):
        RoundToNearest(4, 24).compress(tiny_model("llama"))


@pytest.mark.parametrize("share", [0.10, 0.25, 0.50])
def test_magnitude_prunes_the_smallest_of_each_layer(
    architecture: str, tiny_model: TinyModel, share: float
) -> None:
    model = tiny_model(architecture)
    before = weights(model)
    report = MagnitudePruning(share).compress(model)
    after = weights(model)
    for row in report.layers:
        old, new = before[row.name].abs(), after[row.name]
        count = round(share * row.weights)
        assert row.zeros == count
        assert old[new == 0].max() <= old[new != 0].min()
        assert torch.equal(new[new != 0], before[row.name][new != 0])
        assert row.packed_bits == row.weights + (row.weights - count) * 16
    assert report.sparsity == pytest.approx(share, abs=1e-3)


def test_magnitude_over_the_model(tiny_model: TinyModel) -> None:
    model = tiny_model("llama")
    layer = block_layers(model)[1][0]
    layer.assign(layer.weight() * 100)
    before = weights(model)
    report = MagnitudePruning(0.5, "model").compress(model)
    flat = np.sort(np.concatenate([weight.abs().numpy().ravel() for weight in before.values()]))
    threshold = flat[len(flat) // 2 - 1]
    for name, weight in weights(model).items():
        np.testing.assert_array_equal(weight == 0, before[name].abs() <= threshold)
    assert sum(row.zeros for row in report.layers) == len(flat) // 2
    assert next(row for row in report.layers if row.name == layer.name).sparsity < 0.05


@pytest.mark.parametrize(("pattern", "n", "m"), [("2:4", 2, 4), ("4:8", 4, 8), ("1:4", 1, 4)])
def test_magnitude_n_of_m_runs_along_the_inputs(
    architecture: str, tiny_model: TinyModel, pattern: str, n: int, m: int
) -> None:
    model = tiny_model(architecture)
    report = MagnitudePruning(pattern).compress(model)
    for name, weight in weights(model).items():
        kept = (weight.reshape(weight.shape[0], -1, m) != 0).sum(-1)
        assert bool((kept == n).all()), name
    index = math.ceil(math.log2(math.comb(m, n)))
    assert report.bits_per_weight == pytest.approx((index + n * 16) / m)


@pytest.mark.parametrize(
    ("compressor", "message"),
    [
        (MagnitudePruning(1.0), "sparsity of 1.0"),
        (MagnitudePruning(-0.5), "sparsity of -0.5"),
        (MagnitudePruning("3:7"), "3:7 does not fit rows of 32"),
        (MagnitudePruning("2:4", "model"), "cannot be spread over the model"),
        (MagnitudePruning(0.0), "nothing was changed"),
        (RoundToNearest(5), "5 bits do not pack"),
    ],
)
def test_refusals(
    tiny_model: TinyModel, compressor: MagnitudePruning | RoundToNearest, message: str
) -> None:
    with pytest.raises(CompressionError, match=message):
        compressor.compress(tiny_model("llama"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("compressor", [RoundToNearest(4), MagnitudePruning(0.5)])
def test_weights_that_are_not_finite(
    tiny_model: TinyModel, compressor: MagnitudePruning | RoundToNearest, value: float
) -> None:
    model = tiny_model("gpt2")
    model.transformer.h[1].mlp.c_fc.weight[3, 4] = value  # type: ignore[union-attr, index, operator]
    with pytest.raises(CompressionError, match=r"h\.1\.mlp\.c_fc: 1 of 4096 weights are NaN"):
        compressor.compress(model)


def test_compressing_again_is_an_error(tiny_model: TinyModel) -> None:
    model = tiny_model("llama")
    MagnitudePruning(0.5).compress(model)
    with pytest.raises(CompressionError, match="nothing was changed: 21 linear layers"):
        MagnitudePruning(0.5).compress(model)


def test_none_changes_nothing_and_says_so(architecture: str, tiny_model: TinyModel) -> None:
    model = tiny_model(architecture)
    before = copy.deepcopy(model.state_dict())
    report = Identity().compress(model)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert report.bytes_packed == report.bytes_base == 2 * report.parameters
    assert report.bits_per_weight == report.bits_per_weight_model == 16
    assert set(report.skipped.values()) == {"nothing is compressed"}


@pytest.mark.parametrize("plugin", [none, rtn, magnitude])
def test_specs_build_what_they_say(plugin: object) -> None:
    for spec in plugin.brainpress_compressors():  # type: ignore[attr-defined]
        compressor = load_target(spec)
        assert compressor.calibration is None
        assert not spec.calibrated
        assert spec.name.startswith(spec.method)
        assert spec.tags
        assert spec.citation or spec.name == "none"


def test_the_realised_bits_are_near_the_nominal_ones(tiny_model: TinyModel) -> None:
    for spec in [*rtn.brainpress_compressors(), *magnitude.brainpress_compressors()]:
        model = tiny_model("llama", hidden_size=128, head_dim=32, intermediate_size=256)
        report = load_target(spec).compress(model)
        if spec.bits is not None:
            assert spec.bits < report.bits_per_weight <= spec.bits + 1
        if spec.sparsity is not None:
            assert report.sparsity == pytest.approx(spec.sparsity, abs=2e-3)
