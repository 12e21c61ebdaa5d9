"""What a leaderboard keeps beside its board: when entries were accepted, what was recomputed."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.board.submission.entry import Entry
from harness.board.submission.shelf import read_shelf, verification
from harness.errors import SubmissionError
from harness.store.atomic import writing

ACCEPTED = "accepted.csv"
"""File of a leaderboard: a line an entry, its name and the day on which it was accepted."""
_HEAD = "entry,day"
_ENTRY = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Records:
    """What is known of accepted entries.

    Parameters
    ----------
    entries : sequence of Entry
    days : mapping
        Day of acceptance (ISO 8601) by entry; without those accepted before days were written.
    findings : mapping
        By entry and compressor: what the last verification of that cell found.
    """

    entries: Sequence[Entry] = ()
    days: Mapping[str, str] = field(default_factory=dict)
    findings: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)

    @property
    def latest(self) -> str:
        """The last day on which an entry was accepted; empty where none is known."""
        known = {entry.id for entry in self.entries}
        return max((day for name, day in self.days.items() if name in known), default="")


def read_records(leaderboard: Path) -> Records:
    """Read what is known of a leaderboard's entries.

    Raises
    ------
    SubmissionError
        ``accepted.csv`` or a verification is not what it should be.
    """
    entries = read_shelf(leaderboard).entries
    findings = {}
    for entry in entries:
        for cell in (verification(leaderboard, entry) or {}).get("cells", []):
            if isinstance(cell, Mapping):
                findings[entry.id, str(cell.get("compressor"))] = cell
    return Records(entries, read_days(leaderboard), findings)


def read_days(leaderboard: Path) -> dict[str, str]:
    """Read on which day entries were accepted.

    Raises
    ------
    SubmissionError
        A line is not ENTRY,YYYY-MM-DD.
    """
    path = Path(leaderboard) / ACCEPTED
    if path.is_symlink() or not path.is_file():
        return {}
    days = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line == _HEAD and number == 1:
            continue
        name, _, day = line.partition(",")
        try:
            sound = datetime.date.fromisoformat(day).isoformat() == day
        except ValueError:
            sound = False
        if not sound or not _ENTRY.fullmatch(name):
            raise SubmissionError(
                f"{path}: line {number} is {line[:60]!r}", "a line is ENTRY,YYYY-MM-DD"
            )
        days[name] = day
    return days


def write_days(leaderboard: Path, entries: Sequence[Entry], day: datetime.date) -> Path:
    """Add a day for the entries that have none yet; what was written stays.

    Raises
    ------
    SubmissionError
        The file is not what it should be.
    StoreError
        The folder cannot be written.
    """
    days = dict.fromkeys((e.id for e in entries), day.isoformat()) | read_days(leaderboard)
    lines = [_HEAD, *(f"{n},{d}" for n, d in sorted(days.items(), key=lambda x: x[::-1]))]
    path = Path(leaderboard) / ACCEPTED
    with writing(path) as beside:
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
