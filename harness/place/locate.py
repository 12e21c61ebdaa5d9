"""Where files are looked for on this machine."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from harness.errors import DataError, FetchError
from harness.place.place import DATA_VARIABLE as DATA_VARIABLE
from harness.place.place import here


def data_folders() -> tuple[Path, ...]:
    """Return the folders that hold data sets (``BRAINPRESS_DATA``), in order, there or not."""
    return here().data


def cache_folder() -> Path:
    """Return the folder for what can be had again: ``BRAINPRESS_CACHE``, else the user's cache."""
    return here().cache


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
