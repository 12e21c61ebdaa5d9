"""Compressed models on disk."""

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
from torch import nn

from harness.compress.layers.workspace import Workspace
from harness.compress.report.saved import load_compressed, save_compressed
from harness.errors import CorruptError, StoreError

TinyModel = Callable[..., nn.Module]


@pytest.mark.parametrize("compressor", [GPTQ(4), SmoothQuant(8), DropBlocks(0.3)], ids=repr)
@pytest.mark.parametrize("tied", [False, True])
def test_what_is_loaded_is_what_was_saved(
    tiny_model: TinyModel,
    random_calibration: Any,
    tmp_path: Path,
    compressor: Any,
    tied: bool,
) -> None:
    model = tiny_model("llama", tie_word_embeddings=tied)
    report = compressor.compress(model, random_calibration)
    save_compressed(model, report, tmp_path / "variant.safetensors")
    again = tiny_model("llama", tie_word_embeddings=tied)
    assert load_compressed(again, tmp_path / "variant.safetensors") == report
    tokens = random_calibration.tokens[:3]
    assert torch.equal(model(input_ids=tokens).logits, again(input_ids=tokens).logits)


def test_every_architecture(
    architecture: str, tiny_model: TinyModel, random_calibration: Any, tmp_path: Path
) -> None:
    model = tiny_model(architecture)
    report = DropBlocks(0.3).compress(model, random_calibration)
    save_compressed(model, report, tmp_path / "variant.safetensors")
    again = tiny_model(architecture)
    load_compressed(again, tmp_path / "variant.safetensors")
    tokens = random_calibration.tokens[:3]
    assert torch.equal(model(input_ids=tokens).logits, again(input_ids=tokens).logits)


def test_a_tied_tensor_is_written_once(tiny_model: TinyModel, tmp_path: Path) -> None:
    model = tiny_model("llama", tie_word_embeddings=True)
    report = RoundToNearest(4).compress(model)
    save_compressed(model, report, tmp_path / "variant.safetensors")
    size = (tmp_path / "variant.safetensors").stat().st_size
    numbers = sum(parameter.numel() for parameter in model.parameters())
    assert 4 * numbers < size < 4 * numbers + 40_000


def test_a_file_that_was_cut_short(tiny_model: TinyModel, tmp_path: Path) -> None:
    model = tiny_model("llama")
    path = tmp_path / "variant.safetensors"
    save_compressed(model, RoundToNearest(4).compress(model), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorruptError, match="does not fit"):
        load_compressed(tiny_model("llama"), path)


def test_a_file_of_another_model(tiny_model: TinyModel, tmp_path: Path) -> None:
    model = tiny_model("llama")
    path = tmp_path / "variant.safetensors"
    save_compressed(model, RoundToNearest(4).compress(model), path)
    with pytest.raises(CorruptError, match="not those of the model"):
        load_compressed(tiny_model("gpt2"), path)
    with pytest.raises(CorruptError, match="does not fit"):
        load_compressed(tiny_model("llama", hidden_size=64), path)


def test_a_folder_that_cannot_be_written(tiny_model: TinyModel, tmp_path: Path) -> None:
    model = tiny_model("llama")
    report = RoundToNearest(4).compress(model)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError):
        save_compressed(model, report, tmp_path / "file" / "variant.safetensors")


def test_a_disk_that_is_full(
    tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.torch
    from safetensors import SafetensorError

    message = "Error while serializing: I/O error: No space left on device (os error 28)"

    def full(tensors: Any, path: Path, metadata: Any) -> None:
        raise SafetensorError(message)

    model = tiny_model("llama")
    report = RoundToNearest(4).compress(model)
    path = tmp_path / "variant.safetensors"
    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(StoreError, match="no space is left"):
        save_compressed(model, report, path)
    message = "Error while serializing: a shape is odd"
    with pytest.raises(SafetensorError, match="odd"):
        save_compressed(model, report, path)
    assert list(tmp_path.iterdir()) == []


def test_rounded_inputs_come_back_when_a_run_goes_on(
    tiny_model: TinyModel, random_calibration: Any, tmp_path: Path
) -> None:
    workspace = Workspace(folder=tmp_path)
    model = tiny_model("llama")
    SmoothQuant(8).compress(model, random_calibration, workspace)
    again = tiny_model("llama")
    SmoothQuant(8).compress(again, random_calibration, workspace)
    tokens = random_calibration.tokens[:3]
    assert torch.equal(model(input_ids=tokens).logits, again(input_ids=tokens).logits)
