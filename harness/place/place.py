"""Where a run happens: network, memory, device and folders, as one value.

A verb (``run``, ``plan``, ``fetch``, ``doctor``, ``board verify``) makes a :class:`Place` once and
hands it down; a job carries it to its worker. A benchmark's constructor and its ``score`` have
signatures of their own and cannot be given it: for them, and for the files that they ask for, the
place is *entered* by whoever calls them, and :func:`here` reads it. That is the only context
variable of brainpress.

Nothing of a place changes a result beyond rounding, so it is in no key.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.place.memory import most
from harness.place.size import parse_size

CACHE_VARIABLE = "BRAINPRESS_CACHE"
DATA_VARIABLE = "BRAINPRESS_DATA"
OFFLINE_VARIABLE = "BRAINPRESS_OFFLINE"
STORE_VARIABLE = "BRAINPRESS_STORE"
MEMORY = 8 * 2**30
"""Bytes that scoring voxels may take, where nothing else is said."""
SCORING = 0.6
"""Share of all memory that scoring voxels may take at most."""


@dataclass(frozen=True)
class Place:
    """Where a run happens.

    Parameters
    ----------
    cache : Path
        Folder of what can be had again: downloads, converted models.
    store : Path
        Folder of the results.
    data : tuple of Path
        Folders that hold data sets, in the order in which they are searched.
    offline : bool
        Whether the network is off.
    memory : int
        Bytes that scoring voxels may take.
    device : str
        A torch device (``cpu``, ``cuda``, ``cuda:1``, ``mps``), or ``auto``: CUDA where there is
        one.
    most_bytes : int, optional
        Set where strangers' addresses are fetched: over https, from public hosts, and no file or
        repository larger than this (:mod:`harness.fetch.guarded`).
    most_seconds : float, optional
        Likewise: how long a file or a repository may take.
    unfinished : Path, optional
        Folder of work in progress, from which a killed run goes on; set for one cell at a time.
    """

    cache: Path
    store: Path
    data: tuple[Path, ...] = ()
    offline: bool = False
    memory: int = MEMORY
    device: str = "auto"
    most_bytes: int | None = None
    most_seconds: float | None = None
    unfinished: Path | None = None

    @classmethod
    def make(
        cls,
        *,
        offline: bool = False,
        memory: int | str | None = None,
        device: str = "auto",
        store: Path | str | None = None,
    ) -> Place:
        """Make a place of what a user says; the environment says the rest.

        Parameters
        ----------
        offline : bool
            Turn the network off; ``BRAINPRESS_OFFLINE=1`` does so, too.
        memory : int or str, optional
            Bytes, or a size such as ``8GiB``.
        device : str
        store : Path or str, optional
            Default: ``BRAINPRESS_STORE``, else a folder in the cache.

        Raises
        ------
        HarnessError
            ``memory`` is not a size, a path cannot be one, or ``BRAINPRESS_OFFLINE`` says neither
            yes nor no.
        """
        cache = _cache()
        return cls(
            cache=cache,
            store=_store(cache) if store is None else folder(str(store), "the store"),
            data=_data(),
            offline=offline or _switched_on(OFFLINE_VARIABLE),
            memory=MEMORY if memory is None else parse_size(str(memory)),
            device=device,
        )

    @property
    def scoring_memory(self) -> int:
        """Bytes that scoring voxels may take here: ``memory``, or less where there is less.

        The limits of the machine, of the cgroup and of the process count; the libraries and a
        recording want their part of it.
        """
        limit = most()
        return min(self.memory, int(SCORING * limit)) if limit else self.memory

    def found_device(self) -> str:
        """Return the device asked for; for ``auto``, the one found on this machine."""
        if self.device != "auto":
            return self.device
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"


_entered: ContextVar[Place | None] = ContextVar("brainpress_place", default=None)


@contextmanager
def entered(place: Place) -> Iterator[Place]:
    """Make a place the one that :func:`here` returns, while open."""
    token = _entered.set(place)
    try:
        yield place
    finally:
        _entered.reset(token)


def here() -> Place:
    """Return the place entered last; outside of any, what the environment says, on the CPU."""
    return _entered.get() or Place.make(device="cpu")


def folder(text: str, what: str) -> Path:
    """Return the path that a user means, ``~`` replaced.

    Parameters
    ----------
    text : str
    what : str
        Names the folder in messages.

    Raises
    ------
    HarnessError
        No path can be so.
    """
    try:
        os.stat(path := Path(text).expanduser())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return path  # said where it is used
    except (RuntimeError, ValueError, OSError) as error:
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        why = getattr(error, "strerror", None) or error
        raise HarnessError(f"{what} cannot be at {shown!r}: {why}", "name another folder") from None
    return path


def _switched_on(variable: str) -> bool:
    said = os.environ.get(variable, "").strip().lower()
    if said in ("1", "true", "yes", "on"):
        return True
    if said in ("", "0", "false", "no", "off"):
        return False
    raise HarnessError(f"{variable}={said[:40]!r} is neither yes nor no", "write 1 or 0")


def _cache() -> Path:
    chosen = os.environ.get(CACHE_VARIABLE, "").strip()
    if chosen:
        return folder(chosen, CACHE_VARIABLE)
    import platformdirs

    return Path(platformdirs.user_cache_dir("brainpress", appauthor=False))


def _data() -> tuple[Path, ...]:
    entries = os.environ.get(DATA_VARIABLE, "").split(os.pathsep)
    return tuple(folder(entry, DATA_VARIABLE) for entry in entries if entry.strip())


def _store(cache: Path) -> Path:
    chosen = os.environ.get(STORE_VARIABLE, "").strip()
    return folder(chosen, STORE_VARIABLE) if chosen else cache / "store"
