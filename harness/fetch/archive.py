"""Files of a zip archive on this machine: read where they lie, never unpacked into a folder.

What an archive calls its files is looked up and compared, and never becomes a path: a name with
``..`` or a slash at its front leads nowhere. zipfile compares what it read with the archive's own
CRC; whoever knows a checksum of the whole archive has compared that before
(:func:`harness.fetch.download.located`).
"""

from __future__ import annotations

import errno
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO

from harness.errors import FetchError

MOST_BYTES = 4 << 30
"""A member that says it is longer than this is not read into memory."""


def members(archive: Path) -> dict[str, int]:
    """Return the files of an archive and their bytes, unpacked, in its own order.

    Parameters
    ----------
    archive : Path
        A zip file.

    Raises
    ------
    FetchError
        It is not a whole zip file.
    """
    with _opened(archive) as zipped:
        return {info.filename: info.file_size for info in zipped.infolist() if not info.is_dir()}


@contextmanager
def open_member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    """Open one file of an archive for reading, in a ``with`` statement.

    Parameters
    ----------
    archive : Path
        A zip file.
    member : str
        Its path inside the archive; ``*`` may stand for a part of it.

    Raises
    ------
    FetchError
        There is not exactly one such file, it is encrypted or packed in a way that Python does not
        know, or its bytes, or the archive, are damaged: this may be found while it is read.
    """
    with _opened(archive) as zipped:
        names = [name for name in zipped.namelist() if fnmatchcase(name, member)]
        if len(names) != 1:
            found = ", ".join(names) if names else "none"
            raise FetchError(f"{archive.name} has {len(names)} files like {member}: {found}")
        try:
            stream = zipped.open(names[0])
        except (RuntimeError, NotImplementedError) as error:  # encrypted; an unknown method
            raise FetchError(
                f"{archive.name} holds {names[0]}, which cannot be read: {error}"
            ) from (error)
        with stream:
            yield stream


def read_member(archive: Path, member: str, most: int = MOST_BYTES) -> bytes:
    """Read one file of an archive into memory.

    Parameters
    ----------
    archive : Path
        A zip file.
    member : str
        Its path inside the archive, as :func:`members` has it.
    most : int
        More bytes than this are refused before any is read.

    Raises
    ------
    FetchError
        See :func:`open_member`; or it is longer than ``most``.
    """
    size = members(archive).get(member, 0)
    if size > most:
        raise FetchError(
            f"{archive.name} says that {member} has {size:,} bytes; at most {most:,} are read",
            "this is not the archive that was meant: fetch it again",
        )
    with open_member(archive, _plain(member)) as stream:
        return stream.read()


def _plain(member: str) -> str:
    """Return a pattern that fits a name and nothing else."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in member)


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(archive) as zipped:
            yield zipped
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        # A place before the file's start is what the system calls an invalid argument.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise FetchError(
            f"{archive.name} is not a whole zip file: {error}",
            "it was cut short or changed: remove it and fetch it again",
        ) from error
