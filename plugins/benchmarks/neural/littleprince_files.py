"""The Little Prince: editions in three languages, what their files are, and their tables."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError, StimulusError
from harness.fetch.listing import Listing

if TYPE_CHECKING:
    from harness.numeric.arrays import Doubles
    from harness.stimuli.passages import Passage

TR = 2.0
PICTURES = ((10.0, 15.0), (35.0, 20.0), (60.0, 15.0))
"""Onset and duration of the drawings shown during the first section, s."""
PROSODIC = ("intensity", "f0")
CLITICS = frozenset(("c", "d", "j", "l", "m", "n", "s", "t", "qu"))
"""French words that end in an apostrophe and stand next to the word that follows."""


@dataclass(frozen=True)
class Edition:
    """The book in one language, and those who heard it.

    Parameters
    ----------
    code : str
        In the names of files: ``EN``.
    language : str
        Of the word frequencies.
    volumes : tuple of int
        Of the nine sections, in the preprocessed images, as the data set's README lists them; they
        begin with the audio.
    after : str
        What stands between two words.
    dropped : frozenset of int
        Rows of the table of words, counted from 0, that repeat a word or were not read aloud
        (Bonnasse-Gahot & Pallier 2024).
    corrected : mapping
        Words of rows that the table has otherwise than they were read (same source).
    pictures : bool
        Whether drawings were shown during the first section.
    """

    code: str
    language: str
    volumes: tuple[int, ...]
    after: str = " "
    dropped: frozenset[int] = frozenset()
    corrected: Mapping[int, str] = field(default_factory=dict)
    pictures: bool = True

    @property
    def words(self) -> str:
        """Name of the table of words."""
        return f"annotation/{self.code}/lpp{self.code}_word_information.csv"

    @property
    def prosody(self) -> str:
        """Name of the table of intensity and pitch."""
        return f"annotation/{self.code}/lpp{self.code}_prosody.csv"

    @cached_property
    def files(self) -> Listing:
        """All files of the edition."""
        return Listing(
            "brainpress_plugins.benchmarks.neural",
            f"littleprince_{self.code.lower()}.json",
            "https://s3.amazonaws.com/openneuro.org/ds003643",
            where="ds003643",
            licence="CC0-1.0",
        )

    @property
    def runs(self) -> dict[str, list[str]]:
        """Files of each participant, in the order of the sections.

        Runs are numbered by the scanner: the first section is the lowest number, not run 1.
        """
        found: dict[str, list[str]] = {}
        for name in sorted(self.files.entries):
            if match := re.match(r"derivatives/sub-([A-Z]{2}\d+)/func/", name):
                found.setdefault(match[1], []).append(name)
        return found

    def written(self, words: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return words as they are written, and what follows each of them."""
        if self.language != "fr":
            return list(words), [self.after] * len(words)
        spelled, after = [], []
        for word in words:
            bare = word.rstrip("'\N{RIGHT SINGLE QUOTATION MARK}")
            clitic = bare.lower() in CLITICS
            spelled.append(f"{bare}'" if clitic else word)
            after.append("" if clitic else self.after)
        return spelled, after


EDITIONS = {
    "en": Edition(
        "EN",
        "en",
        (282, 298, 340, 303, 265, 343, 325, 292, 368),
        dropped=frozenset((3919, 6775, 6781)),
    ),
    "fr": Edition(
        "FR",
        "fr",
        (309, 326, 354, 315, 293, 378, 332, 294, 336),
        dropped=frozenset((338, 1204, 3333)),
        corrected={
            3332: "de",
            3379: "trois",
            3405: "trois",
            4587: "l",
            5325: "la",
            5326: "première",
            5328: "habitée",
            11257: "À",
            12249: "il",
        },
        pictures=False,
    ),
    "zh": Edition("CN", "zh", (283, 322, 322, 307, 293, 392, 364, 293, 401), after=""),
}


