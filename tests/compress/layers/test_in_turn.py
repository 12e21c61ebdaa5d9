"""One run of a block that is held at each group, against explicit passes of the whole model."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from brainpress_plugins.compressors.gptq import GPTQ
from brainpress_plugins.compressors.smoothquant import SmoothQuant
from brainpress_plugins.compressors.sparsegpt import SparseGPT
from torch import Tensor, nn

from harness.compress.compressor import Compressed
from harness.compress.layers import enter
from harness.compress.layers.linear import Layer, block_layers
from harness.compress.layers.observe import SharedInput
from harness.compress.layers.walk import walk
from harness.compress.layers.workspace import Workspace
from harness.compress.methods.grid import Grid, round_to_grid
from harness.compress.methods.moments import InputAccumulator
from harness.errors import CompressionError
from harness.numeric.fast_products import FastProducts

TinyModel = Callable[..., nn.Module]
ORDER = "true-sequential"


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Any:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


class Recorder:
    """Rounds, in a way that depends on the input, and remembers what it was shown."""

    def __init__(self) -> None:
        self.shared: list[SharedInput] = []

    def __call__(self, weights: Sequence[Tensor], shared: SharedInput) -> list[Compressed]:
        self.shared.append(shared)
        factor = 1 + float(shared.statistics.magnitude.mean())
        return [
            Compressed(round_to_grid(weight * factor, Grid(3)), 3 * weight.numel())
            for weight in weights
        ]


def input_of(model: nn.Module, layer: Layer, tokens: Tensor) -> Tensor:
    """Run the whole model as it is, and return what one layer saw, (token, in)."""
    seen: list[Tensor] = []

    def see(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        seen.append(arguments[0].reshape(-1, arguments[0].shape[-1]))

    handle = layer.module.register_forward_pre_hook(see)
    with torch.no_grad(), FastProducts():
        model(input_ids=tokens, use_cache=False)
    handle.remove()
    return torch.cat(seen)


def layer_named(model: nn.Module, name: str) -> Layer:
    return Layer(name, model.get_submodule(name))


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {layer.name: layer.weight() for block in block_layers(model) for layer in block}


def test_each_group_is_measured_behind_all_compressed_ones_before_it(
    architecture: str, tiny_model: TinyModel, random_calibration: Any
) -> None:
    model, oracle = tiny_model(architecture), tiny_model(architecture)
    recorder = Recorder()
    walk(model, random_calibration, recorder, order=ORDER)
    again = Recorder()
    for shared in recorder.shared:
        rows = input_of(
            oracle, layer_named(oracle, shared.layers[0].name), random_calibration.tokens
        )
        moments = rows.double().T @ rows.double() / len(rows)
        scale = float(moments.diagonal().mean())
        torch.testing.assert_close(
            shared.statistics.moments.double() / scale, moments / scale, atol=1e-6, rtol=1e-5
        )
        torch.testing.assert_close(shared.statistics.maxima, rows.abs().amax(0))
        layers = [layer_named(oracle, layer.name) for layer in shared.layers]
        accumulator = InputAccumulator(rows.shape[1], rows.device)
        with torch.no_grad():
            accumulator.add(rows)
        seen = SharedInput(shared.layers, accumulator.statistics(""), shared.after_norm)
        for layer, new in zip(
            layers, again([layer.weight() for layer in layers], seen), strict=True
        ):
            layer.assign(new.weight)
    for name, weight in weights(model).items():
        torch.testing.assert_close(weight, weights(oracle)[name], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("method", [GPTQ(3), SparseGPT("2:4", bits=4)])
def test_the_second_order_methods_to_the_last_bit(
    tiny_model: TinyModel, random_calibration: Any, method: GPTQ | SparseGPT
) -> None:
    from harness.compress.methods.sparsity import parse_pattern

    found, oracle = tiny_model("llama"), tiny_model("llama")
    groups: list[SharedInput] = []

    def compress(weights: Sequence[Tensor], shared: SharedInput) -> list[Compressed]:
        if isinstance(method, GPTQ):
            return method._round(weights, shared, Grid(method.bits))
        return method._prune(weights, shared, parse_pattern(method.sparsity), Grid(4))

    def remembering(weights: Sequence[Tensor], shared: SharedInput) -> list[Compressed]:
        groups.append(shared)
        return compress(weights, shared)

    walk(found, random_calibration, remembering, order=ORDER)
    by_name = tiny_model("llama")
    type(method)(**(vars(method) | {"order": ORDER})).compress(by_name, random_calibration)
    for shared in groups:
        layers = [layer_named(oracle, layer.name) for layer in shared.layers]
        rows = input_of(oracle, layers[0], random_calibration.tokens)
        accumulator = InputAccumulator(rows.shape[1], rows.device)
        with torch.no_grad():
            accumulator.add(rows)
        seen = SharedInput(tuple(layers), accumulator.statistics(""), shared.after_norm)
        new = compress([layer.weight() for layer in layers], seen)
        for layer, one in zip(layers, new, strict=True):
            layer.assign(one.weight)
    for name, weight in weights(oracle).items():
        assert torch.equal(weight, weights(found)[name]), name
        assert torch.equal(weight, weights(by_name)[name]), name


def test_the_groups_are_those_of_the_other_orders_as_they_are_called(
    architecture: str, tiny_model: TinyModel, random_calibration: Any
) -> None:
    def groups(order: str) -> list[tuple[tuple[str, ...], bool]]:
        recorder = Recorder()
        walk(tiny_model(architecture), random_calibration, recorder, order=order)
        return [
            (tuple(layer.name for layer in shared.layers), shared.after_norm)
            for shared in recorder.shared
        ]

    assert sorted(groups(ORDER)) == sorted(groups("sequential"))


def test_every_layer_runs_once_and_the_last_not_at_all(
    tiny_model: TinyModel, random_calibration: Any
) -> None:
    model = tiny_model("llama")
    tokens: dict[str, int] = {}

    def counting(name: str) -> Any:
        def count(_: nn.Module, __: Any, out: Tensor) -> None:
            tokens[name] = tokens.get(name, 0) + out[..., 0].numel()

        return count

    for block in block_layers(model):
        for layer in block:
            layer.module.register_forward_hook(counting(layer.name))
    walk(model, random_calibration, Recorder(), order=ORDER)
    last = block_layers(model)[-1][-1].name
    # 16 tokens are looked at to see which layers share an input. Before that, the model runs by
    # itself on the first and the last batch (here: all), and is walked through uncompressed.
    assert {name: count for name, count in tokens.items() if name != last} == {
        name: 3 * 32 * 40 + 16 for name in weights(model) if name != last
    }
    assert tokens[last] == 2 * 32 * 40 + 16


def test_the_size_of_batches_changes_nothing(
    architecture: str,
    tiny_model: TinyModel,
    random_calibration: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, parts = Recorder(), Recorder()
    walk(tiny_model(architecture), random_calibration, whole, order=ORDER)
    monkeypatch.setattr(enter, "BATCH_TOKENS", 280)  # 7 windows: five batches, the last of 4
    walk(tiny_model(architecture), random_calibration, parts, order=ORDER)
    for one, other in zip(whole.shared, parts.shared, strict=True):
        assert one.statistics.tokens == other.statistics.tokens == 32 * 40
        scale = float(one.statistics.moments.diagonal().mean())
        torch.testing.assert_close(
            one.statistics.moments / scale, other.statistics.moments / scale, atol=2e-5, rtol=1e-4
        )


def test_inputs_that_are_rounded_from_now_on_are_rounded_in_the_run_that_is_held(
    tiny_model: TinyModel, random_calibration: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enter, "BATCH_TOKENS", 32 * 40)
    model = tiny_model("llama")
    out: list[Tensor] = []
    block = model.model.layers[0]  # type: ignore[union-attr, index]
    handle = block.register_forward_hook(lambda *call: out.append(call[2]))  # type: ignore[union-attr]
    SmoothQuant(4, order=ORDER).compress(model, random_calibration)
    handle.remove()
    again: list[Tensor] = []
    block.register_forward_hook(lambda *call: again.append(call[2]))  # type: ignore[union-attr]
    with torch.no_grad(), FastProducts():
        model(input_ids=random_calibration.tokens, use_cache=False)
    torch.testing.assert_close(out[-1], again[0], atol=1e-5, rtol=1e-5)


def test_an_error_in_the_middle_hangs_nothing(
    tiny_model: TinyModel, random_calibration: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enter, "BATCH_TOKENS", 280)

    def give_up(weights: Sequence[Tensor], shared: SharedInput) -> list[Compressed]:
        if "down_proj" in shared.layers[0].name:
            raise CompressionError("cannot be factored", "more text")
        return Recorder()(weights, shared)

    model = tiny_model("llama")
    with pytest.raises(CompressionError, match=r"layers\.0\.mlp\.down_proj: cannot be factored"):
        walk(model, random_calibration, give_up, order=ORDER)
    assert all(not module._forward_pre_hooks for module in model.modules())


def test_an_error_of_the_block_comes_out(
    tiny_model: TinyModel, random_calibration: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enter, "BATCH_TOKENS", 280)
    model = tiny_model("llama")
    calls = iter(range(100))

    def fail(*_: Any) -> None:
        if next(calls) == 2 + 2 + 1 + 3:  # own run, check, glance
            raise RuntimeError("out of memory")

    model.model.layers[1].mlp.act_fn.register_forward_hook(fail)  # type: ignore[union-attr, index]
    with pytest.raises(RuntimeError, match="out of memory"):
        walk(model, random_calibration, Recorder(), order=ORDER)


class Twice(nn.Module):
    """Calls a layer again on what came out of another."""

    def __init__(self, mlp: Any) -> None:
        super().__init__()
        self.mlp = mlp

    def forward(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.mlp(self.mlp(hidden))
        return out


def test_a_layer_that_is_called_again_is_refused_by_name(
    tiny_model: TinyModel, random_calibration: Any
) -> None:
    model = tiny_model("llama")
    layer = model.model.layers[1]  # type: ignore[union-attr, index]
    layer.mlp = Twice(layer.mlp)
    walk(copy.deepcopy(model), random_calibration, Recorder())
    with pytest.raises(CompressionError, match=r"layers\.1\.mlp\.mlp\.gate_proj: .*once"):
        walk(model, random_calibration, Recorder(), order=ORDER)


class Experts(nn.Module):
    """Sends the first windows of a batch to one layer, the others to the next."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        large = hidden.abs().amax((1, 2)) > 3.4
        out = torch.zeros_like(hidden)
        for expert, chosen in ((self.first, ~large), (self.second, large)):
            if bool(chosen.any()):
                out[chosen] = expert(hidden[chosen])
        return out


