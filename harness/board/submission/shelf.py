"""The folder of accepted entries, and what is known of them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.board.submission.bundle import Opened, Problem, open_entries
from harness.board.submission.detail import DETAIL_LIMIT
from harness.board.submission.entry import Entry, parse_json
from harness.board.submission.verified import joined
from harness.errors import SubmissionError
from harness.store.atomic import writing

SUBMISSIONS = "submissions"
"""Folder of the entries in a leaderboard."""
VERIFIED = ".verified.json"
"""End of the name of what a verification found, beside the entry's own files."""

_FILE = re.compile(
    r"[\w%+.-]+@\d+/[\w%+.-]+@[\w%+.-]+/[0-9a-f]{16}\.(verified\.json|json|nc)", re.A
)


def read_shelf(leaderboard: Path) -> Opened:
    """Read all entries of a leaderboard's folder. Links are not followed.

    Parameters
    ----------
    leaderboard : Path
        The folder that holds ``submissions``.
    """
    root = Path(leaderboard) / SUBMISSIONS
    members: dict[str, bytes] = {}
    problems: list[Problem] = []
    if root.is_symlink():
        return Opened((), (Problem(SUBMISSIONS, "is a link"),))
    for path in sorted(root.rglob("*")) if root.is_dir() else []:
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            problems.append(Problem(name, "is a link"))
        elif path.is_dir() or name == ".gitkeep":
            continue  # git keeps no empty folder: a new leaderboard has this file in it
        elif not _FILE.fullmatch(name) or ".." in name:
            problems.append(Problem(name, "is no file of a submission"))
        elif path.stat().st_size > DETAIL_LIMIT:
            problems.append(Problem(name, f"has more than {DETAIL_LIMIT:,} bytes"))
        elif not name.endswith(VERIFIED):
            members[name] = path.read_bytes()
    found = open_entries(members)
    return Opened(found.entries, (*problems, *found.problems))


def put(leaderboard: Path, entries: Sequence[Entry]) -> list[Path]:
    """Write entries into a leaderboard's folder. What is there is not written again.

    Raises
    ------
    SubmissionError
        A folder on the way is a link.
    StoreError
        The folder cannot be written.
    """
    root = Path(leaderboard) / SUBMISSIONS
    written = []
    for entry in entries:
        for name, content in entry.files.items():
            path = root / name
            if path.parent.resolve() != root.resolve() / Path(name).parent:
                raise SubmissionError(f"{path.parent} leads out of {root} through a link")
            if not path.exists():
                with writing(path) as beside:
                    beside.write_bytes(content)
                written.append(path)
    return written


def record_verification(leaderboard: Path, entry: Entry, found: dict[str, Any]) -> Path:
    """Write what a verification found beside the entry, with what earlier ones found of others."""
    path = Path(leaderboard) / SUBMISSIONS / entry.folder / f"{entry.id}{VERIFIED}"
    found = joined(verification(leaderboard, entry), found)
    with writing(path) as beside:
        beside.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


def verification(leaderboard: Path, entry: Entry) -> dict[str, Any] | None:
    """Return what the last verification of an entry found; None where there was none.

    Raises
    ------
    SubmissionError
        The file beside the entry is not that of a verification of it.
    """
    path = Path(leaderboard) / SUBMISSIONS / entry.folder / f"{entry.id}{VERIFIED}"
    if path.is_symlink() or not path.is_file():
        return None
    found = parse_json(path.read_bytes(), str(path))
    if found.get("entry") != entry.id or not isinstance(found.get("cells"), list):
        raise SubmissionError(f"{path} is of another entry", "verify the entry again")
    return found
