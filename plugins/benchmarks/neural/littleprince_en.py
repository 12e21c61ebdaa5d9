"""Li et al. (2022): fMRI of 49 people who listened to The Little Prince in English."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import DataError, StimulusError
from harness.fetch.listing import Listing
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import xarray as xr

    from harness.encode.score.naturalistic import Naturalistic
    from harness.fetch.resource import Resource
    from harness.record.request import Recordings, Request
    from harness.stimuli.passages import Passage

    from .mni_volumes import SphereVoxels

FILES = Listing(
    "brainpress_plugins.benchmarks.neural",
    "littleprince_en.json",
    "https://s3.amazonaws.com/openneuro.org/ds003643",
    where="ds003643",
    licence="CC0-1.0",
)
WORDS = "annotation/EN/lppEN_word_information.csv"
PROSODY = "annotation/EN/lppEN_prosody.csv"
VOLUMES = (282, 298, 340, 303, 265, 343, 325, 292, 368)
"""Of the nine sections, in the preprocessed images; they begin with the audio and go on for 8 s
after it."""
TR = 2.0
HIGH_PASS = 128.0
FOLDS = 5
DROPPED_ROWS = frozenset((3919, 6775, 6781))
"""Rows of the table of words, counted from 0, that repeat a word or were not read aloud
(Bonnasse-Gahot & Pallier 2024)."""
PICTURES = ((10.0, 15.0), (35.0, 20.0), (60.0, 15.0))
"""Onset and duration of the drawings shown during the first section, s."""
PROSODIC = ("intensity", "f0")


@dataclass(frozen=True)
class LittlePrince:
    """Predict regions of listeners to a whole book.

    Parameters
    ----------
    resolution : str
        ``roi``, mean responses of spheres, or ``voxel``, every voxel in them.
    participants : tuple of str, or str
        As ``("EN057", "EN058")`` or ``"EN057+EN058"``; ``all`` for all 49.
    context : str
        Context policy of the recording.

    Raises
    ------
    DataError
        An option has no such value, or a file is not what it should be.
    OfflineError
        A file is not on this machine.
    """

    resolution: str = "roi"
    participants: tuple[str, ...] | str = "all"
    context: str = "strided(256,128)"

    def __post_init__(self) -> None:
        from harness.encode.score.naturalistic import Resolution

        if self.resolution not in list(Resolution):
            raise DataError(f"no resolution {self.resolution!r}", f"{[*Resolution]}")
        _ = self.passages, self.data  # what is missing is found when the run is planned

    @staticmethod
    def resources(participants: tuple[str, ...] | str = "all", **_: object) -> tuple[Resource, ...]:
        """Annotations, and the nine runs of these participants."""
        runs = [name for person in _people(participants) for name in _files()[person]]
        return tuple(FILES.resource(name) for name in (WORDS, PROSODY, *runs))

    def requests(self) -> tuple[Request, ...]:
        """Ask for the hidden states of all layers, filtered onto the volumes of every section."""
        from harness.record.context import Context
        from harness.record.request import Measure, Request
        from harness.stimuli.passages import Stimuli
        from harness.stimuli.readouts import Lanczos

        stimuli = Stimuli("littleprince-en", self.passages)
        context = Context.parse(self.context)
        return (Request(stimuli, Measure.HIDDEN, context, Lanczos(self.clocks)),)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Score the recording; see :func:`harness.encode.score.naturalistic.score_stories`."""
        from harness.encode.design.result import EncodingOptions
        from harness.encode.score.naturalistic import Resolution

        from .mni_listening import score_listeners

        (recording,) = recordings.values()
        options = EncodingOptions(n_outer=FOLDS)
        return score_listeners(recording, self.data, options, Resolution(self.resolution))

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """The words of each section, with times from the start of its audio."""
        return read_words(_file(WORDS), len(VOLUMES))

    @cached_property
    def clocks(self) -> tuple[tuple[float, ...], ...]:
        """Middles of the volumes used, from the start of each section's audio, s."""
        return tuple(tuple(TR * (i + 0.5) for i in range(n)) for n in self._used)

    @cached_property
    def data(self) -> Naturalistic:
        """Responses, read when they are asked for; nuisance regressors."""
        import numpy as np

        from harness.encode.score.naturalistic import Naturalistic, Resolution
        from harness.stimuli.nuisance import LEXICAL, lexical_nuisance

        from .mni_listening import region_responses

        source, masks = region_responses(
            self._runs,
            [slice(0, used) for used in self._used],
            [passage.name for passage in self.passages],
            Resolution(self.resolution),
            tr=TR,
            cutoff=HIGH_PASS,
        )
        lexical = np.concatenate(
            [lexical_nuisance(p, c) for p, c in zip(self.passages, self.clocks, strict=True)]
        )
        nuisance = dict(zip(LEXICAL, lexical.T, strict=True))
        nuisance |= read_prosody(_file(PROSODY), self._used)
        nuisance |= _pictures(self._used)
        return Naturalistic(source, TR, nuisance, masks, cutoff=HIGH_PASS)

    @cached_property
    def _runs(self) -> dict[str, list[SphereVoxels]]:
        from .mni_volumes import (
            RADIUS,
            REGIONS,
            SphereVoxels,
            open_image,
            spheres,
        )

        found = {}
        for person in _people(self.participants):
            images = [open_image(_file(name)) for name in _files()[person]]
            for number, (image, expected) in enumerate(zip(images, VOLUMES, strict=True), 1):
                if abs(image.shape[3] - expected) > 1:
                    raise DataError(
                        f"{person}, section {number}: {image.path.name} has {image.shape[3]}"
                        f" volumes; it should have {expected}, one more or one fewer",
                        "it is another run, or raw and not from derivatives/; fetch it again, or"
                        " leave the participant out",
                    )
            found[person] = [SphereVoxels(i, spheres(i, REGIONS, RADIUS)) for i in images]
        return found

    @cached_property
    def _used(self) -> tuple[int, ...]:
        """Volumes of each section: as many as every participant has."""
        lengths = [[run.shape[0] for run in runs] for runs in self._runs.values()]
        return tuple(min(section) for section in zip(VOLUMES, *lengths, strict=True))


