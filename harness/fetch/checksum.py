"""Checksums of files, remembered, so that a large file is read once and not on every run."""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from harness.errors import StoreError
from harness.place.locate import cache_folder
from harness.store.atomic import writing

_BLOCK = 1 << 20
_SMALL = 64 << 20
_BLOCKS, _SAMPLED = 64, 64 << 10
_PAGE = 4096
_MAPPED = 256 << 20
_PAGES = "page_sums"
MEMORY = "checksums"
"""Folder of the cache that holds what is remembered."""


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
    """Return the sha256 of a file, from memory while the file is the same to the system.

    That is its inode, its size and both its times: a copy over it that keeps the time of the
    content gives another inode or another time of change. A bit that flips on the disk changes none
    of them, so whoever reads all of the bytes anyway hashes them then, and calls :func:`forget`
    where they are not those.

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
    facts = _facts(real)
    memory = _memory(real)
    known = _read(memory) or {}
    fresh = facts.items() <= known.items()
    if fresh and algorithm in known:
        return str(known[algorithm])
    digest = digest_of(real, algorithm)
    _write(memory, {**(known if fresh else facts), algorithm: digest})
    return digest


def content_sha256(path: Path) -> str:
    """Return the sha256 of a file that its owner may replace, whatever its times say.

    A file of up to 64 MiB is read whole each time. Of a larger one the sha256 is remembered while
    inode, size and both times are the same and a sample of its bytes is, too (64 blocks of 64 KiB,
    evenly spread): that takes 4 MiB of reading.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    real = path.resolve(strict=True)
    if real.stat().st_size <= _SMALL:
        return sha256_of(real)
    sample = _sampled(real)
    if (_read(_memory(real)) or {}).get("sample", sample) != sample:
        forget(real)
    found = remembered_sha256(real)
    _write(_memory(real), {**(_read(_memory(real)) or {}), "sample": sample})
    return found


def _sampled(path: Path) -> str:
    size, digest = path.stat().st_size, hashlib.sha256()
    with path.open("rb") as stream:
        for number in range(_BLOCKS):
            stream.seek(number * max(0, size - _SAMPLED) // (_BLOCKS - 1))
            digest.update(stream.read(_SAMPLED))
    return digest.hexdigest()


def unchanged(path: Path, sha256: str, begun: Callable[[], object] = lambda: None) -> bool:
    """Whether a file has the sha256 that it had, from all its bytes as they are now.

    sha256 is what a file is known by: it is taken again of a file that is not the same to the
    system. One that is can only have rotted, and for that page sums do, which take a quarter of the
    time (see :func:`page_sums`); they are taken, and remembered, when the sha256 is.

    Parameters
    ----------
    path : Path
    sha256 : str
        In hexadecimal digits.
    begun : callable, optional
        Called when all that is left to do is to read, which holds up no other thread.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    real = path.resolve(strict=True)
    known, facts = _read(_memory(real)) or {}, _facts(real)
    fresh = facts.items() <= known.items() and known.get("sha256") == sha256
    if fresh and _PAGES in known:
        return page_sums(real, begun) == known[_PAGES]
    begun()
    if sha256_of(real) != sha256:
        return False
    _write(
        _memory(real), {**(known if fresh else facts), "sha256": sha256, _PAGES: page_sums(real)}
    )
    return True


def page_sums(path: Path, begun: Callable[[], object] = lambda: None) -> str:
    """Return the sha256 over the sum of the 64-bit words of each 4 KiB, and over what is left.

    Any change within one word shows, and so does a page in another's place; who wants to change a
    file without that can, and must keep its inode and both its times as well.

    The file is mapped, and each 256 MiB are added up in one call that does not hold Python's lock:
    with many calls this waits for whoever holds it (a tokenizer that is read holds it for 55 ms at
    a time), and ends long after what it runs beside.

    Parameters
    ----------
    path : Path
    begun : callable, optional
        Called right before the first of those calls.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    import numpy as np

    found, size = hashlib.sha256(), path.stat().st_size
    with path.open("rb") as stream:
        for start in range(0, size, _MAPPED):
            length = min(_MAPPED, size - start)
            with mmap.mmap(stream.fileno(), length, access=mmap.ACCESS_READ, offset=start) as view:
                whole = length - length % _PAGE
                words = np.frombuffer(view, np.uint64, count=whole // 8).reshape(-1, _PAGE // 8)
                begun()
                sums = np.add.reduce(words, axis=1)
                del words  # a map that something looks at cannot be closed
                found.update(sums.tobytes())
                found.update(view[whole:])
    begun()
    return found.hexdigest()


def forget(path: Path) -> None:
    """Forget the checksums of a file: it is read when they are asked for next."""
    with suppress(OSError):
        _memory(path.resolve()).unlink(missing_ok=True)


def remembered() -> Iterator[tuple[Path, str]]:
    """Give each file whose sha256 is remembered, and that the system has not seen change since."""
    for memory in sorted((cache_folder() / MEMORY).glob("*.json")):
        said = _read(memory) or {}
        path = Path(str(said.get("path", "")))
        try:
            fresh = _facts(path).items() <= said.items()
        except OSError:
            continue
        if fresh and "sha256" in said:
            yield path, str(said["sha256"])


def _facts(real: Path) -> dict[str, object]:
    status = real.stat()
    return {
        "path": str(real),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
        "inode": status.st_ino,
    }


def _memory(real: Path) -> Path:
    return cache_folder() / MEMORY / f"{hashlib.sha256(str(real).encode()).hexdigest()}.json"


def _read(memory: Path) -> dict[str, object] | None:
    try:
        content = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _write(memory: Path, content: dict[str, object]) -> None:
    with suppress(StoreError, OSError), writing(memory) as beside:
        beside.write_text(json.dumps(content), encoding="utf-8")
