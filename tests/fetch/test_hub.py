"""Snapshots from a host that answers as the Hugging Face hub does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from hub_host import COMMIT, CONFIG, FILES, LATER, REPO, WEIGHTS, Hub, git_id, no_code, sha256

from harness.errors import (
    ChecksumError,
    FetchError,
    GatedError,
    ModelError,
    OfflineError,
    StoreError,
)
from harness.fetch.hub import snapshot


def test_a_commit_is_fetched_and_checked_once(hub: Hub) -> None:
    first = snapshot(REPO, COMMIT, choose=no_code)
    assert first.commit == COMMIT
    assert first.pinned
    assert first.files == {"config.json": sha256(CONFIG), "model.safetensors": sha256(WEIGHTS)}
    assert (first.folder / "config.json").read_bytes() == CONFIG
    assert (first.folder / "model.safetensors").read_bytes() == WEIGHTS
    assert not any("modeling.py" in path for path in hub.asked())
    hub.host.asked.clear()
    assert snapshot(REPO, COMMIT, choose=no_code) == first
    assert snapshot(REPO, COMMIT, choose=no_code, offline=True) == first
    assert hub.asked() == []


def test_progress_counts_the_bytes_of_all_files(hub: Hub) -> None:
    seen: list[tuple[int, int | None]] = []
    snapshot(REPO, COMMIT, choose=no_code, progress=lambda *step: seen.append(step))
    total = len(CONFIG) + len(WEIGHTS)
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) > 2


@pytest.mark.parametrize("revision", ["", "main"])
def test_a_branch_stands_for_a_commit_and_may_move(hub: Hub, revision: str) -> None:
    first = snapshot(REPO, revision, choose=no_code)
    assert (first.commit, first.pinned) == (COMMIT, False)
    assert snapshot(REPO, revision, choose=no_code, offline=True) == first
    hub.publish(LATER, {**FILES, "config.json": b'{"model_type": "gpt2"}'})
    hub.host.asked.clear()
    second = snapshot(REPO, revision, choose=no_code)
    assert (second.commit, second.pinned) == (LATER, False)
    assert second.files["config.json"] != first.files["config.json"]
    assert f"/cdn/{sha256(WEIGHTS)}" not in hub.asked()  # the same blob is not fetched twice
    assert snapshot(REPO, revision, choose=no_code, offline=True) == second
    assert snapshot(REPO, COMMIT, choose=no_code, offline=True).files == first.files


def test_wrong_large_file_is_refused_and_removed(hub: Hub, shared: Path) -> None:
    hub.host.put(f"/cdn/{sha256(WEIGHTS)}", WEIGHTS[:-1] + b"!")
    with pytest.raises(ChecksumError, match=f"model.safetensors has sha256 .* {sha256(WEIGHTS)}"):
        snapshot(REPO, COMMIT, choose=no_code)
    assert [p for p in shared.rglob("*") if p.is_file() and p.stat().st_size == len(WEIGHTS)] == []
    hub.host.put(f"/cdn/{sha256(WEIGHTS)}", WEIGHTS)
    found = snapshot(REPO, COMMIT, choose=no_code)
    assert (found.folder / "model.safetensors").read_bytes() == WEIGHTS


def test_wrong_small_file_is_refused(hub: Hub) -> None:
    other = CONFIG.replace(b"llama", b"LLAMA")
    path = f"/{REPO}/resolve/{COMMIT}/config.json"
    hub.host.routes[path] = hub.serve.file(
        other, etag=f'"{git_id(CONFIG)}"', headers={"X-Repo-Commit": COMMIT}
    )
    with pytest.raises(ChecksumError, match=f"config.json has git id {git_id(other)}"):
        snapshot(REPO, COMMIT, choose=no_code)


def test_a_blob_that_decayed_in_the_shared_cache_is_fetched_again(hub: Hub, cache: Path) -> None:
    blob = (snapshot(REPO, COMMIT, choose=no_code).folder / "model.safetensors").resolve()
    blob.write_bytes(WEIGHTS[:-1] + b"!")
    found = snapshot(REPO, COMMIT, choose=no_code)
    assert (found.folder / "model.safetensors").read_bytes() == WEIGHTS
    assert found.files["model.safetensors"] == sha256(WEIGHTS)


def test_a_file_that_is_gone_is_fetched_again(hub: Hub) -> None:
    (snapshot(REPO, COMMIT, choose=no_code).folder / "config.json").unlink()
    assert (snapshot(REPO, COMMIT, choose=no_code).folder / "config.json").read_bytes() == CONFIG


def test_other_files_of_a_known_commit_are_asked_for(hub: Hub) -> None:
    snapshot(REPO, COMMIT, choose=lambda names: ["config.json"])
    with pytest.raises(OfflineError):
        snapshot(REPO, COMMIT, choose=no_code, offline=True)
    both = snapshot(REPO, COMMIT, choose=no_code)
    assert set(both.files) == {"config.json", "model.safetensors"}
    assert snapshot(REPO, COMMIT, choose=no_code, offline=True) == both


def test_who_chooses_may_refuse(hub: Hub) -> None:
    def refuse(names: Collection[str]) -> list[str]:
        raise ModelError(f"none of {sorted(names)} will do")

    with pytest.raises(ModelError, match=r"model\.safetensors"):
        snapshot(REPO, COMMIT, choose=refuse)


def test_gated_says_which_licence_and_which_variable(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_good"
    with pytest.raises(GatedError) as caught:
        snapshot(REPO, COMMIT, choose=no_code)
    assert f"https://huggingface.co/{REPO}" in caught.value.hint
    assert "HF_TOKEN" in caught.value.hint
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert snapshot(REPO, COMMIT, choose=no_code).files["config.json"] == sha256(CONFIG)


def test_forbidden_without_a_code_is_gated(hub: Hub) -> None:
    hub.refuse(f"/api/models/{REPO}/revision/{COMMIT}", 403, "")
    with pytest.raises(GatedError):
        snapshot(REPO, COMMIT)


@pytest.mark.parametrize("status", [401, 404])
def test_missing_repository(hub: Hub, status: int) -> None:
    hub.refuse("/api/models/no/such", status, "RepoNotFound")
    with pytest.raises(FetchError, match="no model no/such, or it is private") as caught:
        snapshot("no/such")
    assert not isinstance(caught.value, GatedError)


def test_missing_revision(hub: Hub) -> None:
    hub.refuse(f"/api/models/{REPO}/revision/{LATER}", 404, "RevisionNotFound")
    with pytest.raises(FetchError, match=f"no revision '{LATER}'"):
        snapshot(REPO, LATER)


def test_missing_file(hub: Hub) -> None:
    hub.refuse(f"/{REPO}/resolve/{COMMIT}/config.json", 404, "EntryNotFound")
    with pytest.raises(FetchError, match="lacks a file that it lists"):
        snapshot(REPO, COMMIT, choose=no_code)


def test_a_proxy_that_drops_the_hubs_headers(hub: Hub) -> None:
    hub.host.put(f"/{REPO}/resolve/{COMMIT}/config.json", CONFIG)
    with pytest.raises(FetchError, match=r"cannot fetch someone/tiny.*X-Repo-Commit"):
        snapshot(REPO, COMMIT, choose=no_code)


def test_unwell_hub(hub: Hub) -> None:
    hub.refuse(f"/api/models/{REPO}", 500, "")
    with pytest.raises(FetchError, match="500"):
        snapshot(REPO)


def test_no_hub_at_all(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the discard port: nobody listens
    with pytest.raises(FetchError, match="cannot reach the hub") as caught:
        snapshot(REPO)
    assert "--offline" in caught.value.hint


def test_too_little_room_is_said_before_the_download(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot(REPO, COMMIT, choose=lambda names: ["config.json"])
    usage = type(shutil.disk_usage("/"))(10**6, 10**6 - len(WEIGHTS), len(WEIGHTS))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    hub.publish(LATER, {**FILES, "model.safetensors": WEIGHTS + b"!"})
    with pytest.raises(StoreError, match="256,000 bytes free where 256,024 are needed") as caught:
        snapshot(REPO, LATER, choose=no_code)
    assert "HF_HOME" in caught.value.hint
    assert snapshot(REPO, COMMIT, choose=no_code).commit == COMMIT  # the config is here already


def test_name_that_is_none(hub: Hub) -> None:
    with pytest.raises(FetchError, match="not the name of a hub repository"):
        snapshot("a/b/c")


@pytest.mark.parametrize("revision", ["", COMMIT])
def test_offline_and_absent(hub: Hub, revision: str) -> None:
    with pytest.raises(OfflineError, match=REPO) as caught:
        snapshot(REPO, revision, offline=True)
    assert "hf download" in caught.value.hint
    assert hub.asked() == []


def test_the_hubs_own_offline_switch_is_respected(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OfflineError):
        snapshot(REPO, COMMIT)
    assert hub.asked() == []


def test_a_model_from_the_hub_from_address_to_logits(
    hub: Hub, tiny_model: Any, tmp_path: Path
) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from harness.lm.load import load
    from harness.lm.source import resolve, spec_from_address

    made = tmp_path / "made"
    model = tiny_model("llama")
    model.save_pretrained(made, max_shard_size="20KB")
    words = Tokenizer(models.WordLevel({"<unk>": 0, "a": 1, "b": 2}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(made)
    shards = [p for p in os.listdir(made) if p.endswith(".safetensors")]
    assert len(shards) > 2
    published = {p.name: p.read_bytes() for p in made.iterdir()}
    hub.publish(files={**published, "pytorch_model.bin": b"pickle", "modeling_x.py": b"import os"})
    shutil.rmtree(made)

    spec = spec_from_address(f"hf:{REPO}@{COMMIT}")
    files = resolve(spec)
    assert files.pinned
    assert files.revision == COMMIT
    assert set(shards) < set(files.sha256)
    assert not any(path.endswith((".bin", ".py")) for path in hub.asked())
    loaded = load(files, spec)
    ids = torch.tensor([[1, 2, 1]])
    assert torch.equal(loaded.model(input_ids=ids).logits, model(input_ids=ids).logits)
    hub.host.asked.clear()
    assert resolve(spec, offline=True) == files
    assert resolve(spec_from_address(f"hf:{REPO}"), offline=False).fingerprint == files.fingerprint

    hub.publish(LATER, {"config.json": published["config.json"], "pytorch_model.bin": b"pickle"})
    with pytest.raises(ModelError, match="no safetensors"):
        resolve(spec_from_address(f"hf:{REPO}@{LATER}"))
