"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import StoreError
from harness.store.leftovers import SHOWN, stale, temporary_name
from harness.store.stopping import unhurried

_REASONS = {
    errno.ENOSPC: "no space is left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than is allowed (ulimit -f)",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENAMETOOLONG: "a name in the path is too long",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EEXIST: "a part of the path is a file",
}


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; on success it takes ``path``'s place.

    Yields
    ------
    Path
        A new name in the same folder. Whatever happens, it is gone afterwards.

    Raises
    ------
    StoreError
        The folder is read-only, full or not a folder.
    """
    with unhurried(), temporary(path) as beside, explained(path.parent):
        yield beside
        os.replace(beside, path)


@contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """Make an empty file beside ``path``, and remove it afterwards if it is still there.

    Its name says which process writes it: what a killed one leaves is swept when the same file is
    written again, and by :func:`harness.store.leftovers.sweep`.
    """
    with explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in stale(path.parent, f".{path.name[:SHOWN]}.~"):
            left.unlink(missing_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{temporary_name(path)}.", dir=path.parent)
        # mkstemp makes files for their owner alone; a lab shares its store.
        os.close(handle)
        os.chmod(name, 0o666 & ~_umask())
    beside = Path(name)
    try:
        yield beside
    finally:
        beside.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusals into a StoreError that names the folder."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0)
        if reason is None:
            raise
        raise StoreError(
            f"cannot write in {folder}: {reason}",
            "free some space, or choose another folder: --store DIR or BRAINPRESS_STORE for "
            "results, BRAINPRESS_CACHE for downloads",
        ) from error
