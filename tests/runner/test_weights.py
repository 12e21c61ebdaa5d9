"""Compressed models that leave, read back by plain transformers."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from harness.check.mocks import write_mock_model
from harness.compress.layers.workspace import Workspace
from harness.compress.text.calibration import CalibrationSpec
from harness.compress.text.sources import SELF
from harness.errors import CompressionError, SelectionError
from harness.lm.load import load
from harness.lm.source import resolve
from harness.place.place import Place, entered
from harness.runner.cells import Variant
from harness.runner.options import RunOptions
from harness.runner.progress import Silent
from harness.runner.select import Suite, select
from harness.runner.session import Session
from harness.runner.weights import parse_variant, write_weights
from harness.runner.weights_on_disk import write_weights_from_disk
from harness.spec.registry import registry
from harness.store.store import Store


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(cache=tmp_path / "cache", store=tmp_path / "store", offline=True, device="cpu")


def variant(folder: Path, name: str, source: str = SELF) -> Variant:
    from dataclasses import replace

    spec = registry().compressors.specs[name]
    if spec.calibrated:
        text = CalibrationSpec(source, samples=8, length=32)
        spec = replace(spec, options={**spec.options, "calibration": text})
    return Variant(write_mock_model(folder), spec)


@pytest.mark.parametrize("name", ["rtn-int4", "gptq-int4", "magnitude-50", "depth-25", "mxfp4"])
def test_plain_transformers_gives_the_same_logits(name: str, tmp_path: Path, place: Place) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    chosen = variant(tmp_path / "mock", name)
    folder = write_weights(chosen, tmp_path / "out", place)
    again: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokens = torch.arange(12)[None]
    opened = Session(chosen, Store(place.store), place, RunOptions(), Silent())
    with entered(place), torch.no_grad():
        expected = opened.model().model(input_ids=tokens).logits
        found = again(input_ids=tokens).logits
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert AutoTokenizer.from_pretrained(folder)("a b")["input_ids"]
    said = (folder / "README.md").read_text()
    assert f"+{name}" in said
    assert "bits a weight, whole model" in said


def test_a_model_that_rounds_its_inputs_stays(tmp_path: Path, place: Place) -> None:
    with pytest.raises(CompressionError, match=r"rounds what goes into .* while the model runs"):
        write_weights(variant(tmp_path / "mock", "fp8-token"), tmp_path / "out", place)
    with pytest.raises(CompressionError, match=r"rounds keys and values while the model runs"):
        write_weights(variant(tmp_path / "mock", "kv-int4"), tmp_path / "out", place)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, place: Place) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    with pytest.raises(CompressionError, match="is not empty"):
        write_weights(variant(tmp_path / "mock", "rtn-int4"), tmp_path / "out", place)


def test_one_variant_is_named() -> None:
    assert parse_variant("smollm2-135m+rtn-int4").compressor.name == "rtn-int4"
    with pytest.raises(SelectionError, match="name one variant"):
        parse_variant("smollm2-135m+rtn-*")


@pytest.mark.parametrize("name", ["rtn-int4", "gptq-int4", "svd-80", "mxfp4"])
def test_from_disk_is_as_from_memory(name: str, tmp_path: Path, place: Place) -> None:
    chosen = variant(tmp_path / "mock", name)
    whole = write_weights(chosen, tmp_path / "whole", place)
    parts = write_weights_from_disk(chosen, tmp_path / "parts", place)
    first, second = tensors(whole), tensors(parts)
    assert first.keys() == second.keys()
    for key, tensor in first.items():
        assert torch.equal(tensor, second[key]), key
    assert f"+{name}" in (parts / "README.md").read_text()
    assert "perplexity" not in (parts / "README.md").read_text()
    assert not list((place.store / "blocks").glob("*"))


def test_from_disk_goes_on_after_a_kill(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = variant(tmp_path / "mock", "gptq-int4")
    whole = write_weights(chosen, tmp_path / "whole", place)
    keep, kept = Workspace.keep, []

    def dying(self: Workspace, name: str, *rest: Any) -> None:
        keep(self, name, *rest)
        kept.append(name)
        if len(kept) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Workspace, "keep", dying)
    with pytest.raises(KeyboardInterrupt):
        write_weights_from_disk(chosen, tmp_path / "parts", place)
    parts = write_weights_from_disk(chosen, tmp_path / "parts", place)
    assert len(kept) == len(set(kept))
    second = tensors(parts)
    assert all(torch.equal(tensor, second[key]) for key, tensor in tensors(whole).items())


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("none", "nothing would change"),
        ("depth-25", "takes blocks out"),
        ("fp8-token", "rounds what goes into layers"),
        ("kv-int4", "keys and values are rounded while a model runs, and this one is on disk"),
    ],
)
def test_what_weights_alone_do_not_say_needs_the_model_in_memory(
    name: str, problem: str, tmp_path: Path, place: Place
) -> None:
    text = tmp_path / "prose.txt"
    text.write_text("The ferry left the harbour before the fog came in. " * 80)
    chosen = variant(tmp_path / "mock", name, f"file:{text}")
    with pytest.raises(CompressionError, match=problem):
        write_weights_from_disk(chosen, tmp_path / "out", place)


def test_a_model_on_disk_does_not_write_its_own_calibration_text(
    tmp_path: Path, place: Place
) -> None:
    with pytest.raises(CompressionError, match="cannot write its own calibration text there"):
        write_weights_from_disk(variant(tmp_path / "mock", "gptq-int4"), tmp_path / "out", place)


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for path in folder.glob("*.safetensors"):
        found |= load_file(path)
    return found


PACKED = {
    "rtn-int8": ("pack-quantized", False),
    "rtn-int4-symmetric": ("pack-quantized", False),
    "gptq-int3": ("pack-quantized", True),
    "gptq-int4": ("pack-quantized", True),
    "gptaq-int3": ("pack-quantized", True),
    "gptq+sparsegpt-50-int4": ("pack-quantized", True),
    "fp8": ("float-quantized", False),
    "mxfp4": ("mxfp4-pack-quantized", False),
    "nvfp4": ("nvfp4-pack-quantized", False),
}
FOURS = ("mxfp4", "nvfp4")


@pytest.mark.parametrize("name", PACKED)
def test_packed_it_is_the_same_model_in_less_room(name: str, tmp_path: Path, place: Place) -> None:
    form, zero_points = PACKED[name]
    chosen = variant(tmp_path / "mock", name)
    dtype = "bfloat16" if name in FOURS else "float32"
    options = RunOptions(dtype=dtype)
    dense = write_weights(chosen, tmp_path / "dense", place, options)
    packed = write_weights(chosen, tmp_path / "packed", place, options, packed=True)
    described = json.loads((packed / "config.json").read_text())["quantization_config"]
    assert described["format"] == form
    assert ("zero_point" in " ".join(tensors(packed))) == zero_points

    (spec,) = select(Suite(models=(f"file:{packed}",)), registry()).models
    again = load(resolve(spec, offline=True), spec, dtype=dtype).model
    ours = dict(again.named_parameters())
    for key, tensor in tensors(dense).items():
        assert torch.equal(ours[key], tensor), key
    layers = [key for key in tensors(dense) if ".layers." in key and "norm" not in key]
    size = sum(t.nbytes for k, t in tensors(packed).items() if ".layers." in k and "norm" not in k)
    assert size < 0.6 * sum(tensors(dense)[key].nbytes for key in layers)
    if find_spec("compressed_tensors") is not None:
        from transformers import AutoModelForCausalLM

        kind = getattr(torch, dtype)
        theirs: Any = AutoModelForCausalLM.from_pretrained(packed, dtype=kind)
        tokens = torch.arange(12)[None]
        expected = again(input_ids=tokens).logits
        torch.testing.assert_close(theirs(input_ids=tokens).logits, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("svd-80", "has no form that brainpress packs"),
        ("awq-int4", "stand on no grid of 4 bits"),
        ("hqq-int4", "stand on no grid of 4 bits"),
        ("quarot-gptq-int4", "stand on no grid of 4 bits"),
        ("mxfp4", "compressed-tensors reads mxfp4 as bfloat16, and mxfp4 was scored in float32"),
        ("nvfp4", "compressed-tensors reads nvfp4 as bfloat16, and nvfp4 was scored in float32"),
        ("int4-fp8scale", "has no form that brainpress packs"),
        ("kv-int4", "has no form that brainpress packs"),
    ],
)
def test_what_stands_on_no_grid_is_not_packed(
    name: str, problem: str, tmp_path: Path, place: Place
) -> None:
    with pytest.raises(CompressionError, match=problem):
        write_weights(variant(tmp_path / "mock", name), tmp_path / "out", place, packed=True)
