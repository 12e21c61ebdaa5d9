"""What a maintainer does with submissions: read, record, accept, build."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.board.files import save_board
from harness.board.submission.bundle import Opened, open_bundle
from harness.board.submission.entry import Entry, parse_json
from harness.board.submission.feed import FEED, feed_xml
from harness.board.submission.merge import merge
from harness.board.submission.records import read_records, write_days
from harness.board.submission.shelf import (
    VERIFIED,
    put,
    read_shelf,
    record_verification,
    verification,
)
from harness.board.submission.verified import cell_state, joined
from harness.board.submission.verify import Verification
from harness.errors import ExtraMissing, SubmissionError
from harness.store.atomic import writing

if TYPE_CHECKING:
    import xarray as xr

BOARD = "board.nc"
PAGE = "index.html"
WritePage = Callable[["xr.DataTree", Path], Path]


def read_all(sources: Sequence[Path], leaderboard: Path) -> list[Entry]:
    """Read the entries of sound sources; of a folder, those that are not accepted yet.

    Raises
    ------
    SubmissionError
        A source is not there, or something is wrong with it.
    """
    accepted = {entry.id for entry in read_shelf(leaderboard).entries}
    entries: dict[str, Entry] = {}
    for source in sources:
        opened = _open(source)
        if opened.problems:
            raise SubmissionError(
                f"{source}: {opened.problems[0].where}: {opened.problems[0].what}",
                f"`brainpress board check {source}` lists all that is wrong",
            )
        # A leaderboard's own folder is all accepted; to verify it again is what was asked for.
        own = source.is_dir() and source.resolve() == Path(leaderboard).resolve()
        for entry in opened.entries:
            if own or not source.is_dir() or entry.id not in accepted:
                entries[entry.id] = entry
    return list(entries.values())


def _open(source: Path) -> Opened:
    if source.is_dir():
        return read_shelf(source)
    if not source.is_file():
        raise SubmissionError(f"no bundle at {source}", "`brainpress submit` writes one")
    return open_bundle(source)


def beside(bundle: Path) -> Path:
    """Where the verification of a bundle is recorded until the bundle is accepted."""
    return bundle.with_name(bundle.name + VERIFIED)


def record(
    found: Sequence[Verification],
    sources: Sequence[Path],
    leaderboard: Path,
    *,
    sample: int,
    seed: int,
) -> list[Path]:
    """Write what a verification found: beside a bundle, or beside the entries of a folder.

    What of a bundle is accepted already has it beside the accepted entry, too.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    written = []
    said = {v.entry.id: v.to_json(sample, seed) for v in found}
    accepted = {e.id: e for e in read_shelf(leaderboard).entries}
    for source in sources:
        if source.is_dir():
            entries = {e.id: e for e in read_shelf(source).entries}
            for name in sorted(set(said) & set(entries)):
                written.append(record_verification(source, entries[name], said[name]))
        else:
            here = {e.id for e in open_bundle(source).entries}
            before = _beside(source)
            mine = before | {
                name: joined(before.get(name), said[name]) for name in sorted(set(said) & here)
            }
            with writing(beside(source)) as path:
                path.write_text(json.dumps(mine, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            written.append(beside(source))
            written += [
                record_verification(leaderboard, accepted[name], mine[name])
                for name in sorted(set(said) & here & set(accepted))
            ]
    return written


def accept(
    entries: Sequence[Entry],
    sources: Sequence[Path],
    leaderboard: Path,
    day: datetime.date | None = None,
) -> list[Path]:
    """Put entries that were checked on the shelf, and beside them what verification found.

    Parameters
    ----------
    entries : sequence of Entry
    sources : sequence of Path
        Bundles that they are from.
    leaderboard : Path
    day : date, optional
        On which they are accepted; it is written to ``accepted.csv``.

    Raises
    ------
    SubmissionError, StoreError
        The shelf cannot be written, or leads elsewhere.
    """
    written = put(leaderboard, entries)
    for source in sources:
        if source.is_dir():
            continue
        found = _beside(source)
        for entry in entries:
            if entry.id in found:
                written.append(record_verification(leaderboard, entry, found[entry.id]))
    if day is not None and entries:
        written.append(write_days(leaderboard, entries, day))
    return written


def _beside(bundle: Path) -> dict[str, dict[str, Any]]:
    """Read what verifications found of a bundle so far, by entry."""
    path = beside(bundle)
    if not path.is_file():
        return {}
    found = parse_json(path.read_bytes(), str(path))
    return {
        name: said
        for name, said in found.items()
        if isinstance(said, dict) and isinstance(said.get("of"), int)
    }


def build(leaderboard: Path, write_page: WritePage | None = None) -> list[Path]:
    """Merge what is accepted to a board, and make the page of it where that can be made.

    Parameters
    ----------
    leaderboard : Path
    write_page : callable, optional
        Makes the page of a board (:func:`harness.report.page.write_page`); none without it.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    SubmissionError
        Something on the shelf is not as it was accepted, or nothing is on it.
    """
    opened = read_shelf(leaderboard)
    if opened.problems:
        first = opened.problems[0]
        raise SubmissionError(
            f"{first.where}: {first.what}",
            "accepted files are never edited: take them back from the history",
        )

    def state(entry: Entry, compressor: str) -> str:
        return cell_state(verification(leaderboard, entry), compressor)

    board = merge(opened.entries, state)
    written = [save_board(board, Path(leaderboard) / BOARD)]
    feed = Path(leaderboard) / FEED
    with writing(feed) as beside:
        beside.write_text(feed_xml(read_records(leaderboard)), encoding="utf-8")
    written.append(feed)
    try:
        if write_page is not None:
            written.append(write_page(board, Path(leaderboard) / PAGE))
    except ExtraMissing:  # the page is for those who have the extra `report`; the board is for all
        pass
    return written
