"""Whether the network may be used, for code that is called too deep to be told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

VARIABLE = "BRAINPRESS_OFFLINE"
_offline: ContextVar[bool] = ContextVar("brainpress_offline", default=False)


@contextmanager
def offline(off: bool = True) -> Iterator[None]:
    """Keep the network off (or leave it as it is) while open."""
    token = _offline.set(off or _offline.get())
    try:
        yield
    finally:
        _offline.reset(token)


def is_offline() -> bool:
    """Whether the network is off: said by :func:`offline` or by ``BRAINPRESS_OFFLINE=1``."""
    return _offline.get() or os.environ.get(VARIABLE, "") not in ("", "0")
