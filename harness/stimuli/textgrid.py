"""Praat TextGrids: time-aligned words and phones."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StimulusError
from harness.stimuli.decoding import read_text

# Strings come first because they may hold brackets and numbers of their own, and end at the last
# quote of their line because published files hold unescaped quotes (text = ""HEADS""). Numbers
# inside square brackets count items and are not values.
_VALUES = re.compile(
    r'"([^\r\n]*)"[ \t\r]*$|\[\d*\]|<(exists|absent)>|(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)',
    re.MULTILINE,
)


@dataclass(frozen=True)
class TextGridInterval:
    """A labelled stretch of time, in s; a point has no length."""

    onset: float
    offset: float
    label: str


def read_textgrid(path: Path) -> dict[str, tuple[TextGridInterval, ...]]:
    """Read a TextGrid, long or short format, UTF-8, UTF-16 or Latin-1.

    Returns
    -------
    dict
        Intervals of each tier by the tier's name, in order. A second tier of a name is called
        ``name (2)``.

    Raises
    ------
    StimulusError
        The file is not a TextGrid or stops before its end.
    """
    path = Path(path)
    text = read_text(path)
    values = _values(text)
    try:
        if next(values) != "ooTextFile" or next(values) != "TextGrid":
            raise StimulusError(f"{path.name} is not a Praat TextGrid")
    except StopIteration:
        raise StimulusError(f"{path.name} is not a Praat TextGrid") from None
    where = "its header"
    tiers: dict[str, tuple[TextGridInterval, ...]] = {}
    try:
        next(values), next(values), next(values)  # start, end, <exists>
        for number in range(int(next(values))):
            where = f"the head of tier {number + 1}"
            is_interval = next(values) == "IntervalTier"
            name = next(values)
            next(values), next(values)
            size = int(next(values))
            marks = []
            for i in range(size):
                where = f"interval {i + 1} of {size} in tier {name!r}"
                onset = float(next(values))
                offset = float(next(values)) if is_interval else onset
                marks.append(TextGridInterval(onset, offset, next(values)))
            tiers[_free(name, tiers)] = tuple(marks)
    except (StopIteration, ValueError):
        raise StimulusError(
            f"{path.name} stops, or stops making sense, at {where}",
            "the file was probably cut short: get it again",
        ) from None
    return tiers


def _free(name: str, taken: Collection[str]) -> str:
    """Return a name that no other tier has."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free


def _values(text: str) -> Iterator[str]:
    for match in _VALUES.finditer(text):
        string, flag, number = match.groups()
        if string is not None:
            yield string.replace('""', '"')
        elif flag or number:
            yield flag or number
