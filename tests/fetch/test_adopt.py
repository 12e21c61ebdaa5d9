"""Copies of a colleague: found by name, checked by size and hash; listings of folders."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from brainpress_plugins.benchmarks.neural.lebel2023 import LeBel2023
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import DataError, StoreError
from harness.fetch.adopt import adopt
from harness.fetch.download import fetch, located
from harness.fetch.make_listing import list_folder
from harness.fetch.resource import Resource

WORDS = b"words" * 100


def resource(where: str, body: bytes | None = WORDS) -> Resource:
    digest = hashlib.md5(body).hexdigest() if body is not None else ""
    return Resource(
        where.rpartition("/")[2],
        f"https://host.example/{where}",
        "",
        size=None if body is None else len(body),
        where=where,
        checksum=digest and f"md5:{digest}",
    )


def put(folder: Path, name: str, body: bytes = WORDS) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def test_a_copy_is_found_whatever_its_folder(tmp_path: Path) -> None:
    wanted = resource("ds003020/derivative/one.hf5")
    put(tmp_path, "old/one.hf5", b"something else" * 9)
    put(tmp_path, "older/one.hf5", WORDS.replace(b"w", b"W"))
    right = put(tmp_path, "usb-stick/flat/one.hf5")
    result = adopt([wanted], tmp_path)
    assert result.found == {wanted.address: right}
    here = located(wanted)
    assert here is not None
    assert here.read_bytes() == WORDS
    assert fetch(wanted, offline=True) == here


def test_copies_that_are_not_what_is_wanted_are_named(tmp_path: Path) -> None:
    wanted, damaged = resource("study/one.hf5"), resource("study/two.hf5")
    put(tmp_path, "one.hf5", WORDS[:-3])
    put(tmp_path, "two.hf5", WORDS.replace(b"w", b"W"))
    result = adopt([wanted, damaged, resource("study/absent.hf5")], tmp_path)
    assert not result.found
    assert "497 bytes where 500 are expected" in result.refused[wanted.address]
    assert "md5" in result.refused[damaged.address]
    assert located(wanted) is None


def test_without_a_checksum_the_folder_must_be_right(tmp_path: Path) -> None:
    pieman = resource("narratives/stimuli/gentle/pieman/align.json", None)
    tunnel = resource("narratives/stimuli/gentle/tunnel/align.json", None)
    right = put(tmp_path, "copy/gentle/pieman/align.json")
    result = adopt([pieman, tunnel], tmp_path)
    assert result.found == {pieman.address: right}
    assert "may be another one" in result.refused[tunnel.address]
    scan = resource("narratives/derivatives/a/sub-001_bold.nii.gz", None)
    alone = put(tmp_path, "flat/sub-001_bold.nii.gz")
    assert adopt([scan], tmp_path).found == {scan.address: alone}


def test_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [resource("study/one.hf5"), resource("study/two.hf5", b"more")]
    monkeypatch.setattr(LeBel2023, "resources", staticmethod(lambda **_: tuple(files)))
    monkeypatch.setenv("COLUMNS", "200")
    put(tmp_path / "copies", "one.hf5")
    arguments = ["fetch", "lebel2023", "--dry-run", "--from", str(tmp_path / "copies")]
    result = CliRunner().invoke(app, arguments)
    assert "1 file found in" in result.output
    assert "2 files, 1 of them on this machine" in result.output
    with pytest.raises(DataError, match="no folder"):
        adopt(files, tmp_path / "nowhere")


def test_what_does_not_fit_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LeBel2023, "resources", staticmethod(lambda **_: (resource("a/b.hf5"),)))
    full = namedtuple("usage", "total used free")(100, 0, 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    result = CliRunner().invoke(app, ["fetch", "lebel2023", "--yes"])
    assert isinstance(result.exception, StoreError)
    assert "--participants" in str(result.exception.hint)


def test_links_of_a_datalad_clone_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LeBel2023, "resources", staticmethod(lambda **_: (resource("ds/b.hf5"),)))
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    (tmp_path / "ds").mkdir()
    (tmp_path / "ds" / "b.hf5").symlink_to("../.git/annex/objects/x/y/MD5E-s500--00/MD5E-s500--00")
    result = CliRunner().invoke(app, ["fetch", "lebel2023", "--dry-run"])
    assert "`datalad get` brings them" in result.output


class TestListing:
    @pytest.fixture
    def clone(self, tmp_path: Path) -> Path:
        folder = tmp_path / "ds000001"
        put(folder, "words/b.tsv", b"b")
        put(folder, "words/a.tsv", b"a")
        put(folder, ".git/config")
        put(folder, ".datalad/config")
        key = f"MD5E-s77--{'0' * 32}.nii.gz"
        (folder / "func").mkdir()
        (folder / "func" / "x.nii.gz").symlink_to(f"../.git/annex/objects/a/b/{key}/{key}")
        return folder

    def test_files_and_links_of_git_annex(self, clone: Path) -> None:
        assert list_folder(clone) == {
            "func/x.nii.gz": (77, f"md5:{'0' * 32}"),
            "words/a.tsv": (1, hashlib.sha256(b"a").hexdigest()),
            "words/b.tsv": (1, hashlib.sha256(b"b").hexdigest()),
        }

    def test_from_the_command_line_and_read_again(self, clone: Path, tmp_path: Path) -> None:
        target = tmp_path / "set.json"
        arguments = ["new", "listing", str(clone), "--into", str(target), "--match", "words/*"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        assert "2 files" in result.output
        entries: Any = json.loads(target.read_text())
        assert list(entries) == ["words/a.tsv", "words/b.tsv"]

    def test_faults(self, clone: Path) -> None:
        with pytest.raises(DataError, match="no file of"):
            list_folder(clone, ["*.mat"])
        with pytest.raises(DataError, match="no folder"):
            list_folder(clone / "absent")
        (clone / "lost").symlink_to("nowhere")
        with pytest.raises(DataError, match="leads nowhere"):
            list_folder(clone)