def read_words(path: Path, n_sections: int) -> tuple[Passage, ...]:
    """Read the table of words: a row each, with ``word``, ``onset``, ``offset``, ``section``.

    Parameters
    ----------
    path : Path
    n_sections : int

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
            word = (row["word"] or "").strip()
            if number in DROPPED_ROWS or word in ("", "#", "sil"):
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
            passages.append(Passage.from_words(f"section {section}", texts, *times))
        except StimulusError as error:
            raise DataError(f"{path}: {error.message}", error.hint) from error
    return tuple(passages)


def read_prosody(path: Path, used: tuple[int, ...]) -> dict[str, npt.NDArray[np.float64]]:
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


def _pictures(used: tuple[int, ...]) -> dict[str, npt.NDArray[np.float64]]:
    """Share of each volume during which a drawing was shown, and drawings that appeared."""
    import numpy as np

    starts = TR * np.arange(used[0])
    shown, appeared = np.zeros(sum(used)), np.zeros(sum(used))
    for onset, duration in PICTURES:
        overlap = np.minimum(starts + TR, onset + duration) - np.maximum(starts, onset)
        shown[: used[0]] += np.clip(overlap, 0, None) / TR
        appeared[: used[0]] += (starts <= onset) & (onset < starts + TR)
    return {"picture": shown, "picture onset": appeared}


def _people(participants: tuple[str, ...] | str) -> tuple[str, ...]:
    if participants == "all":
        return tuple(_files())
    chosen = participants.replace("+", ",").split(",") if isinstance(participants, str) else None
    people = tuple(chosen or participants)
    if unknown := [p for p in people if p not in _files()]:
        raise DataError(f"no participants {unknown}", f"there are {', '.join(_files())}")
    return people


def _files() -> dict[str, list[str]]:
    """Files of each participant, in the order of the sections.

    Runs are numbered by the scanner: the first section is the lowest number, not run 1.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(FILES.entries):
        if match := re.match(r"derivatives/sub-(EN\d+)/func/", name):
            found.setdefault(match[1], []).append(name)
    return found


def _file(name: str) -> Path:
    from harness.fetch.present import present

    return present(FILES.resource(name), "littleprince-en")


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Return regions, and every voxel in them."""
    common: dict[str, Any] = {
        "target": "brainpress_plugins.benchmarks.neural.littleprince_en:LittlePrince",
        "kind": "neural",
        "licence": "CC0-1.0",
        "citation": (
            "Li, Bhattasali, Zhang, Franzluebbers, Luh, Spreng, Brennan, Yang, Pallier & Hale"
            " (2022). Le Petit Prince multilingual naturalistic fMRI corpus. Scientific Data 9,"
            " 530."
        ),
        "homepage": "https://openneuro.org/datasets/ds003643/versions/2.0.5",
        "notes": (
            "Preprocessed images of the authors (ME-ICA, 2 mm, Colin 27 in MNI space); regions are"
            " spheres of 10 mm around the six peaks of Pallier et al. (2011). The first section is"
            " the lowest run number of a participant. A run may have one volume more or fewer than"
            " documented; all are cut to the shortest. Periods above 128 s are taken out of"
            " responses, features and nuisance. Whole sections are held out. Ceiling:"
            " the other listeners (leave-one-out, a lower bound),"
            " and split halves of the group. Nuisance: word rate, length, log frequency, intensity"
            " and pitch of the voice, and the drawings that were shown during the first section."
            " The annotated words have no punctuation. All files (30 GB) are checked by the md5"
            " that OpenNeuro keeps."
        ),
    }
    data = "49 listeners, 9 sections of one book (94 min, TR 2 s)"
    tags = ("neural", "fmri", "listening", "real")
    return [
        BenchmarkSpec(
            "littleprince-en",
            version=2,
            metric="Pearson r, mean over 6 regions and participants",
            margin=0.02,
            tags=(*tags, "roi"),
            data=f"{data}, 6 regions",
            **common,
        ),
        BenchmarkSpec(
            "littleprince-en-voxels",
            version=3,
            options={"resolution": "voxel"},
            metric="Pearson r, mean over the voxels of 6 regions and participants",
            margin=0.01,
            tags=(*tags, "voxels"),
            data=f"{data}, every voxel of 6 regions",
            **common,
        ),
    ]
