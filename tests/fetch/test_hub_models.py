"""A model from the hub, by the code that a run loads it with, when the hub does not play along.

From its address to its logits: a licence to accept, a repository that is gone or was renamed,
shards, a connection that is cut, bytes that are not those that the hub states.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_host import COMMIT, REPO, Hub, sha256

from harness.errors import ChecksumError, FetchError, GatedError, ModelError
from harness.lm.load import load
from harness.lm.source import resolve, spec_from_address

IDS = torch.tensor([[1, 5, 9, 7]])
ADDRESS = f"hf:{REPO}@{COMMIT}"
SHARD = "model-00002-of-"


@pytest.fixture
def release(tiny_release: Callable[..., Path]) -> tuple[dict[str, bytes], torch.Tensor]:
    """A sharded model's files by name, and its logits."""
    from transformers import AutoModelForCausalLM

    folder = tiny_release("llama", bos=True)
    model = AutoModelForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sum(name.endswith(".safetensors") for name in files) > 2
    shutil.rmtree(folder)
    with torch.inference_mode():
        return files, model(input_ids=IDS).logits


def shard_of(files: dict[str, bytes]) -> str:
    return next(name for name in files if name.startswith(SHARD))


def logits(address: str) -> torch.Tensor:
    spec = spec_from_address(address)
    with torch.inference_mode():
        return load(resolve(spec), spec).model(input_ids=IDS).logits


def test_shards_are_fetched_and_make_the_model(hub: Hub, release: Any) -> None:
    files, expected = release
    hub.publish(files=files)
    torch.testing.assert_close(logits(ADDRESS), expected)


def test_a_gated_model_is_had_with_a_token_and_without_it_says_how(
    hub: Hub, release: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, expected = release
    hub.publish(files=files)
    hub.token = "hf_good"
    with pytest.raises(GatedError) as caught:
        resolve(spec_from_address(ADDRESS))
    assert f"https://huggingface.co/{REPO}" in caught.value.hint
    assert "HF_TOKEN" in caught.value.hint
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    torch.testing.assert_close(logits(ADDRESS), expected)


@pytest.mark.parametrize(("status", "code"), [(401, "RepoNotFound"), (404, "RepoNotFound")])
def test_a_repository_that_is_gone(hub: Hub, status: int, code: str) -> None:
    hub.refuse("/api/models/no/such", status, code)
    with pytest.raises(FetchError, match="no model no/such, or it is private"):
        resolve(spec_from_address("hf:no/such"))


def test_a_renamed_repository_is_followed(hub: Hub, release: Any) -> None:
    """The hub answers 307 with the new name, relative to itself, for its list and its files."""
    files, expected = release
    hub.publish(files=files, repo="now/called-so")
    for revision in ("", f"/revision/{COMMIT}", "/revision/main"):
        old = f"/api/models/once/named{revision}"
        hub.host.routes[old] = moved(f"/api/models/now/called-so{revision}")
    for name in files:
        for revision in ("main", COMMIT):
            new = f"/now/called-so/resolve/{revision}/{name}"
            hub.host.routes[f"/once/named/resolve/{revision}/{name}"] = moved(new)
    torch.testing.assert_close(logits(f"hf:once/named@{COMMIT}"), expected)
    found = resolve(spec_from_address("hf:once/named"))
    assert found.revision == COMMIT
    same = resolve(spec_from_address(f"hf:now/called-so@{COMMIT}"))
    assert found.fingerprint == same.fingerprint  # a name is no part of what a model computes


def test_a_file_that_is_cut_off_is_fetched_on_from_there(
    hub: Hub, release: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1024)  # what is kept of a cut transfer
    files, expected = release
    hub.publish(files=files)
    body = files[shard_of(files)]
    path = f"/cdn/{sha256(body)}"
    hub.host.faults[path] = [hub.serve.file(body, cut=len(body) // 2)]
    torch.testing.assert_close(logits(ADDRESS), expected)
    first, second = hub.host.gets(path)
    assert "Range" not in first.headers
    assert second.headers["Range"] == f"bytes={len(body) // 2 // 1024 * 1024}-"


def test_a_file_that_stays_cut_off_is_no_model(
    hub: Hub, release: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import file_download

    files, expected = release
    hub.publish(files=files)
    body = files[shard_of(files)]
    path = f"/cdn/{sha256(body)}"
    hub.host.routes[path] = hub.serve.file(body, cut=100, ranges=False)
    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)
    with pytest.raises((FetchError, ChecksumError), match=REPO):
        resolve(spec_from_address(ADDRESS))
    hub.host.put(path, body)  # the network is well again: the same command goes on
    torch.testing.assert_close(logits(ADDRESS), expected)


def test_bytes_that_the_hub_does_not_state_are_refused(hub: Hub, release: Any) -> None:
    files, expected = release
    hub.publish(files=files)
    name = shard_of(files)
    body = files[name]
    hub.host.put(f"/cdn/{sha256(body)}", body[:-1] + bytes([body[-1] ^ 1]))
    with pytest.raises(ChecksumError, match=f"{name} has sha256 .* where {sha256(body)}"):
        resolve(spec_from_address(ADDRESS))
    hub.host.put(f"/cdn/{sha256(body)}", body)
    torch.testing.assert_close(logits(ADDRESS), expected)


def test_a_shard_that_the_repository_lacks_is_named(hub: Hub, release: Any) -> None:
    files, _ = release
    name = shard_of(files)
    hub.publish(files={key: body for key, body in files.items() if key != name})
    with pytest.raises(ModelError, match=name):
        resolve(spec_from_address(ADDRESS))


def test_an_index_that_names_a_file_elsewhere_is_refused(hub: Hub, release: Any) -> None:
    files, _ = release
    index = json.loads(files["model.safetensors.index.json"])
    index["weight_map"] = dict.fromkeys(index["weight_map"], "../../../etc/passwd")
    hub.publish(files={**files, "model.safetensors.index.json": json.dumps(index).encode()})
    with pytest.raises(ModelError):
        logits(ADDRESS)


def moved(location: str) -> Any:
    return lambda handler: handler.plain(307, Location=location)
