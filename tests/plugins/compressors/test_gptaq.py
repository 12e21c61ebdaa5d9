"""GPTAQ on whole models: what has drifted in a layer's inputs is what hooks on two models see."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from architectures import tiny
from brainpress_plugins.compressors.gptq import GPTQ
from torch import Tensor, nn

from harness.compress.compressor import Compressed
from harness.compress.layers.linear import block_layers
from harness.compress.layers.observe import SharedInput
from harness.compress.layers.walk import walk
from harness.compress.layers.workspace import Workspace
from harness.compress.methods.grid import Grid, round_to_grid
from harness.compress.methods.moments import InputAccumulator
from harness.compress.methods.rotation import rotation
from harness.compress.text.calibration import Calibration, CalibrationSpec
from harness.errors import CompressionError
from harness.lm.anatomy import anatomy

TinyModel = Callable[..., nn.Module]


def inputs(model: nn.Module, tokens: Tensor) -> dict[str, Tensor]:
    """What each linear layer of the blocks sees in the whole model, (token, in)."""
    seen: dict[str, list[Tensor]] = {}
    layers = [layer for block in block_layers(model) for layer in block]

    def hook(name: str) -> Any:
        def see(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            seen.setdefault(name, []).append(arguments[0].reshape(-1, arguments[0].shape[-1]))

        return see

    handles = [layer.module.register_forward_pre_hook(hook(layer.name)) for layer in layers]
    with torch.no_grad():
        model(input_ids=tokens, use_cache=False)
    for handle in handles:
        handle.remove()
    return {name: torch.cat(parts).double() for name, parts in seen.items()}


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {layer.name: layer.weight() for block in block_layers(model) for layer in block}


def some_text() -> Calibration:
    tokens = torch.randint(3, 96, (12, 64), generator=torch.Generator().manual_seed(1))
    return Calibration(CalibrationSpec(samples=12, length=64), tokens, ())


class Coarse:
    """Rounds to 3 bits, and remembers the drift it was shown."""

    def __init__(self) -> None:
        self.shared: list[SharedInput] = []

    def __call__(self, weights: Sequence[Tensor], shared: SharedInput) -> list[Compressed]:
        self.shared.append(shared)
        return [Compressed(round_to_grid(weight, Grid(3)), 1) for weight in weights]


def check_drift(model: nn.Module, calibration: Any, order: str) -> None:
    """Compare drift, layer by layer, with what hooks see in the model before, and as it becomes."""
    tokens = calibration.tokens
    before, base, method = inputs(model, tokens), copy.deepcopy(model), Coarse()
    walk(model, calibration, method, order=order, drift=True)
    now = [inputs(model, tokens)]
    if order == "sequential":
        # Within a block layers are seen as they were, behind blocks that are compressed.
        now = []
        for block in anatomy(base).blocks:
            now.append(inputs(base, tokens))
            block.load_state_dict(anatomy(model).blocks[len(now) - 1].state_dict())
    places = {layer.name: i for i, block in enumerate(block_layers(model)) for layer in block}
    moved = 0
    for shared in method.shared:
        drift = shared.statistics.drift
        assert drift is not None
        for layer in shared.layers:
            rows = now[min(places[layer.name], len(now) - 1)][layer.name]
            expected = (before[layer.name] - rows).T @ rows / len(rows)
            scale = float(rows.square().mean())
            torch.testing.assert_close(drift / scale, (expected / scale).float(), atol=1e-4, rtol=0)
            moved += float(drift.norm()) / scale > 1e-2
    assert moved > len(method.shared) / 3


@pytest.mark.parametrize("order", ["sequential", "true-sequential"])
def test_drift_is_what_hooks_on_both_models_see(
    architecture: str, tiny_model: TinyModel, random_calibration: Any, order: str
) -> None:
    check_drift(tiny_model(architecture), random_calibration, order)


@pytest.mark.parametrize("name", ["gemma3n_text", "gemma4_text"])
def test_keys_that_blocks_hand_on_are_those_of_their_own_stream(name: str) -> None:
    check_drift(tiny(name), some_text(), "sequential")


def test_the_first_block_is_that_of_gptq(
    architecture: str, tiny_model: TinyModel, random_calibration: Any
) -> None:
    plain, model = tiny_model(architecture), tiny_model(architecture)
    GPTQ(3).compress(plain, random_calibration)
    report = GPTQ(3, asymmetry=0.25).compress(model, random_calibration)
    same = [torch.equal(a, weights(plain)[name]) for name, a in weights(model).items()]
    first = len(block_layers(model)[0])
    assert all(same[:first])
    assert not any(same[first:])
    assert {row.detail["asymmetry"] for row in report.layers} == {0.25}


@pytest.mark.parametrize("rotation", [False, True])
def test_logits_come_nearer(tiny_model: TinyModel, random_calibration: Any, rotation: bool) -> None:
    nearer = []
    for kind in ("llama", "gpt2", "qwen2", "opt", "mistral", "phi3"):
        base = tiny_model(kind)
        tokens = random_calibration.tokens
        with torch.no_grad():
            wanted = base(input_ids=tokens).logits
            errors = []
            for share in (0.0, 0.25):
                model = copy.deepcopy(base)
                GPTQ(3, rotation=rotation, asymmetry=share).compress(model, random_calibration)
                errors.append(float((model(input_ids=tokens).logits - wanted).norm()))
        nearer.append(errors[1] < errors[0])
    assert sum(nearer) >= 5


@pytest.mark.parametrize("name", ["qwen3_moe", "mixtral"])
def test_experts_are_rounded_as_gptq_rounds_them(name: str) -> None:
    report = GPTQ(3, asymmetry=0.25).compress(tiny(name), some_text())
    shares = {
        "]" in row.name or ".experts." in row.name: row.detail["asymmetry"] for row in report.layers
    }
    assert shares == {True: 0.0, False: 0.25}


def test_a_walk_that_was_killed_goes_on(
    tiny_model: TinyModel, random_calibration: Any, tmp_path: Path
) -> None:
    whole, resumed = tiny_model("llama"), tiny_model("llama")
    GPTQ(3, asymmetry=0.25).compress(whole, random_calibration)

    class Killed(Exception):
        pass

    def stop(done: int, total: int) -> None:
        del total
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        GPTQ(3, asymmetry=0.25).compress(
            tiny_model("llama"), random_calibration, Workspace(folder=tmp_path, progress=stop)
        )
    GPTQ(3, asymmetry=0.25).compress(resumed, random_calibration, Workspace(folder=tmp_path))
    assert all(torch.equal(a, weights(whole)[name]) for name, a in weights(resumed).items())


def test_refusals(tiny_model: TinyModel, random_calibration: Any) -> None:
    with pytest.raises(CompressionError, match="asymmetry of 2 cannot be"):
        GPTQ(asymmetry=2).compress(tiny_model("llama"), random_calibration)
    with pytest.raises(CompressionError, match="nothing has drifted"):
        GPTQ(asymmetry=0.25, order="dense").compress(tiny_model("llama"), random_calibration)


def test_what_is_turned_is_swept_as_turned_inputs_would_be() -> None:
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(400, 48, generator=generator)
    now = before + 0.2 * torch.randn(400, 48, generator=generator)
    weight = torch.randn(20, 48, generator=generator) / 7
    turn = rotation(48)

    def shared(now: Tensor, before: Tensor) -> SharedInput:
        seen = InputAccumulator(48, torch.device("cpu"))
        seen.add(now, before)
        return SharedInput((), seen.statistics("it"))

    grid = Grid(3, "channel")
    turned = GPTQ(3, rotation=True, asymmetry=0.5)._round([weight], shared(now, before), grid)
    by_hand = GPTQ(3, asymmetry=0.5)._round(
        [weight @ turn], shared(now @ turn, before @ turn), grid
    )
    near = (turned[0].weight - by_hand[0].weight @ turn.T).abs() < 1e-4
    assert float(near.float().mean()) > 0.95
