"""Snapshots from the hub's own cache, which other programs fill."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
from hub_host import COMMIT, FILES, REPO, WEIGHTS, Hub, no_code, sha256

from harness.errors import ChecksumError, ModelError, OfflineError
from harness.fetch.hub import snapshot


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
