"""Temporary files of writes that were killed: whose they are, and when they may go."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

SHOWN = 24
"""Characters of a file's name that the name of its temporary file begins with."""

_NAME = re.compile(r"\..+\.~(?P<machine>[0-9a-f]{8})-(?P<process>\d+)(\..+)?", re.S)
_EARLIER = re.compile(r"\.[0-9a-f.]{1,26}\.[a-z0-9_]{8}|\.gguf-[0-9a-f]+-v\d+\.\d+")
"""Names that brainpress 0.1 gave before they told the process."""
_DAY = 86400.0


def temporary_name(path: Path) -> str:
    """Return a name for a file or folder that this process writes beside ``path``."""
    return f".{path.name[:SHOWN]}.~{machine()}-{os.getpid()}"


def sweep(root: Path) -> list[Path]:
    """Remove what killed processes left under a folder; return what was removed.

    A file stays while the process that writes it lives; one of another machine stays for a day
    after its last change.
    """
    swept = []
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = Path(folder) / name
            if not name.startswith(".") or not _left(path):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
                folders.remove(name)
            else:
                path.unlink(missing_ok=True)
            swept.append(path)
    return swept


def stale(folder: Path, prefix: str) -> Iterator[Path]:
    """Give the files of a folder that begin so and that a killed process left."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(prefix)]
    return (path for path in map(folder.joinpath, names) if _left(path))


def _left(path: Path) -> bool:
    """Whether nobody writes a temporary file any more."""
    found = _NAME.fullmatch(path.name)
    if found is None and not _EARLIER.fullmatch(path.name):
        return False
    if found is not None and found["machine"] == machine():
        return not alive(int(found["process"]))
    try:
        return time.time() - path.lstat().st_mtime > _DAY
    except FileNotFoundError:
        return False


def alive(process: int) -> bool:
    """Whether a process of this machine is there."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


@cache
def machine() -> str:
    """Return what tells apart where process numbers mean the same: host, boot and namespace."""
    said = platform.node()
    with suppress(OSError):  # Linux alone has them
        said += Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        said += os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(said.encode()).hexdigest()[:8]
