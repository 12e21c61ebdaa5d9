"""What a worker's process says, and how: pickles of our own making, through its pipes."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import IO, Any

from harness.runner.engines.crew import Advance, Broken, Ended, Postponed, Returned, Stage


@dataclass(frozen=True)
class Memory:
    """Bytes that the process has had at most."""

    size: int


Message = Stage | Advance | Ended | Postponed | Returned | Broken | Memory


def send(stream: IO[bytes], thing: object) -> None:
    """Write one object, at once."""
    pickle.dump(thing, stream)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one object that the other end of our own pipe has sent.

    Raises
    ------
    EOFError
        The other end has gone.
    """
    return pickle.load(stream)  # noqa: S301 - the other end is our own process
