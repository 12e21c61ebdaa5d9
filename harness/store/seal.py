"""Seals: a stored file names what it is kept under, and carries a digest of all its bytes.

A seal is one line at the end of a file, after the last byte that the format reads: netCDF-4 (HDF5),
NumPy's ``.npy`` and zip archives end where their own headers say. So whoever opens the file without
brainpress reads it as it is, and numbers, texts, attributes and headers are proved whole alike.

sha256 reads 1.8 GB per CPU second on processors that have instructions for it, .4 GB on others.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from harness.errors import CorruptError

_BLOCK = 2**20
_LONGEST = 512
"""Bytes of a seal, at most."""
_SEAL = re.compile(rb"\nbrainpress-seal (?P<name>[^\s]{1,255}) (?P<digest>[0-9a-f]{64})\n\Z")


def seal(path: Path, name: str) -> None:
    """Put a seal on a file that is written.

    Parameters
    ----------
    path : Path
    name : str
        What the file is kept under (``scores/KEY``), without spaces.
    """
    digest = _digest(path, path.stat().st_size, name)
    with path.open("ab") as file:
        file.write(f"\nbrainpress-seal {name} {digest}\n".encode())
        file.flush()


def fault(path: Path, name: str) -> str:
    """Say why a file is not what was once kept under a name; nothing where it is.

    Raises
    ------
    OSError
        The file is not there, or cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _LONGEST), os.SEEK_SET)
        found = _SEAL.search(file.read())
    if found is None:
        return "it carries no seal: it was cut short, or is of an earlier brainpress"
    if found["name"] != name.encode():
        return f"it was kept as {found['name'].decode(errors='replace')}, not as {name}"
    if _digest(path, size - len(found[0]), name) != found["digest"].decode():
        return "its bytes are not those that were written"
    return ""


def check(path: Path, name: str) -> None:
    """Refuse a file that is not what was once kept under a name.

    Raises
    ------
    CorruptError
        It is of another name, or its bytes have changed.
    OSError
        The file is not there, or cannot be read.
    """
    if why := fault(path, name):
        raise CorruptError(f"{path} does not fit: {why}", "remove it: it is made again")


def _digest(path: Path, length: int, name: str) -> str:
    """Return the sha256 of a name and of the first bytes of a file."""
    found = hashlib.sha256(name.encode() + b"\0")
    buffer = bytearray(_BLOCK)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while length > 0 and (count := file.readinto(view[: min(length, _BLOCK)])):
            found.update(view[:count])
            length -= count
    return found.hexdigest()
