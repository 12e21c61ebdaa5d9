"""Places for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from harness.place.place import entered, here


@contextmanager
def offline() -> Iterator[None]:
    """Turn the network off while open."""
    with entered(replace(here(), offline=True)):
        yield
