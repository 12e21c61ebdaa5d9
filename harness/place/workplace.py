"""Where scoring happens, for code that is called too deep to be told.

Nothing of it changes a result beyond rounding, so it is in no key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@dataclass(frozen=True)
class Workplace:
    """What scoring may use.

    Parameters
    ----------
    memory : int
        Bytes that may be taken.
    device : str
        Where products are made: ``cpu``, ``cuda``, ``cuda:1``, …
    folder : Path, optional
        Work in progress, from which a killed run goes on.
    """

    memory: int = 8 * 2**30
    device: str = "cpu"
    folder: Path | None = None


_EVERYWHERE = Workplace()
_workplace: ContextVar[Workplace] = ContextVar("brainpress_workplace", default=_EVERYWHERE)


def workplace() -> Workplace:
    """Return what was said last by :func:`working`."""
    return _workplace.get()


@contextmanager
def working(
    *, memory: int | None = None, device: str | None = None, folder: Path | None = None
) -> Iterator[None]:
    """Let scoring use this while open (None: as before)."""
    before = _workplace.get()
    token = _workplace.set(
        Workplace(
            before.memory if memory is None else memory,
            device or before.device,
            folder or before.folder,
        )
    )
    try:
        yield
    finally:
        _workplace.reset(token)


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
