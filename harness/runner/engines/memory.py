"""How much memory a worker has had, and how much there is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def peak() -> int:
    """Return the bytes that this process has had at most; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else found * 1024


def total() -> int:
    """Return the bytes that this process may have: the machine's, or those of its cgroup."""
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *_limits()])


def share(used: int, of: int) -> str:
    """Say ``14.9 of 15.0 GiB``; nothing is known of 0 bytes."""
    limit = f" of {of / 2**30:.1f}" if of else ""
    return f"memory {used / 2**30:.1f}{limit} GiB" if used else "memory unknown"


def _limits(root: Path = CGROUP, process: Path = Path("/proc/self/cgroup")) -> Iterator[int]:
    """Give the limits of the cgroups that a process is in, each and those above it (version 2)."""
    with suppress(OSError):
        for line in process.read_text(encoding="ascii").splitlines():
            number, _, name = line.split(":", 2)
            if number != "0":
                continue
            folder = root / name.lstrip("/")
            while folder != root.parent:
                with suppress(OSError, ValueError):
                    yield int((folder / "memory.max").read_text(encoding="ascii"))
                folder = folder.parent
