"""Snapshots from a host that answers as the Hugging Face hub does."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from harness.errors import (
    ChecksumError,
    FetchError,
    GatedError,
    ModelError,
    OfflineError,
    StoreError,
)
from harness.fetch.hub import snapshot

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LATER = "89abcdef0123456789abcdef0123456789abcdef"
REPO = "someone/tiny"
CONFIG = b'{"model_type": "llama"}'
WEIGHTS = bytes(range(256)) * 1000
FILES = {"config.json": CONFIG, "model.safetensors": WEIGHTS, "modeling.py": b"import os"}


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def git_id(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


class Hub:
    """Repositories on the host: large files behind a redirect, small ones in place."""

    def __init__(self, host: Any, serve: Any) -> None:
        self.host, self.serve = host, serve
        self.token = ""

    def publish(
        self, commit: str = COMMIT, files: dict[str, bytes] = FILES, repo: str = REPO
    ) -> None:
        siblings = []
        for name, body in files.items():
            large = name.endswith((".safetensors", ".bin"))
            entry: dict[str, Any] = {
                "rfilename": name,
                "size": len(body),
                "blobId": git_id(body),
            }
            if large:
                entry["lfs"] = {"sha256": sha256(body), "size": len(body), "pointerSize": 134}
            siblings.append(entry)
            for revision in ("main", commit):
                path = f"/{repo}/resolve/{revision}/{name}"
                self.host.routes[path] = self._file(commit, body, large)
            self.host.put(f"/cdn/{sha256(body)}", body)
        info = {"id": repo, "modelId": repo, "sha": commit, "siblings": siblings}
        for revision in ("main", commit):
            self.host.routes[f"/api/models/{repo}/revision/{revision}"] = self._answer_info(info)
        self.host.routes[f"/api/models/{repo}"] = self._answer_info(info)

    def _answer_info(self, info: dict[str, Any]) -> Any:
        body = json.dumps(info).encode()
        return lambda handler: handler.plain(200, body, Content_Type="application/json")

    def _file(self, commit: str, body: bytes, large: bool) -> Any:
        def answer(handler: Any) -> None:
            if self.token and handler.headers.get("Authorization") != f"Bearer {self.token}":
                handler.plain(
                    401,
                    b'{"error": "Access to model is restricted."}',
                    X_Error_Code="GatedRepo",
                    X_Error_Message="Access to model is restricted.",
                )
            elif large:
                handler.plain(
                    302,
                    # Another host by name, as the content network is.
                    Location=f"{self.host.address.replace('127.0.0.1', 'localhost')}"
                    f"/cdn/{sha256(body)}",
                    X_Repo_Commit=commit,
                    X_Linked_Size=str(len(body)),
                    X_Linked_Etag=f'"{sha256(body)}"',
                )
            else:
                self.serve.file(body, etag=f'"{git_id(body)}"', headers={"X-Repo-Commit": commit})(
                    handler
                )

        return answer

    def refuse(self, path: str, status: int, code: str) -> None:
        self.host.routes[path] = lambda handler: handler.plain(
            status, b'{"error": "no"}', X_Error_Code=code, X_Error_Message="no"
        )

    def asked(self) -> list[str]:
        return [a.path for a in self.host.asked]


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The hub's cache, which other programs share."""
    return tmp_path / "hf" / "hub"


@pytest.fixture
def hub(host: Any, serve: Any, shared: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    from huggingface_hub import constants

    monkeypatch.setenv("HF_ENDPOINT", host.address)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(shared))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", "")
    made = Hub(host, serve)
    made.publish()
    return made


def no_code(names: Collection[str]) -> list[str]:
    return sorted(name for name in names if not name.endswith(".py"))


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


class TestWhatAnotherProgramDownloaded:
    """A cache filled by somebody else, on a machine without a network."""

    @pytest.fixture(autouse=True)
    def filled(self, hub: Hub, cache: Path, shared: Path) -> None:
        from huggingface_hub import hf_hub_download

        for name in no_code(FILES):
            hf_hub_download(REPO, name, endpoint=hub.host.address, cache_dir=shared)
        assert not cache.exists()

    def test_leaves_the_question_open_what_the_hub_has_more(self, hub: Hub) -> None:
        snapshot(REPO, COMMIT, choose=no_code, offline=True)
        hub.host.asked.clear()
        assert "modeling.py" in snapshot(REPO, COMMIT).files
        assert hub.asked() != []

    @pytest.mark.parametrize("revision", ["", "main", COMMIT])
    def test_is_taken(self, hub: Hub, revision: str) -> None:
        hub.host.asked.clear()
        found = snapshot(REPO, revision, choose=no_code, offline=True)
        assert found.commit == COMMIT
        assert found.pinned is (revision == COMMIT)
        assert found.files["model.safetensors"] == sha256(WEIGHTS)
        assert hub.asked() == []

    def test_is_not_taken_when_it_was_tampered_with(self, shared: Path) -> None:
        (blob,) = shared.rglob(f"blobs/{sha256(WEIGHTS)}")
        blob.write_bytes(WEIGHTS[:-1] + b"!")
        with pytest.raises(ChecksumError, match=r"model\.safetensors"):
            snapshot(REPO, COMMIT, choose=no_code, offline=True)

    def test_is_not_taken_when_nothing_says_what_it_should_be(self, shared: Path) -> None:
        (link,) = shared.rglob("snapshots/*/model.safetensors")
        body = link.read_bytes()
        link.unlink()
        link.write_bytes(body)
        with pytest.raises(OfflineError):
            snapshot(REPO, COMMIT, choose=no_code, offline=True)

    def test_is_not_taken_when_what_is_wanted_is_not_there(self, shared: Path) -> None:
        def weights(names: Collection[str]) -> list[str]:
            if "model.safetensors" not in names:
                raise ModelError("no weights")
            return ["model.safetensors"]

        (link,) = shared.rglob("snapshots/*/model.safetensors")
        link.unlink()
        with pytest.raises(OfflineError):
            snapshot(REPO, COMMIT, choose=weights, offline=True)


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