def read_words(path: Path, n_sections: int, edition: Edition) -> tuple[Passage, ...]:
    """Read the table of words: a row each, with ``word``, ``onset``, ``offset``, ``section``.

    Parameters
    ----------
    path : Path
    n_sections : int
    edition : Edition

    Raises
    ------
    DataError
        A column or a section is missing, or a time is no number; the message names the line.
    """
    from harness.stimuli.passages import Passage

    from .aligned_words import settled

    words: dict[int, list[tuple[str, float, float]]] = {n: [] for n in range(1, n_sections + 1)}
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        table = csv.DictReader(lines)
        columns = ("word", "onset", "offset", "section")
        if missing := [c for c in columns if c not in (table.fieldnames or ())]:
            raise DataError(f"{path} lacks the columns {', '.join(missing)}", "fetch it again")
        for number, row in enumerate(table):
            word = edition.corrected.get(number, (row["word"] or "").strip())
            if number in edition.dropped or word in ("", "#", "sil"):
                continue
            try:
                section = int(float(row["section"]))
                words[section].append((word, float(row["onset"]), float(row["offset"])))
            except (TypeError, ValueError, KeyError):
                raise DataError(
                    f"{path}, line {number + 2}: {word!r} from {row['onset']!r} to"
                    f" {row['offset']!r} in section {row['section']!r} has no usable time",
                    "the file was cut short or changed: fetch it again",
                ) from None
    if empty := [str(n) for n, own in words.items() if not own]:
        raise DataError(f"{path} has no words of section {', '.join(empty)}", "fetch it again")
    passages = []
    for section, own in words.items():
        texts, onsets, offsets = zip(*own, strict=True)
        times = settled(onsets, offsets, f"{path}, section {section}")
        try:
            spelled, after = edition.written(texts)
            passages.append(Passage.from_words(f"section {section}", spelled, *times, after))
        except StimulusError as error:
            raise DataError(f"{path}: {error.message}", error.hint) from error
    return tuple(passages)


def read_prosody(path: Path, used: tuple[int, ...]) -> dict[str, Doubles]:
    """Average intensity and fundamental frequency of the voice, given every 10 ms, by volume.

    Parameters
    ----------
    path : Path
        A table with ``time`` (s, from the start of the section), ``intensity``, ``f0``,
        ``section``.
    used : tuple of int
        Volumes of each section.

    Returns
    -------
    dict
        Regressors (n_samples,); 0 where nothing is known.

    Raises
    ------
    DataError
        A column is missing, or holds something other than numbers.
    """
    import numpy as np
    import pandas as pd

    try:
        table = pd.read_csv(
            path, usecols=["time", "section", *PROSODIC], encoding_errors="replace", dtype=float
        )
    except ValueError as error:  # of pandas, and of columns that are not there
        raise DataError(f"{path} is not a table of prosody: {error}", "fetch it again") from error
    starts = np.cumsum([0, *used])
    section = table["section"].fillna(0).to_numpy().astype(int)
    volume = np.floor(table["time"].to_numpy() / TR)
    lengths = np.array([0, *used])
    known = (section >= 1) & (section <= len(used)) & (volume >= 0)
    known[known] &= volume[known] < lengths[section[known]]
    rows = starts[section[known] - 1] + volume[known].astype(int)
    found = {}
    for name in PROSODIC:
        values = table[name].to_numpy()[known]
        finite = np.isfinite(values)
        sums = np.bincount(rows[finite], values[finite], minlength=starts[-1])
        counts = np.bincount(rows[finite], minlength=starts[-1])
        found[f"voice {name}"] = sums / np.maximum(counts, 1)
    return found


def pictures(used: tuple[int, ...]) -> dict[str, Doubles]:
    """Share of each volume during which a drawing was shown, and drawings that appeared."""
    import numpy as np

    starts = TR * np.arange(used[0])
    shown, appeared = np.zeros(sum(used)), np.zeros(sum(used))
    for onset, duration in PICTURES:
        overlap = np.minimum(starts + TR, onset + duration) - np.maximum(starts, onset)
        shown[: used[0]] += np.clip(overlap, 0, None) / TR
        appeared[: used[0]] += (starts <= onset) & (onset < starts + TR)
    return {"picture": shown, "picture onset": appeared}
