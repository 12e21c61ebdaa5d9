"""Models whose blocks stay on disk, against the same models in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from brainpress_plugins.compressors.depth import DropBlocks
from brainpress_plugins.compressors.gptq import GPTQ
from brainpress_plugins.compressors.rtn import RoundToNearest
from brainpress_plugins.compressors.smoothquant import SmoothQuant
from safetensors.torch import load_file, save_file
from torch import nn

from harness.compress.layers.offload import (
    open_on_disk,
    read_tensors,
    tensor_files,
    write_checkpoint,
)
from harness.compress.layers.restore import drop_blocks
from harness.compress.layers.trial import check_runs
from harness.compress.layers.workspace import Workspace
from harness.errors import CompressionError, ModelError
from harness.lm.anatomy import anatomy

TinyModel = Callable[..., nn.Module]


@pytest.fixture
def folder(tiny_model: TinyModel, tmp_path: Path) -> Callable[..., Path]:
    def save(name: str, **options: Any) -> Path:
        path = tmp_path / f"{name}-{len(options)}"
        tiny_model(name, **options).save_pretrained(path, max_shard_size="20KB")  # type: ignore[operator]
        return path

    return save


@pytest.mark.parametrize("tied", [False, True])
def test_only_blocks_stay_on_disk(folder: Callable[..., Path], tied: bool) -> None:
    path = folder("llama", tie_word_embeddings=tied)
    assert len(set(tensor_files(path).values())) > 3
    model = open_on_disk(path, torch.float32)
    for name, parameter in model.named_parameters():
        assert (parameter.device.type == "meta") == name.startswith("model.layers."), name
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied  # type: ignore[union-attr]


@pytest.mark.parametrize("compressor", [GPTQ(4), RoundToNearest(4), SmoothQuant(8)], ids=repr)
def test_what_is_compressed_on_disk_is_what_is_compressed_in_memory(
    architecture: str,
    folder: Callable[..., Path],
    tiny_model: TinyModel,
    random_calibration: Any,
    tmp_path: Path,
    compressor: Any,
) -> None:
    path = folder(architecture)
    whole = tiny_model(architecture)
    expected = compressor.compress(whole, random_calibration)
    model = open_on_disk(path, torch.float32)
    workspace = Workspace(folder=tmp_path / "blocks", source=path)
    report = compressor.compress(model, random_calibration, workspace)
    assert report.layers == expected.layers
    assert (report.parameters, report.remaining) == (expected.parameters, expected.remaining)
    assert all(p.device.type == "meta" for p in anatomy(model).blocks[0].parameters())
    state = whole.state_dict()
    for name in anatomy(model).block_names:
        kept = workspace.kept(name)
        assert kept is not None
        for key, tensor in kept.state.items():
            assert torch.equal(tensor, state[f"{name}.{key}"])


def test_a_checkpoint_of_the_result_loads_like_any_other(
    architecture: str,
    folder: Callable[..., Path],
    tiny_model: TinyModel,
    tmp_path: Path,
) -> None:
    from transformers import AutoModelForCausalLM

    path = folder(architecture)
    model = open_on_disk(path, torch.float32)
    RoundToNearest(4).compress(model, None, Workspace(folder=tmp_path / "blocks", source=path))
    names = anatomy(model).block_names
    write_checkpoint(path, tmp_path / "blocks", names, tmp_path / "out")
    expected = tiny_model(architecture)
    RoundToNearest(4).compress(expected)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    tokens = torch.arange(20)[None]
    assert torch.equal(loaded(input_ids=tokens).logits, expected(input_ids=tokens).logits)


def test_a_block_of_other_tensors_is_refused(folder: Callable[..., Path], tmp_path: Path) -> None:
    path = folder("llama")
    model = open_on_disk(path, torch.float32)
    RoundToNearest(4).compress(model, None, Workspace(folder=tmp_path / "blocks", source=path))
    names = anatomy(model).block_names
    save_file({"left": torch.ones(2)}, tmp_path / "blocks" / f"{names[0]}.safetensors")
    with pytest.raises(CompressionError, match=r"model\.layers\.0 has other tensors than"):
        write_checkpoint(path, tmp_path / "blocks", names, tmp_path / "out")


def test_a_checkpoint_of_the_backbone_alone_keeps_its_names(
    folder: Callable[..., Path], tiny_model: TinyModel, tmp_path: Path
) -> None:
    path = folder("gpt2")
    whole = {k: t for p in path.glob("*.safetensors") for k, t in load_file(p).items()}
    for file in path.glob("*.safetensors*"):
        file.unlink()
    bare = {key.removeprefix("transformer."): tensor for key, tensor in whole.items()}
    save_file(bare, path / "model.safetensors", {"format": "pt"})
    model = open_on_disk(path, torch.float32)
    RoundToNearest(4).compress(model, None, Workspace(folder=tmp_path / "blocks", source=path))
    write_checkpoint(path, tmp_path / "blocks", anatomy(model).block_names, tmp_path / "out")
    written = {k for p in (tmp_path / "out").glob("*.safetensors") for k in load_file(p)}
    assert written == bare.keys()


def test_dropping_blocks_reads_them_once(
    folder: Callable[..., Path], tiny_model: TinyModel, random_calibration: Any, tmp_path: Path
) -> None:
    path = folder("llama")
    workspace = Workspace(folder=tmp_path / "blocks", source=path)
    model = open_on_disk(path, torch.float32)
    report = DropBlocks(0.3).compress(model, random_calibration, workspace)
    expected = DropBlocks(0.3).compress(tiny_model("llama"), random_calibration)
    assert report.layers == expected.layers
    assert report.restore == expected.restore


def test_what_is_left_is_read_by_the_names_it_had(
    folder: Callable[..., Path],
    random_calibration: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []

    def noting(source: Path, names: Any) -> Any:
        read.append(next(iter(names)).rpartition(".self_attn")[0])
        return read_tensors(source, names)

    monkeypatch.setattr("harness.compress.layers.workspace.read_tensors", noting)
    path = folder("llama")
    model = open_on_disk(path, torch.float32)
    names = anatomy(model).block_names
    workspace = Workspace(folder=tmp_path / "blocks", source=path)
    report = DropBlocks(0.3).compress(model, random_calibration, workspace)
    stayed = [n for i, n in enumerate(names) if i not in report.restore["dropped_blocks"]]
    assert read[-len(stayed) :] == stayed
    assert all(p.device.type == "meta" for p in anatomy(model).blocks[0].parameters())


def test_a_model_on_disk_that_does_not_run_without_a_block_is_refused(
    folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder("llama")
    model = open_on_disk(path, torch.float32)
    names = anatomy(model).block_names
    drop_blocks(model, [0])

    def counts(*_: Any, **__: Any) -> Any:
        raise IndexError("list index out of range")

    monkeypatch.setattr(anatomy(model).blocks[-1].mlp, "forward", counts)
    with pytest.raises(CompressionError, match="does not run without its dropped blocks: list"):
        check_runs(model, names[1:], Workspace(folder=tmp_path / "blocks", source=path))


def test_a_block_without_values_and_without_a_source(
    folder: Callable[..., Path], random_calibration: Any
) -> None:
    model = open_on_disk(folder("llama"), torch.float32)
    with pytest.raises(CompressionError, match=r"model\.layers\.0 has shapes and no values"):
        GPTQ(4).compress(model, random_calibration)


def test_a_source_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CompressionError, match="nowhere to go"):
        Workspace(source=tmp_path)


def test_a_tensor_that_is_not_there(folder: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match=r"has no tensor model\.layers\.9\.x"):
        read_tensors(folder("llama"), ["model.layers.9.x"])
