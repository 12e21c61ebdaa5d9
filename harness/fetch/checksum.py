"""Checksums of files, remembered, so that a large file is read once and not on every run."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from harness.errors import StoreError
from harness.place.locate import cache_folder
from harness.store.atomic import writing

_BLOCK = 1 << 20


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, read now.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    return digest_of(path, "sha256")


def digest_of(path: Path, algorithm: str) -> str:
    """Return the ``sha256``, ``sha1`` or ``md5`` of a file, in hexadecimal digits, read now."""
    # md5 and sha1 are what some hosts publish; they find damage here, not forgery.
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False))
    return found.hexdigest()


def git_blob_sha1(path: Path) -> str:
    """Return the identifier that git gives to a file's bytes: sha1 of a short header and them."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def remembered_sha256(path: Path) -> str:
    """Return the sha256 of a file, from memory while its size and time of change are the same.

    What is remembered lies in the cache, one small file for each path, so that processes do not
    wait for each other. A cache that cannot be written costs time and nothing else.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    return remembered_digest(path, "sha256")


def remembered_digest(path: Path, algorithm: str) -> str:
    """Return the ``sha256``, ``sha1`` or ``md5`` of a file, remembered in the same way.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    real = path.resolve(strict=True)
    status = real.stat()
    facts = {"path": str(real), "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    memory = cache_folder() / "checksums" / f"{hashlib.sha256(str(real).encode()).hexdigest()}.json"
    remembered = _read(memory) or {}
    fresh = all(remembered.get(key) == facts[key] for key in facts)
    if fresh and algorithm in remembered:
        return str(remembered[algorithm])
    digest = digest_of(real, algorithm)
    _write(memory, {**(remembered if fresh else facts), algorithm: digest})
    return digest


def _read(memory: Path) -> dict[str, object] | None:
    try:
        content = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _write(memory: Path, content: dict[str, object]) -> None:
    with suppress(StoreError, OSError), writing(memory) as beside:
        beside.write_text(json.dumps(content), encoding="utf-8")
