"""How much a stranger's file or repository may take, in bytes and in time."""

from __future__ import annotations

import math
import time

from harness.errors import FetchError
from harness.place.place import here


class Allowance:
    """What one file or repository of a stranger may take, from now on.

    Parameters
    ----------
    most_bytes : int, optional
    most_seconds : float, optional
        None: as much as it wants.
    """

    def __init__(self, most_bytes: int | None, most_seconds: float | None) -> None:
        self._most, self._seconds = most_bytes, most_seconds
        self._until = math.inf if most_seconds is None else time.monotonic() + most_seconds

    @classmethod
    def here(cls) -> Allowance:
        """Return that of the place that is entered."""
        return cls(here().most_bytes, here().most_seconds)

    def check(self, nbytes: int) -> None:
        """Refuse to go on.

        Parameters
        ----------
        nbytes : int
            Bytes that have come, or will.

        Raises
        ------
        FetchError
            They are too many, or it has taken too long.
        """
        if self._most is not None and nbytes > self._most:
            raise FetchError(f"it has {nbytes:,} bytes where {self._most:,} are allowed")
        if time.monotonic() > self._until:
            raise FetchError(f"it took longer than the {self._seconds:g} seconds allowed")
