"""Word times as forced aligners write them beside TextGrids: Gentle and MFA, in JSON and CSV."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import StimulusError
from harness.stimuli.decoding import read_text
from harness.stimuli.speech import MARKS


@dataclass(frozen=True)
class AlignedWord:
    """A word as an aligner found it.

    Parameters
    ----------
    word : str
        As it is written in the transcript.
    onset, offset : float
        s; NaN where the aligner did not find it in the sound.
    start : int
        Where it begins in the transcript, in characters; -1 where the file does not say.
    """

    word: str
    onset: float
    offset: float
    start: int = -1


@dataclass(frozen=True)
class Alignment:
    """What an aligner found.

    Parameters
    ----------
    words : tuple of AlignedWord
    transcript : str
        The text as it is written, where the file has it.
    """

    words: tuple[AlignedWord, ...]
    transcript: str = ""


def read_alignment(path: Path, tier: str = "", speaker: str = "") -> Alignment:
    """Read a file of an aligner.

    Parameters
    ----------
    path : Path
        ``.json`` of Gentle (``words`` with ``start``, ``end``, ``case``) or of MFA (``tiers`` with
        ``entries``), or ``.csv`` of MFA (``Begin``, ``End``, ``Label``, ``Type``, ``Speaker``).
    tier : str
        Of MFA's JSON; default: the one whose name says that it holds words.
    speaker : str
        Of MFA's CSV, where there are several.

    Raises
    ------
    StimulusError
        It is no such file, or holds words of several speakers.
    """
    if path.suffix.lower() == ".csv":
        return Alignment(_mfa_csv(path, speaker or tier))
    try:
        said = json.loads(read_text(path))
    except ValueError as error:
        raise StimulusError(f"{path.name} is not JSON: {error}") from error
    if isinstance(said, dict) and isinstance(said.get("words"), list):
        return _gentle(path, said)
    if isinstance(said, dict) and isinstance(said.get("tiers"), dict):
        return Alignment(_mfa_json(path, said["tiers"], tier))
    raise StimulusError(
        f"{path.name} is no alignment", "Gentle's JSON has `words`, MFA's has `tiers`"
    )


def _gentle(path: Path, said: dict[str, Any]) -> Alignment:
    words = []
    for number, one in enumerate(said["words"], start=1):
        if not isinstance(one, dict) or "word" not in one:
            raise StimulusError(f"{path.name}: word {number} is {one!r}")
        found = one.get("case", "success") == "success"
        try:
            times = (float(one["start"]), float(one["end"])) if found else (math.nan, math.nan)
        except (KeyError, TypeError, ValueError) as error:
            raise StimulusError(
                f"{path.name}: word {number}, {one['word']!r}, was found and has no times"
            ) from error
        words.append(AlignedWord(str(one["word"]), *times, int(one.get("startOffset", -1))))
    return Alignment(tuple(words), str(said.get("transcript", "")))


def _mfa_json(path: Path, tiers: dict[str, Any], tier: str) -> tuple[AlignedWord, ...]:
    named = [tier] if tier else [t for t in tiers if t.split(" - ")[-1].strip().lower() == "words"]
    if len(named) != 1 or named[0] not in tiers:
        raise StimulusError(
            f"{path.name} has {len(named) if not tier else 'no'} tiers of words among"
            f" {', '.join(tiers)}",
            "say which `tier` is meant",
        )
    rows = tiers[named[0]].get("entries", [])
    return tuple(
        _heard(path, number, row[0], row[1], str(row[2]))
        for number, row in enumerate(rows, start=1)
        if not _mark(str(row[2]))
    )


def _mfa_csv(path: Path, speaker: str) -> tuple[AlignedWord, ...]:
    rows = list(csv.DictReader(read_text(path).splitlines()))
    columns = {name.strip().lower(): name for name in (rows[0] if rows else {}) if name}
    if missing := [name for name in ("begin", "end", "label") if name not in columns]:
        raise StimulusError(
            f"{path.name} lacks the columns {', '.join(missing)}",
            "MFA's CSV has Begin, End, Label, Type, Speaker",
        )
    if "type" in columns:
        rows = [r for r in rows if str(r[columns["type"]]).strip().lower() in ("words", "word")]
    people = sorted({str(r[columns["speaker"]]) for r in rows}) if "speaker" in columns else []
    if speaker and people and speaker not in people:
        raise StimulusError(f"{path.name} has no speaker {speaker!r}", ", ".join(people))
    if len(people) > 1 and not speaker:
        raise StimulusError(f"{path.name} has words of {', '.join(people)}", "say whose in `tier`")
    if speaker and people:
        rows = [r for r in rows if r[columns["speaker"]] == speaker]
    return tuple(
        _heard(path, number, r[columns["begin"]], r[columns["end"]], str(r[columns["label"]]))
        for number, r in enumerate(rows, start=1)
        if not _mark(str(r[columns["label"]]))
    )


def _mark(label: str) -> bool:
    return label.strip().lower().strip("{}") in MARKS | {"<eps>", "spn"}


def _heard(path: Path, number: int, onset: Any, offset: Any, label: str) -> AlignedWord:
    try:
        return AlignedWord(label.strip(), float(onset), float(offset))
    except (TypeError, ValueError):
        raise StimulusError(
            f"{path.name}: word {number}, {label!r}, runs from {onset!r} to {offset!r}"
        ) from None
