"""How much memory is left to this process: of the machine, of its cgroup, of its own limits.

A container, a Slurm job and a systemd scope are cgroups; the machine around them may have a hundred
times more, and says so to whoever asks it alone.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import HarnessError

SHARE = 0.95
"""Share of what is left that a process may plan with: the system and the libraries want some."""
_UNLIMITED = 2**60
"""A cgroup without a limit states one of this size or more."""

_WORDS = ("can't allocate memory", "not enough memory", "Cannot allocate memory", "bad_alloc")
"""How libraries say that they were given no memory: torch, its allocator, the system, C++."""
LIBRARIES = 600 * 2**20
"""What Python, torch, transformers, scipy and xarray take before anything is loaded, measured."""
HINT = "--dtype bfloat16 halves a model, --batch-size and --memory a pass and a score"


class NotEnoughMemory(HarnessError):
    """Something would need more memory than is left."""


@dataclass(frozen=True)
class Room:
    """Memory that is left.

    Parameters
    ----------
    size : int
        Bytes that are left.
    total : int
        Bytes of what sets the limit.
    what : str
        What sets it: ``machine``, ``cgroup`` or ``ulimit``.
    """

    size: int
    total: int
    what: str

    def __str__(self) -> str:
        return f"{_gib(self.size)} of the {self.what}'s {_gib(self.total)}"


def available(root: Path = Path("/")) -> Room | None:
    """Return the tightest of what is left to this process.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are.

    Returns
    -------
    Room or None
        None where the system does not say.
    """
    rooms = [*_machine(root), *_cgroups(root), *_rlimits(root)]
    return min(rooms, key=lambda room: room.size, default=None)


def most(root: Path = Path("/")) -> int:
    """Return the bytes that this process could ever have; 0 where the system does not say.

    Unlike what is left it stays the same during a run, and from one to the next.
    """
    rooms = [*_machine(root), *_cgroups(root), *_rlimits(root)]
    return min((room.total for room in rooms), default=0)


def used(root: Path = Path("/")) -> int:
    """Return the bytes of memory that this process has now; 0 where the system does not say."""
    return _field(root / "proc/self/status", "VmRSS:")


def mapped(root: Path = Path("/")) -> int:
    """Return the bytes of files that this process has mapped and read; 0 where nobody says.

    They take no memory of its own, until it writes to them.
    """
    return _field(root / "proc/self/status", "RssFile:")


def check_room(nbytes: int, what: str, hint: str = "", root: Path = Path("/")) -> None:
    """Refuse what would need more memory than is left.

    Parameters
    ----------
    nbytes : int
        Bytes that it needs beyond those that the process has.
    what : str
        Names it, as a subject.
    hint : str
        What to do.

    Raises
    ------
    NotEnoughMemory
        It does not fit.
    """
    room = available(root)
    if room is not None and nbytes > SHARE * room.size:
        raise NotEnoughMemory(f"{what} needs about {_gib(nbytes)} of memory; left are {room}", hint)


def check_libraries(root: Path = Path("/")) -> None:
    """Refuse to begin where the libraries do not fit.

    OpenBLAS, which scipy brings, asks for its buffers again and again for ever where it gets none.

    Raises
    ------
    NotEnoughMemory
        They do not fit.
    """
    check_room(
        max(0, LIBRARIES - used(root)), "Python with its libraries", "allow at least 1 GiB", root
    )


def give_back() -> None:
    """Return what was freed to the system, where the C library keeps it (glibc).

    What a score leaves behind in small pieces is half a GiB; under a limit the next model, whose
    weights come in large ones, would not fit beside it.
    """
    with suppress(OSError, AttributeError, TypeError):  # musl, macOS, Windows
        ctypes.CDLL(None).malloc_trim(0)


def told_memory(error: Exception) -> Exception:
    """Return an error that says what is wrong, where one says in a library's words: no memory.

    Parameters
    ----------
    error : Exception

    Returns
    -------
    Exception
        Itself, where it is of something else.
    """
    if isinstance(error, HarnessError):
        return error
    said = str(error)
    on_card = type(error).__name__ in ("OutOfMemoryError", "AcceleratorError")
    if not (isinstance(error, MemoryError) or on_card or any(word in said for word in _WORDS)):
        return error
    room = available()
    left = "" if on_card or room is None else f"; left are {room}"
    where = " of the card" if on_card else ""
    first = "".join(f": {line}" for line in said.splitlines()[:1])  # Python's own says nothing
    return NotEnoughMemory(f"out of memory{where}{first}{left}", HINT)


def _machine(root: Path) -> Iterator[Room]:
    meminfo = root / "proc/meminfo"
    left, total = _field(meminfo, "MemAvailable:"), _field(meminfo, "MemTotal:")
    if left and total:
        yield Room(left, total, "machine")
    elif root == Path("/"):
        with suppress(ValueError, OSError, AttributeError):  # macOS knows the total alone
            size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
            yield Room(size, size, "machine")


def _cgroups(root: Path) -> Iterator[Room]:
    """Give what the cgroups of this process leave, from its own to the outermost."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        inside = PurePosixPath(path.lstrip("/"))
        # Inside a container the path may be that of the host, and the mount the container's own.
        for folder in dict.fromkeys([base / inside, *map(base.joinpath, inside.parents), base]):
            limit, usage = (_number(folder / name) for name in names)
            if limit is None or usage is None or limit >= _UNLIMITED:
                continue
            # Pages of files that were read count as used, and are given up before anyone is killed.
            stat = folder / "memory.stat"
            whole = "total_" if _field(stat, "total_inactive_file", 1) else ""  # version 1
            lists = ("inactive_file", "active_file")
            cache = sum(_field(stat, whole + name, 1) for name in lists)
            yield Room(max(0, limit - max(0, usage - cache)), limit, "cgroup")


def _rlimits(root: Path) -> Iterator[Room]:
    try:
        import resource
    except ImportError:  # Windows
        return
    status = root / "proc/self/status"
    for limit, field in ((resource.RLIMIT_AS, "VmSize:"), (resource.RLIMIT_DATA, "VmData:")):
        soft, _ = resource.getrlimit(limit)
        if soft != resource.RLIM_INFINITY:
            yield Room(max(0, soft - _field(status, field)), soft, "ulimit")


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # not there; "max"
        return None


def _field(path: Path, name: str, unit: int = 1024) -> int:
    """Return a number that stands behind its name in a file of the system; 0 where it does not."""
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == name:
                return int(words[1]) * unit
    except (OSError, ValueError):
        pass
    return 0


def _gib(nbytes: int) -> str:
    return f"{nbytes / 2**30:.2f} GiB" if nbytes < 10 * 2**30 else f"{nbytes / 2**30:.0f} GiB"
