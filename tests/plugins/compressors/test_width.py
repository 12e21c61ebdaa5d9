"""Width pruning, against a model that really has fewer heads and channels."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from brainpress_plugins.compressors.width import NarrowBlocks
from torch import nn

from harness.compress.layers.workspace import Workspace
from harness.compress.report.saved import load_compressed, save_compressed
from harness.compress.text.calibration import Calibration, CalibrationSpec
from harness.errors import CompressionError

TinyModel = Callable[..., nn.Module]
HEADS, GROUPS, HEAD, CHANNELS = 8, 4, 8, 96


@pytest.fixture
def calibration() -> Calibration:
    tokens = torch.randint(3, 96, (12, 64), generator=torch.Generator().manual_seed(1))
    return Calibration(CalibrationSpec(samples=12, length=64), tokens, ())


@pytest.fixture
def model(tiny_model: TinyModel) -> Any:
    """A Llama in which two query heads share each key and value head."""
    made = tiny_model(
        "llama",
        num_attention_heads=HEADS,
        num_key_value_heads=GROUPS,
        head_dim=HEAD,
        intermediate_size=CHANNELS,
        num_hidden_layers=2,
    )
    with torch.no_grad():
        for block in made.model.layers:  # type: ignore[union-attr]
            block.self_attn.o_proj.weight.mul_(3)
            block.self_attn.o_proj.weight[:, 16:32] *= 0.001  # the second group says little
    return made


def smaller(model: Any) -> Any:
    """Build a model whose layers have only the rows and columns that stayed."""
    made = copy.deepcopy(model)
    for block in made.model.layers:
        for part, inner, end in (
            (block.self_attn, ("q_proj", "k_proj", "v_proj"), "o_proj"),
            (block.mlp, ("gate_proj", "up_proj"), "down_proj"),
        ):
            for name in inner:
                weight = getattr(part, name).weight
                setattr(part, name, linear(weight[(weight != 0).any(1)]))
            weight = getattr(part, end).weight
            setattr(part, end, linear(weight[:, (weight != 0).any(0)]))
    return made


def linear(weight: torch.Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    made.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    return made


def test_what_is_left_is_a_model_of_fewer_heads_and_channels(
    model: Any, calibration: Calibration
) -> None:
    report = NarrowBlocks(0.3).compress(model, calibration)
    cut = smaller(model)
    tokens = calibration.tokens[:2]
    torch.testing.assert_close(
        model(input_ids=tokens).logits, cut(input_ids=tokens).logits, atol=1e-5, rtol=1e-5
    )
    assert report.bytes_packed == 2 * sum(p.numel() for p in cut.parameters())
    inside = sum(p.numel() for n, p in cut.named_parameters() if "_proj" in n)
    assert inside / report.weights == pytest.approx(0.7, abs=0.02)
    assert report.coverage == 1


def test_a_head_goes_with_what_it_shares(model: Any, calibration: Calibration) -> None:
    report = NarrowBlocks(0.3).compress(model, calibration)
    rows = {row.name: row for row in report.layers if row.name.startswith("model.layers.0.")}
    removed = {
        name.rpartition(".")[2]: (row.detail["removed_inputs"], row.detail["removed_outputs"])
        for name, row in rows.items()
    }
    assert removed["o_proj"] == (16, 0)
    assert removed["q_proj"] == (0, 16)
    assert removed["k_proj"] == removed["v_proj"] == (0, 8)
    channels = removed["down_proj"][0]
    assert removed["gate_proj"] == removed["up_proj"] == (0, channels)
    attention = model.model.layers[0].self_attn
    assert not bool(attention.v_proj.weight[8:16].any())
    assert bool(attention.v_proj.weight[:8].any(1).all())


def test_least_squares_is_better_than_leaving_out(model: Any, calibration: Calibration) -> None:
    exact, bare = copy.deepcopy(model), copy.deepcopy(model)
    NarrowBlocks(0.3).compress(model, calibration)
    # Damped without bounds, the weights that stay are what they were.
    NarrowBlocks(0.3, damping=1.0).compress(bare, calibration)
    tokens = calibration.tokens
    logits = exact(input_ids=tokens).logits
    errors = [float((m(input_ids=tokens).logits - logits).norm()) for m in (model, bare)]
    assert errors[0] < errors[1]


@pytest.mark.parametrize("architecture", ["gpt2", "gpt_neox", "opt"])
def test_channels_that_went_reach_nothing(
    architecture: str, tiny_model: TinyModel, calibration: Calibration
) -> None:
    model = tiny_model(architecture)
    report = NarrowBlocks(0.25).compress(model, calibration)
    tokens = calibration.tokens[:2]
    logits = model(input_ids=tokens).logits
    changed = 0
    for row in report.layers:
        module = model.get_submodule(row.name)
        matrix = module.weight if isinstance(module, nn.Linear) else module.weight.T
        dead = ~(matrix != 0).any(1)
        assert int(dead.sum()) == row.detail["removed_outputs"], row.name
        if bool(dead.any()):
            matrix.data[dead] = 3.0
            changed += 1
    assert changed
    torch.testing.assert_close(model(input_ids=tokens).logits, logits, atol=1e-5, rtol=1e-5)


def test_it_is_saved_and_read_back(model: Any, calibration: Calibration, tmp_path: Any) -> None:
    fresh = copy.deepcopy(model)
    report = NarrowBlocks(0.25).compress(model, calibration)
    save_compressed(model, report, tmp_path / "it.safetensors")
    again = load_compressed(fresh, tmp_path / "it.safetensors")
    assert again.bytes_packed == report.bytes_packed
    tokens = calibration.tokens[:1]
    assert torch.equal(fresh(input_ids=tokens).logits, model(input_ids=tokens).logits)


def test_it_goes_on_with_the_blocks_that_are_missing(
    model: Any, calibration: Calibration, tmp_path: Any
) -> None:
    fresh = copy.deepcopy(model)
    NarrowBlocks(0.25).compress(model, calibration, Workspace(folder=tmp_path))
    sorted(tmp_path.glob("*.safetensors"))[-1].unlink()
    NarrowBlocks(0.25).compress(fresh, calibration, Workspace(folder=tmp_path))
    for first, second in zip(model.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("share", "problem"), [(0.0, "cannot be taken out"), (0.98, "each attention keeps a head")]
)
def test_a_share_that_cannot_be(
    model: Any, calibration: Calibration, share: float, problem: str
) -> None:
    with pytest.raises(CompressionError, match=problem):
        NarrowBlocks(share).compress(model, calibration)
