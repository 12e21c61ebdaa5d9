"""Folders of models: whole, or which file is wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ModelError
from harness.lm.files import (
    choose_files,
    inspect_folder,
    read_config,
    stored_numbers,
    weight_names,
)

Release = Callable[..., Path]


def test_what_is_found_in_a_folder(release: Release, tiny_model: Any) -> None:
    folder = release("llama")
    files = inspect_folder(folder)
    names = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert set(files.sha256) == names
    for name in names:
        body = (folder / name).read_bytes()
        assert files.sha256[name] == hashlib.sha256(body).hexdigest()
        assert files.sizes[name] == len(body)
    assert files.parameters == sum(p.numel() for p in tiny_model("llama").parameters())
    assert files.config["model_type"] == "llama"
    assert files.revision == files.fingerprint


def test_tied_weights_are_counted_once(release: Release, tiny_model: Any) -> None:
    folder = release("llama", tie_word_embeddings=True)
    model = tiny_model("llama", tie_word_embeddings=True)
    assert inspect_folder(folder).parameters == sum(p.numel() for p in model.parameters())


def test_the_fingerprint_is_of_contents_and_not_of_places(release: Release) -> None:
    folder = release("llama")
    before = inspect_folder(folder)
    moved = folder.rename(folder.with_name("moved"))
    (moved / "README.md").write_text("a word about it")
    (moved / "generation_config.json").write_text("{}")
    assert inspect_folder(moved).fingerprint == before.fingerprint


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
)
def test_every_file_that_counts_is_in_the_fingerprint(release: Release, name: str) -> None:
    folder = release("llama")
    before = inspect_folder(folder).fingerprint
    body = bytearray((folder / name).read_bytes())
    if name.endswith(".json"):
        body += b"\n"
    else:
        body[-1] ^= 1  # one bit of one weight
    (folder / name).write_bytes(body)
    assert inspect_folder(folder).fingerprint != before


def test_a_file_that_comes_to_count_changes_the_fingerprint(release: Release) -> None:
    folder = release("llama")
    before = inspect_folder(folder).fingerprint
    (folder / "added_tokens.json").write_text("{}")
    assert inspect_folder(folder).fingerprint != before


def test_shards_are_those_of_the_index(release: Release) -> None:
    folder = release("llama")
    whole = inspect_folder(folder.rename(folder.with_name("whole")))
    release("llama", shard="20KB")
    (folder / "consolidated.safetensors").write_bytes(b"not one of them")
    shards = weight_names(folder)
    assert len(shards) > 2
    files = inspect_folder(folder)
    assert set(shards) | {"model.safetensors.index.json"} < set(files.sha256)
    assert files.parameters == whole.parameters


def test_a_missing_shard_is_named(release: Release) -> None:
    folder = release("llama", shard="20KB")
    gone = weight_names(folder)[1]
    (folder / gone).unlink()
    with pytest.raises(ModelError, match=f"misses {gone}"):
        inspect_folder(folder)


@pytest.mark.parametrize("shard", ["../other.safetensors", "/etc/passwd", "weights.bin"])
def test_an_index_that_points_elsewhere_is_refused(release: Release, shard: str) -> None:
    folder = release("llama", shard="20KB")
    index = {"weight_map": {"model.embed_tokens.weight": shard}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="no safetensors file beside it"):
        inspect_folder(folder)


@pytest.mark.parametrize("index", ["{}", '{"weight_map": {}}', '{"weight_map": []}'])
def test_an_empty_index_is_refused(release: Release, index: str) -> None:
    folder = release("llama", shard="20KB")
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ModelError, match="lists no weights"):
        inspect_folder(folder)


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_truncated_weights_are_noticed_without_loading_them(release: Release, keep: int) -> None:
    path = release("llama") / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"model\.safetensors is truncated or not a safetensors"):
        inspect_folder(path.parent)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff" * 64,
        (10).to_bytes(8, "little") + b"not json!!",
        (2).to_bytes(8, "little") + b"[]",
        (7).to_bytes(8, "little") + b'{"a":1}',
        (13).to_bytes(8, "little") + b'{"a":{"x":1}}',
        (2).to_bytes(8, "little") + b"{}" + b"left over",
    ],
)
def test_what_is_no_safetensors_file(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(body)
    with pytest.raises(ModelError, match=r"a\.safetensors"):
        stored_numbers(tmp_path / "a.safetensors")


def test_numbers_are_counted_as_the_library_counts(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    tensors = {"a": torch.zeros(3, 5), "b": torch.zeros(()), "c": torch.zeros(0, 7)}
    save_file(tensors, tmp_path / "a.safetensors", metadata={"format": "pt"})
    assert stored_numbers(tmp_path / "a.safetensors") == 16


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "config.json is missing"),
        ("model.safetensors", "has no model.safetensors"),
        ("tokenizer.json", "has no tokenizer"),
    ],
)
def test_a_missing_file_is_named(release: Release, name: str, message: str) -> None:
    folder = release("llama")
    (folder / name).unlink()
    with pytest.raises(ModelError, match=message):
        inspect_folder(folder)


@pytest.mark.parametrize("names", [["tokenizer.model"], ["vocab.json", "merges.txt"]])
def test_other_kinds_of_tokenizer_files_do(release: Release, names: list[str]) -> None:
    folder = release("llama")
    (folder / "tokenizer.json").unlink()
    for name in names:
        (folder / name).write_text("{}")
    assert set(names) < set(inspect_folder(folder).sha256)


def test_half_a_tokenizer_does_not_do(release: Release) -> None:
    folder = release("llama")
    (folder / "tokenizer.json").rename(folder / "vocab.json")
    with pytest.raises(ModelError, match="has no tokenizer"):
        inspect_folder(folder)


def test_pickled_weights_are_named_and_not_taken(release: Release) -> None:
    folder = release("llama")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin, which can run code"):
        inspect_folder(folder)


@pytest.mark.parametrize(
    ("config", "message"),
    [("{", "cannot be read"), ("[]", "not a JSON object"), ("{}", "names no model_type")],
)
def test_an_odd_config_is_named(tmp_path: Path, config: str, message: str) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelError, match=message):
        read_config(tmp_path)


def test_a_second_look_reads_no_weights(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = release("llama")
    first = inspect_folder(folder)
    monkeypatch.setattr(
        "harness.fetch.checksum.sha256_of", lambda path: pytest.fail(f"{path} read again")
    )
    assert inspect_folder(folder) == first


class TestChoiceFromARepository:
    """Which files of a hub repository are the model."""

    COMMON = ("config.json", "tokenizer.json", "README.md", "modeling_x.py", "onnx/model.onnx")

    def test_one_file_of_weights(self) -> None:
        names = [*self.COMMON, "model.safetensors", "pytorch_model.bin", "consolidated.safetensors"]
        assert choose_files(names) == ["config.json", "model.safetensors", "tokenizer.json"]

    def test_several(self) -> None:
        shards = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
        index = "model.safetensors.index.json"
        names = [*self.COMMON, index, *shards, "original/model-00001-of-00002.safetensors"]
        assert choose_files(names) == sorted(["config.json", "tokenizer.json", index, *shards])

    def test_what_a_quantised_one_says_about_itself(self) -> None:
        names = [*self.COMMON, "model.safetensors", "quantize_config.json", "merges.txt"]
        assert {"quantize_config.json", "merges.txt"} < set(choose_files(names))

    def test_pickles_alone(self) -> None:
        with pytest.raises(ModelError, match="no safetensors weights") as caught:
            choose_files([*self.COMMON, "pytorch_model.bin"])
        assert "refs/pr" in caught.value.hint

    def test_no_model(self) -> None:
        with pytest.raises(ModelError, match=r"no config\.json"):
            choose_files(["adapter_config.json", "adapter_model.safetensors"])
