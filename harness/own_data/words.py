"""The words of a run: from a table of events, or from a TextGrid."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError, StimulusError
from harness.stimuli.decoding import read_text
from harness.stimuli.passages import Passage

if TYPE_CHECKING:
    from harness.own_data.description import Description, Run

MISSING = frozenset(("", "n/a", "nan"))
YES = frozenset(("1", "true", "yes"))
NO = frozenset(("0", "false", "no"))


@dataclass(frozen=True)
class Heard:
    """A word as a table has it: when, and what follows it in the text; NaN: not found."""

    word: str
    onset: float
    offset: float
    after: str


def words_of_run(folder: Path, said: Description, run: Run) -> Passage:
    """Read the words of a run, as the description says.

    Raises
    ------
    DataError
        See :func:`read_words`.
    """
    text = folder / run.text if run.text else None
    return read_words(folder / run.events, run.name, said.separator, run.tier, text)


def read_words(
    path: Path, name: str, separator: str = " ", tier: str = "", text: Path | None = None
) -> Passage:
    """Read a table of words, as a BIDS ``events.tsv``, or a TextGrid.

    Parameters
    ----------
    path : Path
        Tab-separated, with a header: ``onset``, ``duration`` or ``offset`` (s), ``word``; or a
        ``.TextGrid``; or ``.json`` of Gentle or MFA, ``.csv`` of MFA
        (:mod:`harness.stimuli.aligners`). Where a column ``text`` is, it holds words as they are
        written (``Hello,``);
        a column ``space`` says with 1 or 0 whether a space follows. Other columns are left alone;
        rows without a word (``n/a`` or empty) are left out. A word without a time (``n/a``: an
        aligner did not find it) stays in the text, and weighs nothing on the clock.
    name : str
        Name of the run.
    separator : str
        What stands between two words, where there is no column ``space``.
    tier : str
        Of a TextGrid or MFA's JSON, or a speaker of MFA's CSV. Default: the one that is called
        ``word`` or ``words``.
    text : Path, optional
        The running text, in which the words are looked for, one after the other.

    Raises
    ------
    DataError
        A column is missing, a time is no number, there are no words, words run backwards, or one is
        not in the text.
    """
    try:
        if path.suffix.lower() in (".json", ".csv"):
            heard, written = _of_aligner(path, tier, separator)
            if written and text is None:
                return _timed(name, written, _found_in(written, heard, path, name), heard)
        elif path.suffix.lower() == ".textgrid":
            heard = _of_textgrid(path, tier, separator)
        else:
            heard = _of_table(path, separator)
        if not any(math.isfinite(h.onset) for h in heard):
            raise DataError(f"{path} holds no words" + (" with times" if heard else ""))
        if text is not None:
            return _in_text(name, heard, text)
        return Passage.from_words(
            name,
            [h.word for h in heard],
            [h.onset for h in heard],
            [h.offset for h in heard],
            [h.after for h in heard],
        )
    except StimulusError as error:
        raise DataError(
            f"{path}: {error.message}", error.hint or "sort words by their onsets"
        ) from error


def _of_textgrid(path: Path, tier: str, separator: str) -> list[Heard]:
    from harness.stimuli.speech import MARKS, word_tier
    from harness.stimuli.textgrid import read_textgrid

    intervals = word_tier(read_textgrid(path), path.name, tier)
    labelled = [(i, " ".join(i.label.split())) for i in intervals]
    return [
        Heard(label, i.onset, i.offset, separator)
        for i, label in labelled
        if label.lower().strip("{}") not in MARKS
    ]


def _of_aligner(path: Path, tier: str, separator: str) -> tuple[list[Heard], str]:
    from harness.stimuli.aligners import read_alignment

    found = read_alignment(path, tier)
    heard = [Heard(w.word, w.onset, w.offset, separator) for w in found.words]
    return heard, found.transcript.strip()


def _of_table(path: Path, separator: str) -> list[Heard]:
    lines = read_text(path).split("\n")
    rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    columns = set(rows[0]) if rows else set()
    end = "offset" if "offset" in columns else "duration"
    if missing := [c for c in ("onset", end, "word") if c not in columns]:
        raise DataError(
            f"{path} lacks the columns {', '.join(missing)}",
            "a table of words has a header and tabs: onset, duration, word (save it as UTF-8)",
        )
    written = "text" if "text" in columns else "word"
    found = []
    for number, row in enumerate(rows, start=2):
        if (row["word"] or "").strip().lower() in MISSING - {"nan"}:
            continue
        word = (row[written] or row["word"] or "").strip()
        times = [(row[column] or "").strip() for column in ("onset", end)]
        try:
            onset, last = (math.nan if t.lower() in MISSING else float(t) for t in times)
        except ValueError:
            raise DataError(
                f"{path}, line {number}: onset {row['onset']!r}, {end} {row[end]!r} are not times"
            ) from None
        after = separator
        if "space" in columns:
            said = (row["space"] or "").strip().lower()
            if said not in YES | NO:
                raise DataError(f"{path}, line {number}: space is {said!r}", "1 or 0")
            after = " " if said in YES else ""
        offset = last if end == "offset" else onset + last
        if math.isnan(onset) or math.isnan(offset):
            onset = offset = math.nan
        found.append(Heard(word, onset, offset, after))
    return found


def _in_text(name: str, heard: list[Heard], path: Path) -> Passage:
    """Find words one after the other in a running text, in whatever case they are."""
    if not path.is_file():
        raise DataError(f"no text at {path}", "mend `text`, or leave it out")
    text = read_text(path).strip()
    return _timed(name, text, _found_in(text, heard, path, name), heard)


def _found_in(text: str, heard: list[Heard], path: Path, name: str) -> list[tuple[int, int]]:
    """Return where each word stands in a text."""
    lower, at, spans = text.lower(), 0, []
    if len(lower) != len(text):  # a letter that is two in lower case
        lower = text
    for number, one in enumerate(heard, start=1):
        at = lower.find(one.word.lower(), at)
        if at < 0:
            raise DataError(
                f"{path}: word {number} of run {name}, {one.word!r}, is not in what is left of it",
                "the text must have all words, in the order of the table",
            )
        spans.append((at, at + len(one.word)))
        at += len(one.word)
    return spans


def _timed(name: str, text: str, spans: list[tuple[int, int]], heard: list[Heard]) -> Passage:
    """Make a passage of a text whose words without times stay in it and are no items."""
    timed = [(s, h) for s, h in zip(spans, heard, strict=True) if math.isfinite(h.onset)]
    return Passage(
        name,
        text,
        tuple(span for span, _ in timed),
        tuple(h.onset for _, h in timed),
        tuple(h.offset for _, h in timed),
    )
