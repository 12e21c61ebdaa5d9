"""``brainpress fetch``: sizes first, then the files, from a host on the loopback interface."""

from __future__ import annotations

import hashlib
import shutil
from collections import namedtuple

import pytest
from brainpress_plugins.benchmarks.neural.lebel2023 import LeBel2023
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import ChecksumError, FetchError
from harness.fetch.resource import Resource

TEXT, RESPONSES = b"words" * 100, b"voxels" * 1000


@pytest.fixture
def offered(host, monkeypatch):
    """A benchmark whose files are on the host: one of known size and checksum, one of neither."""
    known = Resource(
        "words.txt",
        host.put("/words.txt", TEXT),
        hashlib.sha256(TEXT).hexdigest(),
        size=len(TEXT),
        licence="CC0-1.0",
        where="study/words.txt",
    )
    unknown = Resource(
        "one.hf5", host.put("/one.hf5", RESPONSES), "", licence="CC0-1.0", where="study/one.hf5"
    )
    files = [known, unknown]
    monkeypatch.setattr(LeBel2023, "resources", staticmethod(lambda **_: tuple(files)))
    monkeypatch.setenv("COLUMNS", "200")
    return files


def asked(*arguments, answer=""):
    return CliRunner().invoke(app, ["fetch", "lebel2023", *arguments], input=answer)


def test_sizes_come_first_and_nothing_without_a_yes(offered, host, cache):
    result = asked(answer="n\n")
    assert result.exit_code == 1
    assert "2 files, 0 of them on this machine" in result.output
    assert "500 B  study/words.txt  sha256" in result.output
    assert "5.9 KiB  study/one.hf5  no checksum" in result.output
    assert "to fetch: 6.3 KiB;" in result.output
    assert "licence: CC0-1.0" in result.output
    assert not any(a.method == "GET" for a in host.asked)
    assert not list(cache.rglob("*.hf5"))


def test_files_are_brought_and_not_again(offered, host):
    result = asked("--yes")
    assert result.exit_code == 0, result.output
    assert result.output.count("here /") == 2
    again = asked("--yes")
    assert "2 files, 2 of them on this machine" in again.output
    assert [a.path for a in host.asked if a.method == "GET"] == ["/words.txt", "/one.hf5"]


def test_a_wrong_file_is_told_and_the_others_stay(offered, host, cache):
    host.put("/one.hf5", RESPONSES)
    offered[1] = Resource("one.hf5", offered[1].address, "0" * 64, where="study/one.hf5")
    result = asked("--yes")
    assert isinstance(result.exception, ChecksumError)
    assert "/one.hf5" in result.exception.message
    assert [p.name for p in cache.rglob("*") if p.is_file() and p.suffix == ".txt"]
    assert not list(cache.rglob("*.hf5"))


def test_lost_files_do_not_keep_others_away(offered, host):
    lost = [Resource(f"{i}.x", f"{host.address}/{i}.x", "", size=1, where=f"{i}.x") for i in (1, 2)]
    offered[:0] = lost
    result = asked("--yes")
    assert result.exit_code == 1
    assert result.output.count("here /") == 2
    assert "failed 1.x" in result.output
    assert isinstance(result.exception, FetchError)
    assert "2 files could not be fetched; the last: " in result.exception.message
    assert "/2.x" in result.exception.message


def test_a_host_that_has_nothing_is_not_asked_for_everything(offered, host):
    host.routes.clear()
    offered[:] = [
        Resource(f"{i}.x", f"{host.address}/{i}.x", "", size=1, where=f"{i}.x") for i in range(9)
    ]
    result = asked("--yes")
    assert "3 files could not be fetched (stopped after 3 in a row)" in result.exception.message
    assert len({a.path for a in host.asked}) == 3


def test_many_files_are_a_line_a_folder(offered, host):
    offered[:] = [
        Resource(f"{i}.nii", f"{host.address}/{i}.nii", "", size=1024, where=f"study/{i % 2}/{i}")
        for i in range(60)
    ]
    result = asked("--dry-run")
    assert "60 files, 0 of them" in result.output
    for folder in ("study/0/", "study/1/"):
        assert f"30.0 KiB  {folder}  30 files  no checksum" in result.output
    assert "to fetch: 60.0 KiB" in result.output


def test_what_nobody_tells_and_what_does_not_fit(offered, host, monkeypatch):
    del host.routes["/one.hf5"]
    full = namedtuple("usage", "total used free")(100, 0, 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    result = asked("--dry-run")
    assert "size unknown  study/one.hf5" in result.output
    assert "to fetch: 500 B or more; 100 B free" in result.output
    assert "1 size is not known" in result.output
    assert "they do not fit: set BRAINPRESS_CACHE" in result.output
