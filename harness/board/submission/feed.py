"""The feed of accepted entries: Atom (RFC 4287), the same bytes from the same entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape, quoteattr

from harness.board.submission.entry import Entry
from harness.board.submission.records import Records
from harness.board.submission.shelf import SUBMISSIONS

FEED = "feed.xml"
MOST = 200
"""Entries of the feed, the latest."""
_UNKNOWN = "1970-01-01"
"""Atom wants a date of every entry: of those accepted before days were written, this one."""


def feed_xml(records: Records, title: str = "brainpress leaderboard") -> str:
    """Write the feed.

    Parameters
    ----------
    records : Records
    title : str

    Returns
    -------
    str
        The latest :data:`MOST` entries, of one day by name. Links are relative to the leaderboard.
    """

    def day(entry: Entry) -> str:
        return records.days.get(entry.id, _UNKNOWN)

    entries = sorted(records.entries, key=lambda e: (e.name, e.id))
    entries.sort(key=day, reverse=True)
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom">',
        f"<title>{escape(title)}</title>",
        "<id>tag:brainpress,2026:leaderboard</id>",
        f"<updated>{records.latest or _UNKNOWN}T00:00:00Z</updated>",
        '<link rel="self" href="feed.xml"/><link rel="alternate" href="index.html"/>',
        "<author><name>those who handed in</name></author>",
    ]
    for entry in entries[:MOST]:
        parts += _entry(entry, day(entry))
    return "\n".join([*parts, "</feed>"]) + "\n"


def _entry(entry: Entry, day: str) -> Iterator[str]:
    record = entry.record
    revision = f", revision {record['revision']}" if record["revision"] > 1 else ""
    link = quoteattr(f"{SUBMISSIONS}/{entry.folder}/{entry.id}.json")
    yield "<entry>"
    yield f"<title>{escape(entry.name + revision)}</title>"
    yield f"<id>tag:brainpress,2026:entry:{entry.id}</id>"
    yield f"<updated>{day}T00:00:00Z</updated><link href={link}/>"
    yield f"<author><name>{escape(record['submitter']['name'])}</name></author>"
    yield f"<summary>{escape('; '.join(_cells(record)))}</summary>"
    yield "</entry>"


def _cells(record: Mapping[str, object]) -> Iterator[str]:
    """Say what was handed in, cell by cell, and the note."""
    cells = record["cells"]
    assert isinstance(cells, list)
    for cell in cells:
        value = cell["value"]
        said = "no value" if value is None else f"{value:.4g}"
        yield f"{cell['compressor']['name']}: {said}"
    if record["note"]:
        yield str(record["note"])
