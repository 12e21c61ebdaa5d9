"""How much memory a worker has had."""

from __future__ import annotations

import sys


def peak() -> int:
    """Return the bytes that this process has had at most; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else found * 1024


def share(used: int, of: int) -> str:
    """Say ``14.9 of 15.0 GiB``; nothing is known of 0 bytes."""
    limit = f" of {of / 2**30:.1f}" if of else ""
    return f"memory {used / 2**30:.1f}{limit} GiB" if used else "memory unknown"
