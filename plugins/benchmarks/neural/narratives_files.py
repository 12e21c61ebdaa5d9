"""Nastase et al. (2021): the stories, who heard them, where the files are, and the alignments."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError, StimulusError
from harness.fetch.resource import Resource

if TYPE_CHECKING:
    from harness.numeric.arrays import Bools, Doubles
    from harness.stimuli.passages import Passage

ADDRESS = "https://fcp-indi.s3.amazonaws.com/data/Projects/narratives"
DERIVATIVES = ("afni-nosmooth", "afni-smooth")
CLIPS = "non-commercial research, as fair use (stimuli/README of ds002345)"
"""What the authors say of the stories and what is made from them."""
TR = 1.5
TRIMMED = 6
"""Volumes dropped at the start of each story, as the authors do: responses to its beginning."""


@dataclass(frozen=True)
class Story:
    """A story in a scan.

    Parameters
    ----------
    task : str
        Name of the scan.
    audio : float
        When the sound file starts, s from the first volume.
    speech : float
        When the story itself starts: before it there is silence or music.
    first, volumes : int
        Volumes of the story, as the authors cut scans.
    """

    task: str
    audio: float
    speech: float
    first: int
    volumes: int


STORIES = {
    "21styear": Story("21styear", 0.0, 21.0, 14, 2225),
    "black": Story("black", 12.0, 12.0, 8, 533),
    "bronx": Story("bronx", 12.0, 12.0, 8, 357),
    "forgot": Story("forgot", 12.0, 12.0, 8, 558),
    "lucy": Story("lucy", 3.0, 3.0, 1, 361),
    "merlin": Story("merlin", 4.5, 33.5, 22, 591),
    "notthefallintact": Story("notthefallintact", 4.5, 29.5, 20, 365),
    "pieman": Story("pieman", 0.0, 15.0, 10, 281),
    "piemanpni": Story("piemanpni", 12.0, 12.0, 8, 267),
    "prettymouth": Story("prettymouth", 0.0, 21.0, 14, 451),
    "reach": Story("slumlordreach", 4.5, 969.5, 646, 550),
    "shapesphysical": Story("shapesphysical", 4.5, 49.5, 33, 270),
    "shapessocial": Story("shapessocial", 4.5, 49.5, 33, 272),
    "sherlock": Story("sherlock", 4.5, 33.5, 22, 701),
    "slumlord": Story("slumlordreach", 4.5, 29.5, 20, 602),
    "tunnel": Story("tunnel", 3.0, 3.0, 2, 1023),
}
"""Times of the data set's events files; volumes of its ``code/event_meta.json``. Without Milky Way
(three versions of one story), the scrambled ones, and the short clips of ``schema``."""
SHARED = ("black", "bronx", "forgot", "piemanpni")
"""Four stories that the same 45 people heard."""
SPLIT = 950.0
"""Where the second of the two stories of one sound file begins, s."""


def clock(story: Story) -> tuple[float, ...]:
    """Middles of the volumes of a story that are used, s from the start of the sound file."""
    used = range(story.first + story.volumes)[used_volumes(story)]
    return tuple(TR * (i + 0.5) - story.audio for i in used)


def used_volumes(story: Story) -> slice:
    """Return which volumes of a scan are used."""
    return slice(story.first + TRIMMED, story.first + story.volumes)


def read_alignment(path: Path, name: str, story: Story) -> tuple[Passage, Doubles]:
    """Read a transcript that Gentle aligned with the sound.

    The text is the transcript with its punctuation. Words that were not found, and words that were
    found before the story starts (in the music), share the time between their neighbours.

    Parameters
    ----------
    path : Path
        ``align.json``: ``transcript``, and ``words`` with ``word``, ``case`` and, where they were
        found, ``start``, ``end`` (s) and ``phones``.
    name : str
        Of the story.
    story : Story

    Returns
    -------
    passage : Passage
    phones : array, shape (n_words,)
        Number of phones of each word; 0 where it was not found.

    Raises
    ------
    DataError
        The file is not whole, or words are not those of its transcript.
    """
    import numpy as np

    from harness.stimuli.passages import Passage

    from .aligned_words import settled

    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        text, words = str(stored["transcript"]), list(stored["words"])
        labels = [str(word["word"]) for word in words]
        onsets = np.array([float(word.get("start", math.nan)) for word in words])
        offsets = np.array([float(word.get("end", math.nan)) for word in words])
        phones = np.array([float(len(word.get("phones", ()))) for word in words])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is not an alignment of Gentle: {error!r}", "fetch it again"
        ) from error
    spans, at = [], 0
    for number, label in enumerate(labels, start=1):
        at = text.find(label, at)
        if at < 0:
            raise DataError(
                f"{path}: word {number}, {label!r}, is not where it should be in the transcript",
                "the file was changed: fetch it again",
            )
        spans.append((at, at + len(label)))
        at += len(label)
    own = _of_story(onsets, name)
    if not own.any():
        raise DataError(f"{path} has no words of {name}", "fetch it again")
    start = story.speech - story.audio - 1.0
    with np.errstate(invalid="ignore"):
        early = onsets < start
    onsets[early] = offsets[early] = math.nan
    first, last = np.flatnonzero(own)[[0, -1]]
    chosen = slice(first, last + 1)
    begin, end = (spans[first][0], spans[last][1]) if not own.all() else (0, len(text))
    on, off = settled(onsets[chosen], offsets[chosen], f"{path} ({name})")
    moved = tuple((a - begin, b - begin) for a, b in spans[chosen])
    try:
        times = tuple(on.tolist()), tuple(off.tolist())
        passage = Passage(name, text[begin:end], moved, *times)
    except StimulusError as error:
        raise DataError(f"{path}: {error.message}", error.hint) from error
    return passage, phones[chosen]


def _of_story(onsets: Doubles, name: str) -> Bools:
    """Words of one of the two stories of a sound file; all words of any other."""
    import numpy as np

    if STORIES[name].task == name:
        return np.ones(len(onsets), bool)
    with np.errstate(invalid="ignore"):
        late = np.flatnonzero(onsets > SPLIT)
    second = np.arange(len(onsets)) >= (late[0] if len(late) else len(onsets))
    return second if name == "reach" else ~second


def chosen_stories(stories: tuple[str, ...] | str) -> tuple[str, ...]:
    """Return stories, from a tuple or from ``"pieman+tunnel"``.

    Raises
    ------
    DataError
        There is no such story, or none, or one twice.
    """
    chosen = stories.replace("+", ",").split(",") if isinstance(stories, str) else None
    names = tuple(chosen or stories)
    if unknown := [n for n in names if n not in STORIES]:
        raise DataError(f"no stories {unknown}", f"there are {', '.join(STORIES)}")
    if not names or len(set(names)) < len(names):
        raise DataError(f"stories are {list(names)}", "name at least one, each once")
    return names


def listeners(
    stories: tuple[str, ...], participants: tuple[str, ...] | str = "all"
) -> tuple[str, ...]:
    """Return those who heard all of these stories, less the scans that the authors exclude.

    Raises
    ------
    DataError
        Nobody did, or somebody who was asked for did not.
    """
    each = {name: _scans()[STORIES[name].task] for name in stories}
    shared = sorted(set.intersection(*(set(scans) for scans in each.values())))
    if participants == "all":
        if not shared:
            raise DataError(
                f"nobody heard all of {', '.join(stories)}",
                f"the same people heard {', '.join(SHARED)}",
            )
        return tuple(shared)
    chosen = participants.replace("+", ",").split(",") if isinstance(participants, str) else None
    people = tuple(chosen or participants)
    for name, scans in each.items():
        if absent := [p for p in people if p not in scans]:
            raise DataError(
                f"no usable scan of {', '.join(absent)} with {name}",
                f"those with all stories are {', '.join(shared) or 'nobody'}",
            )
    return people


@cache
def _scans() -> dict[str, dict[str, str]]:
    """Start of the name of each participant's scan, by task; the first where there are two."""
    text = files("brainpress_plugins.benchmarks.neural").joinpath("narratives.json").read_text()
    return {
        task: {scan.partition("_")[0]: scan for scan in scans}
        for task, scans in json.loads(text).items()
    }


def alignment_name(name: str) -> str:
    """Return the name of the alignment of a story."""
    return f"stimuli/gentle/{STORIES[name].task}/align.json"


def scan_name(person: str, name: str, derivative: str) -> str:
    """Return the name of a participant's scan with a story.

    Raises
    ------
    DataError
        There is no such derivative.
    """
    if derivative not in DERIVATIVES:
        raise DataError(f"no derivative {derivative!r}", f"there are {', '.join(DERIVATIVES)}")
    scan = _scans()[STORIES[name].task][person]
    end = "space-MNI152NLin2009cAsym_res-native_desc-clean_bold.nii.gz"
    return f"derivatives/{derivative}/{person}/func/{scan}_{end}"


def resource_of(name: str) -> Resource:
    """Return one of the files, by its name in the data set."""
    # The host states neither sizes nor checksums of derivatives.
    licence = CLIPS if name.startswith("stimuli/") else "CC0-1.0"
    file = name.rpartition("/")[2]
    where = f"narratives/{name}"
    return Resource(file, f"{ADDRESS}/{name}", "", licence=licence, where=where)
