"""Checksums against hashlib and git, and their memory."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.fetch import checksum
from harness.fetch.checksum import (
    digest_of,
    git_blob_sha1,
    remembered_digest,
    remembered_sha256,
    sha256_of,
)

BODY = bytes(range(251)) * 9000  # more than a block, and no multiple of one


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(BODY)
    return path


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    reads: list[Path] = []

    def counting(path: Path, algorithm: str) -> str:
        reads.append(path)
        return digest_of(path, algorithm)

    monkeypatch.setattr(checksum, "digest_of", counting)
    return reads


@pytest.mark.parametrize("body", [b"", b"x", BODY])
def test_sha256_is_hashlibs(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a").write_bytes(body)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(body).hexdigest()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("body", [b"", b"a line\n", BODY])
def test_blob_identifier_is_gits(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a").write_bytes(body)
    command = ["git", "hash-object", "--no-filters", str(tmp_path / "a")]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert git_blob_sha1(tmp_path / "a") == said.strip()


def test_a_file_is_read_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = count_reads(monkeypatch)
    first = remembered_sha256(path)
    assert remembered_sha256(path) == first == hashlib.sha256(BODY).hexdigest()
    assert len(reads) == 1


def test_two_checksums_of_a_file_are_remembered_beside_each_other(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = count_reads(monkeypatch)
    for _ in range(2):
        assert remembered_digest(path, "sha1") == hashlib.sha1(BODY).hexdigest()
        assert remembered_digest(path, "md5") == hashlib.md5(BODY).hexdigest()
        assert remembered_sha256(path) == hashlib.sha256(BODY).hexdigest()
    assert len(reads) == 3
    path.write_bytes(BODY + b"!")
    assert remembered_digest(path, "md5") == hashlib.md5(BODY + b"!").hexdigest()


def test_a_link_is_remembered_as_what_it_points_to(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = count_reads(monkeypatch)
    link = path.with_name("link")
    link.symlink_to(path)
    assert remembered_sha256(link) == remembered_sha256(path)
    assert len(reads) == 1


def test_a_changed_file_is_read_again(path: Path) -> None:
    before = path.stat()
    remembered_sha256(path)
    path.write_bytes(b"!" + BODY[1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert remembered_sha256(path) == hashlib.sha256(b"!" + BODY[1:]).hexdigest()
    path.write_bytes(BODY + b"!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert remembered_sha256(path) == hashlib.sha256(BODY + b"!").hexdigest()


@pytest.mark.parametrize("damage", ["", "not json", "[]", '{"path": 1}'])
def test_a_damaged_memory_is_no_memory(path: Path, cache: Path, damage: str) -> None:
    remembered_sha256(path)
    (memory,) = (cache / "checksums").iterdir()
    memory.write_text(damage)
    assert remembered_sha256(path) == hashlib.sha256(BODY).hexdigest()


def test_a_cache_that_cannot_be_written_costs_time_only(path: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    assert remembered_sha256(path) == hashlib.sha256(BODY).hexdigest()


def test_an_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        remembered_sha256(tmp_path / "gone")


@pytest.mark.parametrize("replaced", ["in place", "by a copy"])
def test_a_file_that_is_replaced_with_its_size_and_time(tmp_path, replaced):
    path = tmp_path / "weights"
    path.write_bytes(b"before")
    first, times = checksum.remembered_sha256(path), path.stat()
    other = path if replaced == "in place" else tmp_path / "other"
    other.write_bytes(b"behind")
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    os.replace(other, path)
    assert checksum.remembered_sha256(path) == checksum.sha256_of(path) != first


def test_content_of_a_large_file_that_only_rots(tmp_path, monkeypatch):
    """Its inode, size and times tell nothing: a sample of its bytes may."""
    monkeypatch.setattr(checksum, "_SMALL", 100)
    path = tmp_path / "responses"
    path.write_bytes(bytes(5_000))
    first = checksum.content_sha256(path)
    assert first == checksum.content_sha256(path) == checksum.sha256_of(path)
    path.write_bytes(bytes(4_999) + b"x")
    memory = checksum._memory(path)
    known = json.loads(memory.read_text())
    memory.write_text(json.dumps({**known, **checksum._facts(path)}))
    assert checksum.remembered_sha256(path) == first
    assert checksum.content_sha256(path) == checksum.sha256_of(path) != first


def test_what_is_remembered_and_forgotten(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"before")
    found = checksum.remembered_sha256(path)
    assert (path, found) in list(checksum.remembered())
    checksum.forget(path)
    assert path not in dict(checksum.remembered())


@pytest.mark.parametrize("size", [0, 7, 4096, 4097, 3 * 4096 * 1024 + 5])
def test_page_sums_are_those_of_a_loop(tmp_path, monkeypatch, size):
    """Against another way to reckon them: Python's own integers."""
    body = random.Random(size).randbytes(size)
    path = tmp_path / "file"
    path.write_bytes(body)
    found = hashlib.sha256()
    monkeypatch.setattr(checksum, "_MAPPED", 4096 * 1024)
    for start in range(0, size, 4096 * 1024):
        block = body[start : start + 4096 * 1024]
        pages = [block[i : i + 4096] for i in range(0, len(block) - len(block) % 4096, 4096)]
        words = [
            [int.from_bytes(p[i : i + 8], sys.byteorder) for i in range(0, 4096, 8)] for p in pages
        ]
        found.update(b"".join((sum(w) % 2**64).to_bytes(8, sys.byteorder) for w in words))
        found.update(block[len(pages) * 4096 :])
    assert checksum.page_sums(path) == found.hexdigest()


