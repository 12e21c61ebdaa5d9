"""netCDF files that are there whole or not at all, and errors that say what the system refused."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from harness.store.atomic import explained, temporary
from harness.store.seal import seal

_OVERHEAD = 2**16
"""Bytes that a netCDF file has beside its values, at most."""
_TRIED = 2**26
"""Bytes that are written at most to learn why a file could not be."""
_AGAIN = 3
"""How often a file is begun that the library takes for another one."""


def write_netcdf(
    path: Path, write: Callable[[Path], object], *, nbytes: int = 0, name: str = ""
) -> None:
    """Write a netCDF file.

    The library reports whatever refuses as "HDF error", and one file that could not be written can
    spoil the next: it stays open, and a file that gets its inode is taken for it ("permission
    denied"). So the disk is asked first where it is known how much comes, the system is asked what
    it refused, and a file that is ours and is "denied" is begun anew.

    Parameters
    ----------
    path : Path
    write : callable
        Writes to the path that it is given.
    nbytes : int
        Bytes of the values, where no packing makes them fewer; 0: not known.
    name : str
        Name of the seal; empty: none.

    Raises
    ------
    StoreError
        The folder is read-only, full or not a folder.
    """
    with ExitStack() as tried:  # a file that was denied keeps its inode until another is written
        for attempt in range(_AGAIN):
            beside = tried.enter_context(temporary(path))
            tried.enter_context(explained(path.parent))
            if nbytes and shutil.disk_usage(beside.parent).free < nbytes:
                raise OSError(errno.ENOSPC, "no space is left on the device")
            try:
                write(beside)
            except PermissionError:
                if attempt + 1 == _AGAIN or not os.access(beside, os.W_OK):
                    raise
                continue
            except RuntimeError:
                _ask(beside, nbytes or _TRIED)
                raise
            if name:
                seal(beside, name)
            os.replace(beside, path)
            return


def _ask(beside: Path, nbytes: int) -> None:
    """Let the system say what it refuses: write as much beside a file that could not be written."""
    probe = beside.with_name(f"{beside.name}.probe")
    try:
        probe.write_bytes(bytes(min(nbytes + _OVERHEAD, _TRIED)))
    finally:
        probe.unlink(missing_ok=True)
