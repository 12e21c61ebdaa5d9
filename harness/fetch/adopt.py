"""Copies of files in any folder: found by name, checked, and linked into the cache."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import DataError
from harness.fetch.checksum import remembered_digest
from harness.fetch.download import cached_path
from harness.fetch.resource import Resource
from harness.store.atomic import explained


@dataclass(frozen=True)
class Adopted:
    """What was found in a folder.

    Parameters
    ----------
    found : dict
        Where each resource is, by address; the cache has a link to it.
    refused : dict
        By address, files of that name and why none of them is taken.
    """

    found: dict[str, Path]
    refused: dict[str, str]


def adopt(resources: Iterable[Resource], folder: Path) -> Adopted:
    """Look for files by name in a folder and those in it, in whatever order they lie there.

    Size and checksum decide where they are known. Where nobody stated any, a file is taken only if
    its folder has the right name, too, or if no other has its name and no other is wanted.

    Parameters
    ----------
    resources : iterable of Resource
    folder : Path

    Raises
    ------
    DataError
        There is no such folder.
    StoreError
        The cache cannot be written.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", "give the folder that holds the copies")
    wanted = list(resources)
    alike: dict[str, int] = defaultdict(int)
    for resource in wanted:
        alike[resource.name] += 1
    places = _by_name(folder, set(alike))
    found, refused = {}, {}
    for resource in wanted:
        candidates = sorted(places.get(resource.name, ()), key=lambda p: -_shared(p, resource))
        reasons = []
        for path in candidates:
            lonely = len(candidates) == 1 and alike[resource.name] == 1
            if reason := _unfit(path, resource, lonely):
                reasons.append(f"{path} {reason}")
                continue
            _link(path, cached_path(resource))
            found[resource.address] = path
            break
        else:
            if reasons:
                refused[resource.address] = reasons[0]
    return Adopted(found, refused)


def _by_name(folder: Path, names: set[str]) -> dict[str, list[Path]]:
    places: dict[str, list[Path]] = defaultdict(list)
    for place, within, files in os.walk(folder):
        within[:] = sorted(w for w in within if w != ".git")
        for name in files:
            # The link of a git-annex whose content is not here is no file.
            if name in names and (path := Path(place, name)).is_file():
                places[name].append(path.absolute())
    return places


def _shared(path: Path, resource: Resource) -> int:
    """Count the names at the end of both paths that are the same."""
    pairs = zip(reversed(path.parts), reversed(PurePosixPath(resource.where).parts), strict=False)
    count = 0
    for own, right in pairs:
        if own != right:
            break
        count += 1
    return count


def _unfit(path: Path, resource: Resource, lonely: bool) -> str:
    size = path.stat().st_size
    if resource.size is not None and size != resource.size:
        return f"has {size:,} bytes where {resource.size:,} are expected"
    algorithm, _, expected = resource.digest.partition(":")
    if expected and (digest := remembered_digest(path, algorithm)) != expected:
        return f"has {algorithm} {digest} where {expected} is expected"
    if not expected and not lonely and _shared(path, resource) < 2:
        return "may be another one: nobody states its checksum, and its folder has another name"
    return ""


def _link(path: Path, target: Path) -> None:
    with explained(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(path)