@pytest.mark.parametrize("size", [0, 5, 9000])
def test_who_waits_for_the_reading_is_told_that_it_has_begun(tmp_path, size):
    path = tmp_path / "file"
    path.write_bytes(bytes(size))
    told = []
    expected = checksum.remembered_sha256(path)
    for _ in ("sha256", "page sums"):
        assert checksum.unchanged(path, expected, lambda: told.append(1))
        assert told
        told.clear()


def test_every_flip_and_every_swap_of_pages_shows(tmp_path):
    body = bytearray(random.Random(1).randbytes(3 * 4096 + 100))
    path = tmp_path / "file"
    path.write_bytes(body)
    right = checksum.page_sums(path)
    draw = random.Random(2)
    for _ in range(200):
        at, bit = draw.randrange(len(body)), 1 << draw.randrange(8)
        body[at] ^= bit
        path.write_bytes(body)
        assert checksum.page_sums(path) != right
        body[at] ^= bit
    path.write_bytes(body[4096:8192] + body[:4096] + body[8192:])
    assert checksum.page_sums(path) != right


def test_unchanged_is_sha256_the_first_time_and_page_sums_later(tmp_path, monkeypatch):
    path = tmp_path / "weights"
    path.write_bytes(b"abc" * 5000)
    expected = checksum.remembered_sha256(path)
    assert checksum.unchanged(path, expected)
    asked = []
    real = checksum.sha256_of
    monkeypatch.setattr(checksum, "sha256_of", lambda p: asked.append(p) or real(p))
    assert checksum.unchanged(path, expected)
    assert not asked
    assert not checksum.unchanged(path, "0" * 64)
    facts = path.stat()
    raw = bytearray(path.read_bytes())
    raw[777] ^= 1
    path.write_bytes(raw)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert not checksum.unchanged(path, expected)  # the time of change tells
    monkeypatch.setattr(checksum, "_facts", lambda real: {"path": str(real)})
    assert not checksum.unchanged(path, expected)
    path.write_bytes(b"abc" * 5000)
    assert checksum.unchanged(path, expected)
    path.write_bytes(raw)  # to the system it is the same: what rot does
    before = len(asked)
    assert not checksum.unchanged(path, expected)
    assert len(asked) == before
