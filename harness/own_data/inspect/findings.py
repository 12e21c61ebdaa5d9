"""What an inspection found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.errors import HarnessError


class Level(StrEnum):
    """How much a finding weighs."""

    REFUSED = "refused"
    """It cannot be meant: mend it before anything is scored."""
    TOLD = "look"
    """It can be meant; somebody should look."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or odd.

    Parameters
    ----------
    level : Level
    what : str
        What is wrong, and where.
    hint : str
        The way out.
    """

    level: Level
    what: str
    hint: str = ""


def refused(error: HarnessError) -> Finding:
    """Make a finding of an error."""
    return Finding(Level.REFUSED, error.message, error.hint or "")


def told(what: str, hint: str = "") -> Finding:
    """Make a finding that somebody should look at."""
    return Finding(Level.TOLD, what, hint)
