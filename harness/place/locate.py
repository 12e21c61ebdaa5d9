"""Where files are looked for on this machine."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from harness.errors import DataError, FetchError

DATA_VARIABLE = "BRAINPRESS_DATA"
CACHE_VARIABLE = "BRAINPRESS_CACHE"


def data_folders() -> tuple[Path, ...]:
    """Return the folders of ``BRAINPRESS_DATA`` (a path list), in order, there or not."""
    entries = os.environ.get(DATA_VARIABLE, "").split(os.pathsep)
    return tuple(Path(entry).expanduser() for entry in entries if entry.strip())


def cache_folder() -> Path:
    """Return the folder for what can be had again: ``BRAINPRESS_CACHE``, else the user's cache."""
    chosen = os.environ.get(CACHE_VARIABLE, "").strip()
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("brainpress", appauthor=False))


def candidates(relative: str) -> tuple[Path, ...]:
    """Return the places where a file or folder of the data folders may be.

    Raises
    ------
    FetchError
        ``relative`` is not a relative path inside the data folders.
    """
    path = PurePosixPath(relative)
    if not relative or path.is_absolute() or ".." in path.parts:
        raise FetchError(f"{relative!r} is not a relative path inside a data folder")
    return tuple(folder.joinpath(*path.parts) for folder in data_folders())


def find(relative: str) -> Path | None:
    """Return the first file or folder at a relative path in the data folders, or None.

    Raises
    ------
    FetchError
        ``relative`` is not a relative path inside the data folders.
    """
    return next((path for path in candidates(relative) if path.exists()), None)


def find_folder(folder: str, hint: str) -> Path:
    """Return a user's folder: a path, or a name in a data folder.

    Parameters
    ----------
    folder : str
    hint : str
        What the user can do when it is not there.

    Raises
    ------
    DataError
        There is no such folder.
    """
    path = Path(folder).expanduser()
    if not path.is_absolute():
        path = find(folder) or path
    if not path.is_dir():
        raise DataError(f"there is no folder {folder!r} here or in a data folder", hint)
    return path
