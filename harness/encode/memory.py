"""How much memory scoring may take, for code that is called too deep to be told.

It sizes blocks of work and changes no result, so it is in no key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from harness.errors import HarnessError

DEFAULT = 8 * 2**30
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_budget: ContextVar[int] = ContextVar("brainpress_memory", default=DEFAULT)


@contextmanager
def memory_budget(size: int | None) -> Iterator[None]:
    """Allow scoring this many bytes (None: as before) while open."""
    token = _budget.set(_budget.get() if size is None else size)
    try:
        yield
    finally:
        _budget.reset(token)


def budget() -> int:
    """Bytes that scoring may take: said by :func:`memory_budget`, else 8 GiB."""
    return _budget.get()


def parse_size(text: str) -> int:
    """Read a size such as ``8GiB``, ``500 MB`` or ``1.5G``.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    HarnessError
        It is something else, or not above 0.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?i?)B?\s*", text)
    size = int(float(match[1]) * _UNITS[match[2]]) if match and match[2] != "i" else 0
    if size <= 0:
        raise HarnessError(f"{text!r} is not a size", "write a number with its unit: 8GiB, 500MB")
    return size
