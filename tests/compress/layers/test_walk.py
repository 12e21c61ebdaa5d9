"""The layer walk, against hooks on the whole model."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.compress.compressor import Compressed
from harness.compress.layers.linear import block_layers
from harness.compress.layers.observe import SharedInput
from harness.compress.layers.walk import walk
from harness.compress.layers.workspace import Workspace
from harness.compress.methods.grid import Grid, round_to_grid
from harness.errors import CompressionError, StoreError

TinyModel = Callable[..., nn.Module]


def rounding(weights: Sequence[Tensor], shared: SharedInput) -> list[Compressed]:
    del shared
    return [Compressed(round_to_grid(weight, Grid(4)), 4 * weight.numel()) for weight in weights]


def inputs_of_all_layers(model: nn.Module, tokens: Tensor) -> dict[str, Tensor]:
    """Run the whole model, and keep what each linear layer of its blocks saw, (token, in)."""
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
    return {name: torch.cat(parts) for name, parts in seen.items()}


class Recorder:
    """A method that leaves weights nearly as they are, and remembers what it was shown."""

    def __init__(self) -> None:
        self.shared: list[SharedInput] = []

    def __call__(self, weights: Sequence[Tensor], shared: SharedInput) -> list[Compressed]:
        self.shared.append(shared)
        return [Compressed(weight * 1.5, 1) for weight in weights]


def test_dense_statistics_are_those_of_the_whole_model(
    architecture: str, tiny_model: TinyModel, random_calibration: Any
) -> None:
    model = tiny_model(architecture)
    expected = inputs_of_all_layers(model, random_calibration.tokens)
    recorder = Recorder()
    walk(model, random_calibration, recorder, order="dense")
    assert {layer.name for shared in recorder.shared for layer in shared.layers} == set(expected)
    for shared in recorder.shared:
        for layer in shared.layers:
            rows = expected[layer.name].double()
            moments = rows.T @ rows / len(rows)
            scale = float(moments.diagonal().mean())
            torch.testing.assert_close(
                shared.statistics.moments.double() / scale, moments / scale, atol=2e-5, rtol=1e-4
            )
            assert shared.statistics.tokens == 32 * 40


def test_sequential_statistics_are_those_behind_compressed_blocks(
    architecture: str, tiny_model: TinyModel, random_calibration: Any
) -> None:
    model = tiny_model(architecture)
    half = copy.deepcopy(model)
    for layer in block_layers(half)[0] + block_layers(half)[1]:
        layer.assign(layer.weight() * 1.5)
    last = [layer.name for layer in block_layers(model)[2]]
    expected = inputs_of_all_layers(half, random_calibration.tokens)
    recorder = Recorder()
    walk(model, random_calibration, recorder, order="sequential")
    shared_last = [shared for shared in recorder.shared if shared.layers[0].name in last]
    for shared in shared_last:
        rows = expected[shared.layers[0].name].double()
        moments = rows.T @ rows / len(rows)
        scale = float(moments.diagonal().mean())
        torch.testing.assert_close(
            shared.statistics.moments.double() / scale, moments / scale, atol=2e-5, rtol=1e-4
        )


def test_layers_that_share_an_input_are_shown_together(
    tiny_model: TinyModel, random_calibration: Any
) -> None:
    def groups(name: str) -> list[tuple[tuple[str, ...], bool]]:
        recorder = Recorder()
        walk(tiny_model(name), random_calibration, recorder)
        return [
            (tuple(layer.name.rpartition(".")[2] for layer in shared.layers), shared.after_norm)
            for shared in recorder.shared[: len(recorder.shared) // 3]
        ]

    assert groups("llama") == [
        (("q_proj", "k_proj", "v_proj"), True),
        (("o_proj",), False),
        (("gate_proj", "up_proj"), True),
        (("down_proj",), False),
    ]
    assert groups("gpt2") == [
        (("c_attn",), True),
        (("c_proj",), False),
        (("c_fc",), True),
        (("c_proj",), False),
    ]
    assert groups("opt")[0] == (("k_proj", "v_proj", "q_proj"), True)


def test_the_model_itself_is_called_as_before(
    architecture: str, tiny_model: TinyModel, random_calibration: Any
) -> None:
    model = tiny_model(architecture)
    rounded = copy.deepcopy(model)
    walk(rounded, random_calibration, rounding)
    for layer in (layer for block in block_layers(model) for layer in block):
        layer.assign(round_to_grid(layer.weight(), Grid(4)))
    tokens = random_calibration.tokens[:2]
    assert torch.equal(model(input_ids=tokens).logits, rounded(input_ids=tokens).logits)
    assert all(not module._forward_pre_hooks for module in rounded.modules())
    assert all(not module._forward_hooks for module in rounded.modules())


def test_rows_come_in_the_order_of_the_layers_with_their_errors(
    tiny_model: TinyModel, random_calibration: Any
) -> None:
    model = tiny_model("opt")
    before = copy.deepcopy(model)
    inputs = inputs_of_all_layers(model, random_calibration.tokens)
    report = walk(model, random_calibration, rounding, order="dense")
    names = [layer.name for block in block_layers(model) for layer in block]
    assert [row.name for row in report.layers] == names
    for row in report.layers:
        old = before.get_submodule(row.name).weight
        change = model.get_submodule(row.name).weight - old
        expected = (inputs[row.name] @ change.T).norm() / (inputs[row.name] @ old.T).norm()
        assert row.output_error == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.parametrize("order", ["sequential", "dense"])
def test_a_run_that_was_killed_goes_on_where_it_was(
    tiny_model: TinyModel, random_calibration: Any, tmp_path: Path, order: str
) -> None:
    def kill_after(blocks: int) -> Callable[[int, int], None]:
        def progress(done: int, total: int) -> None:
            assert total == 3
            if done == blocks:
                raise KeyboardInterrupt

        return progress

    whole = tiny_model("llama")
    expected = walk(whole, random_calibration, rounding_and_moments, order=order)
    with pytest.raises(KeyboardInterrupt):
        workspace = Workspace(folder=tmp_path, progress=kill_after(2))
        walk(
            tiny_model("llama"),
            random_calibration,
            rounding_and_moments,
            order=order,
            workspace=workspace,
        )
    calls: list[str] = []

    def counting(weights: Sequence[Tensor], shared: SharedInput) -> list[Compressed]:
        calls.append(shared.layers[0].name)
        return rounding_and_moments(weights, shared)

    model = tiny_model("llama")
    report = walk(
        model,
        random_calibration,
        counting,
        order=order,
        workspace=Workspace(folder=tmp_path),
    )
    assert {name.split(".")[2] for name in calls} == {"2"}
    assert report.layers == expected.layers
    for name, value in model.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name])


def rounding_and_moments(weights: Sequence[Tensor], shared: SharedInput) -> list[Compressed]:
    """Round, in a way that depends on the input, so that a wrong input shows."""
    factor = 1 + float(shared.statistics.magnitude.mean())
    return [
        Compressed(round_to_grid(weight * factor, Grid(4)), 4 * weight.numel())
        for weight in weights
    ]


def test_a_kept_block_that_was_cut_short_is_made_again(
    tiny_model: TinyModel, random_calibration: Any, tmp_path: Path
) -> None:
    first = tiny_model("gpt2")
    walk(first, random_calibration, rounding, workspace=Workspace(folder=tmp_path))
    path = tmp_path / "transformer.h.1.safetensors"
    path.write_bytes(path.read_bytes()[:500])
    second = tiny_model("gpt2")
    walk(second, random_calibration, rounding, workspace=Workspace(folder=tmp_path))
    for name, value in second.state_dict().items():
        assert torch.equal(value, first.state_dict()[name])


def test_a_full_disk_is_a_store_error(
    tiny_model: TinyModel,
    random_calibration: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import safetensors.torch
    from safetensors import SafetensorError

    def full(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
        path.write_bytes(b"half of it")
        # Word for word what the library says on a full tmpfs.
        raise SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        )

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(StoreError, match="no space is left"):
        walk(
            tiny_model("llama"), random_calibration, rounding, workspace=Workspace(folder=tmp_path)
        )
    assert list(tmp_path.iterdir()) == []


def test_without_calibration_text(tiny_model: TinyModel) -> None:
    with pytest.raises(CompressionError, match="needs calibration text"):
        walk(tiny_model("llama"), None, rounding)


def test_a_layer_that_is_given_up_is_named(tiny_model: TinyModel, random_calibration: Any) -> None:
    def give_up(weights: Sequence[Tensor], shared: SharedInput) -> list[Compressed]:
        raise CompressionError("cannot be factored", "more text")

    message = r"layers\.0\.self_attn\.q_proj and .*v_proj: cannot be factored"
    with pytest.raises(CompressionError, match=message):
        walk(tiny_model("llama"), random_calibration, give_up)


def test_a_method_that_overflows_is_named(tiny_model: TinyModel, random_calibration: Any) -> None:
    def overflow(weights: Sequence[Tensor], shared: SharedInput) -> list[Compressed]:
        return [Compressed(weight / 0, 1) for weight in weights]

    with pytest.raises(CompressionError, match=r"q_proj: 1024 of 1024 weights are NaN or inf"):
        walk(tiny_model("llama"), random_calibration, overflow)


def test_a_layer_that_no_token_reaches_is_named(
    tiny_model: TinyModel, random_calibration: Any
) -> None:
    model = tiny_model("llama")
    model.model.layers[1].mlp.expert = nn.Linear(4, 4)  # type: ignore[union-attr, index]
    with pytest.raises(CompressionError, match=r"layers\.1\.mlp\.expert: no calibration token"):
        walk(model, random_calibration, rounding)


def test_a_block_that_is_not_called_is_named(
    tiny_model: TinyModel, random_calibration: Any
) -> None:
    model = tiny_model("llama")
    model.config.num_hidden_layers = 2
    with pytest.raises(CompressionError, match=r"model\.layers\.2 is a block of .* not called"):
        walk(model, random_calibration, rounding)
    assert "forward" not in model.model.layers[0].__dict__  # type: ignore[union-attr, index]


def test_an_unknown_order(tiny_model: TinyModel, random_calibration: Any) -> None:
    with pytest.raises(ValueError, match="shuffled"):
        walk(tiny_model("llama"), random_calibration, rounding, order="shuffled")


def test_a_last_batch_that_is_smaller(tiny_model: TinyModel, random_calibration: Any) -> None:
    # 32 windows of 40 tokens are one batch; 250 make two of 102 and one of 46.
    tokens = torch.randint(3, 96, (250, 40), generator=torch.Generator().manual_seed(1))
    calibration = type(random_calibration)(random_calibration.spec, tokens, ())
    recorder = Recorder()
    model = tiny_model("opt")
    expected = inputs_of_all_layers(model, tokens)
    walk(model, calibration, recorder, order="dense")
    for shared in recorder.shared:
        rows = expected[shared.layers[0].name]
        assert shared.statistics.tokens == 10_000
        torch.testing.assert_close(shared.statistics.maxima, rows.abs().amax(0))