def test_batches_need_not_come_to_the_same_layers(
    tiny_model: TinyModel, random_calibration: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enter, "BATCH_TOKENS", 40)
    model = tiny_model("llama")
    torch.manual_seed(0)
    model.model.layers[1].mlp = Experts(32)  # type: ignore[union-attr, index]
    recorder = Recorder()
    walk(model, random_calibration, recorder, order=ORDER)
    seen = {
        shared.layers[0].name.rpartition(".")[2]: shared.statistics.tokens
        for shared in recorder.shared
    }
    assert seen["first"] > 0
    assert seen["second"] > 0
    assert seen["first"] + seen["second"] == 32 * 40


def test_a_layer_that_no_token_reaches_is_named(
    tiny_model: TinyModel, random_calibration: Any
) -> None:
    model = tiny_model("llama")
    model.model.layers[1].mlp.expert = nn.Linear(4, 4)  # type: ignore[union-attr, index]
    with pytest.raises(CompressionError, match=r"layers\.1\.mlp\.expert: no calibration token"):
        walk(model, random_calibration, Recorder(), order=ORDER)


def test_a_run_that_was_killed_in_a_block_goes_on_with_it(
    tiny_model: TinyModel, random_calibration: Any, tmp_path: Path
) -> None:
    whole = tiny_model("gemma2")
    walk(whole, random_calibration, Recorder(), order=ORDER)
    killed = Recorder()

    def kill(weights: Sequence[Tensor], shared: SharedInput) -> list[Compressed]:
        if "layers.1.mlp" in shared.layers[0].name:
            raise KeyboardInterrupt
        return killed(weights, shared)

    workspace = Workspace(folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        walk(tiny_model("gemma2"), random_calibration, kill, order=ORDER, workspace=workspace)
    model, rest = tiny_model("gemma2"), Recorder()
    walk(model, random_calibration, rest, order=ORDER, workspace=workspace)
    assert {shared.layers[0].name.split(".")[2] for shared in rest.shared} == {"1", "2"}
    for name, weight in weights(model).items():
        assert torch.equal(weight, weights(whole)[name])
