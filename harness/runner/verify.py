"""Everything in a store and in the cache, read and held against what it was when it was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.fetch.checksum import forget, remembered, sha256_of
from harness.place.place import Place
from harness.store.leftovers import sweep
from harness.store.seal import fault
from harness.store.store import Kind, Store

_Check = Callable[[], str]
SEALED = {"electrodes": "npy", "volumes": "npy", "gum-probes": "json"}
"""Folders of the cache whose files carry a seal, and how these end."""


@dataclass(frozen=True)
class Verified:
    """What a look at everything found.

    Parameters
    ----------
    files, nbytes : int
        Number of files that were read, and their size in bytes.
    set_aside : tuple of (Path, str)
        Files of brainpress that did not fit, by their old names, and why: they are made again.
    damaged : tuple of (Path, str)
        Files of others (models, data sets) that are not what they were: they are left as they are.
    swept : tuple of Path
        Temporary files of writes that were killed; they are gone.
    """

    files: int
    nbytes: int
    set_aside: tuple[tuple[Path, str], ...]
    damaged: tuple[tuple[Path, str], ...]
    swept: tuple[Path, ...]


def verify(place: Place, progress: Callable[[int, int], None] | None = None) -> Verified:
    """Read the whole store, what was prepared in the cache, and every file whose checksum is known.

    Parameters
    ----------
    place : Place
    progress : callable, optional
        Called with bytes done and bytes in all.

    Raises
    ------
    StoreError
        The system does not let a file be read or renamed.
    """
    store = Store(place.store)
    swept = [path for root in (store.root, place.cache) if root.is_dir() for path in sweep(root)]
    ours = [*_stored(store), *_cached(place.cache)]
    theirs = [(path, digest) for path, digest in remembered() if path.is_file()]
    sizes = [path.stat().st_size for path, _ in [*ours, *theirs]]
    total, done = sum(sizes), 0
    set_aside: list[tuple[Path, str]] = []
    damaged: list[tuple[Path, str]] = []
    for (path, check), size in zip(ours, sizes, strict=False):
        if why := check():
            store.set_aside(path)
            set_aside.append((path, why))
        done += size
        if progress:
            progress(done, total)
    for (path, digest), size in zip(theirs, sizes[len(ours) :], strict=True):
        if sha256_of(path) != digest:
            forget(path)
            damaged.append((path, "its bytes are not those that were read before"))
        done += size
        if progress:
            progress(done, total)
    return Verified(len(sizes), total, tuple(set_aside), tuple(damaged), tuple(swept))


def _stored(store: Store) -> Iterator[tuple[Path, _Check]]:
    """Give each file of a store, and what says why it does not fit."""
    for kind in Kind:
        for path in sorted((store.root / kind).glob("*/*.nc")):
            yield path, partial(store.fault, kind, path.stem)
    for path in sorted((store.root / "weights").glob("*/*.safetensors")):
        yield path, partial(_tensor_fault, path, f"weights/{path.stem}")
    for path in sorted((store.root / "unfinished").glob("*/*/*.npz")):
        yield path, partial(fault, path, f"unfinished/{path.parent.name}/{path.stem}")
    for path in sorted((store.root / "blocks").glob("*/*.safetensors")):
        yield path, partial(_tensor_fault, path, f"blocks/{path.parent.name}/{path.stem}")


def _cached(cache: Path) -> Iterator[tuple[Path, _Check]]:
    """Give what is kept in the cache because it takes long to make, and the check of each."""
    for kind, ending in SEALED.items():
        for path in sorted((cache / kind).glob(f"*.{ending}")):
            yield path, partial(fault, path, f"{kind}/{path.stem}")
    for path in sorted((cache / "calibration").glob("*.safetensors")):
        yield path, partial(_tensor_fault, path, f"calibration/{path.stem}")


def _tensor_fault(path: Path, name: str) -> str:
    from harness.compress.report.tensor_file import tensor_fault  # imports torch

    return tensor_fault(path, name)
