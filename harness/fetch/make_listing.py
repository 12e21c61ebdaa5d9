"""The listing of a folder: names, sizes, checksums, as a :class:`.listing.Listing` has them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from harness.errors import DataError
from harness.fetch.checksum import sha256_of
from harness.store.atomic import writing

_ANNEXED = re.compile(r"(MD5|SHA1|SHA256)E?-s(\d+)--([0-9a-f]+)")
"""A key of git-annex: how it was made, size, and hash of the content."""


def list_folder(folder: Path, patterns: Sequence[str] = ("*",)) -> dict[str, tuple[int, str]]:
    """Return size and checksum of the files of a folder, by name, sorted.

    A file is read for its sha256. In a clone of a DataLad data set the links of git-annex say size
    and hash of the content, whether it is there or not.

    Parameters
    ----------
    folder : Path
    patterns : sequence of str
        Only files whose name (relative, with ``/``) fits one: ``derivatives/*``.

    Returns
    -------
    dict
        ``(bytes, checksum)``: a sha256, or ``md5:…`` or ``sha1:…`` of a key.

    Raises
    ------
    DataError
        There is no such folder, no file fits, or a link leads nowhere.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    found = {}
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            found[name] = _entry(path)
    if not found:
        raise DataError(f"no file of {folder} fits {' or '.join(patterns)}", "mend --match")
    return found


def _files(folder: Path) -> Iterator[Path]:
    """All files and links of a folder but those of git and DataLad themselves, sorted."""
    paths = []
    for place, within, names in os.walk(folder):
        within[:] = [w for w in within if w not in (".git", ".datalad")]
        links = [w for w in within if Path(place, w).is_symlink()]
        paths += [Path(place, name) for name in (*names, *links)]
    yield from sorted(paths, key=lambda path: path.relative_to(folder).as_posix())


def _entry(path: Path) -> tuple[int, str]:
    if path.is_symlink() and (key := _ANNEXED.match(path.readlink().name)):
        method, size, digest = key.groups()
        return int(size), digest if method == "SHA256" else f"{method.lower()}:{digest}"
    if not path.is_file():
        raise DataError(f"{path} is a link that leads nowhere", "leave it out with --match")
    return path.stat().st_size, sha256_of(path)


def write_listing(entries: dict[str, tuple[int, str]], path: Path) -> None:
    """Write a listing as JSON, a line a name and a number, so that changes show in a diff.

    Raises
    ------
    StoreError
        It cannot be written.
    """
    with writing(path) as beside:
        beside.write_text(json.dumps(entries, indent=0, ensure_ascii=False) + "\n", "utf-8")
