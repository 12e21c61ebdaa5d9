"""netCDF files that are there whole or not at all, and errors that say what the system refused."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from harness.store.atomic import writing
from harness.store.seal import seal

_OVERHEAD = 2**16
"""Bytes that a netCDF file has beside its values, at most."""
_TRIED = 2**26
"""Bytes that are written at most to learn why a file could not be."""


def write_netcdf(
    path: Path, write: Callable[[Path], object], *, nbytes: int = 0, name: str = ""
) -> None:
    """Write a netCDF file.

    The library says "HDF error" or "permission denied" whatever it is refused, and keeps a file
    open that it could not write, whose bytes stay taken on a full disk. So the disk is asked first
    where it is known how much comes; a file that failed gives its bytes back; and the system is
    asked what it refused. (The library may take those bytes again until the process ends.)

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
    with writing(path) as beside:
        if nbytes and shutil.disk_usage(beside.parent).free < nbytes:
            raise OSError(errno.ENOSPC, "no space is left on the device")
        try:
            write(beside)
        except (RuntimeError, PermissionError) as error:
            os.truncate(beside, 0)
            _ask(beside, nbytes or _TRIED)
            # The disk has room, and the folder takes files: what is wrong is not the store.
            raise RuntimeError(f"NetCDF cannot write {path}: {error}") from error
        if name:
            seal(beside, name)


def _ask(beside: Path, nbytes: int) -> None:
    """Let the system say what it refuses: write as much beside a file that could not be written."""
    probe = beside.with_name(f"{beside.name}.probe")
    try:
        probe.write_bytes(bytes(min(nbytes + _OVERHEAD, _TRIED)))
    finally:
        probe.unlink(missing_ok=True)
