"""Zada et al. (2025): electrocorticography of nine people who listened to a podcast."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.encode.design.options import EncodingOptions, Precision
from harness.encode.score.stories import chosen
from harness.errors import DataError
from harness.fetch.listing import Listing
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    import xarray as xr

    from harness.fetch.resource import Resource
    from harness.numeric.arrays import Doubles, Ints, Singles
    from harness.record.request import Recordings, Request
    from harness.stimuli.passages import Passage

    from .electrodes import Electrodes
    from .lags import Lags

FILES = Listing(
    "brainpress_plugins.benchmarks.neural",
    "podcast_ecog.json",
    "https://s3.amazonaws.com/openneuro.org/ds005574",
    where="ds005574",
    licence="CC0-1.0",
)
TRANSCRIPT = "stimuli/podcast_transcript.csv"
PARTICIPANTS = tuple(f"{i:02d}" for i in range(1, 10))
FOLDS = 5
KEPT = 0.95
"""Share of the timed words that must have all their lags within every recording."""
BASELINE = ("letters", "log frequency", "duration", "pause before", "time to the next", "place")


@dataclass(frozen=True)
class Words:
    """The transcript: running text, and the words that have a time.

    Parameters
    ----------
    passage : Passage
        Its items are the words with a time.
    onsets, offsets : array, shape (n_words,)
        Of those words, s from the start of the recordings.
    """

    passage: Passage
    onsets: Doubles
    offsets: Doubles


ENCODING = EncodingOptions(delays=(0,), n_outer=FOLDS, gap=0, precision=Precision.SINGLE)


@dataclass(frozen=True)
class PodcastECoG:
    """Predict high-gamma activity around every word, at each electrode and lag.

    Parameters
    ----------
    participants : tuple of str, or str
        As ``("01", "02")`` or ``"01+02"``.
    earliest, latest, step : float
        Lags, s from the onset of a word.
    window : float
        Activity is averaged over this long around each lag, s.
    context : str
        Context policy of the recording.
    encoding : EncodingOptions
        Folds, penalties, solver: typed by their names (``penalties=40;solver=himalaya``).

    Raises
    ------
    DataError
        An option has no such value, or a file is not what it should be.
    OfflineError
        A file is not on this machine.
    """

    participants: tuple[str, ...] | str = PARTICIPANTS
    earliest: float | str = -2.0
    latest: float | str = 2.0
    step: float | str = 0.2
    window: float | str = 0.2
    context: str = "strided(256,128)"
    encoding: EncodingOptions = ENCODING

    def __post_init__(self) -> None:
        if self.encoding.delays != (0,):
            raise DataError(
                "lags are targets here: delays mean nothing", "give earliest and latest"
            )
        _ = self.rows  # what is missing is found when the run is planned

    @staticmethod
    def resources(
        participants: tuple[str, ...] | str = PARTICIPANTS, **_: object
    ) -> tuple[Resource, ...]:
        """Transcript, and recordings and electrodes of these participants."""
        names = [TRANSCRIPT]
        for person in chosen(participants, PARTICIPANTS):
            names += [_signal(person), _place(person, "electrodes.tsv")]
            names.append(_place(person, "coordsystem.json"))
        return tuple(FILES.resource(name) for name in names)

    @staticmethod
    def resources_of(participants: tuple[str, ...], **options: Any) -> tuple[Resource, ...]:
        """Files of these participants, and those that all share."""
        return PodcastECoG.resources(**{**options, "participants": participants})

    def requests(self) -> tuple[Request, ...]:
        """Ask for the hidden states of all layers, one row a word that has a time."""
        from harness.record.context import Context
        from harness.record.request import Measure, Request
        from harness.stimuli.passages import Stimuli
        from harness.stimuli.readouts import Items

        stimuli = Stimuli("podcast-ecog", (self.words.passage,))
        return (Request(stimuli, Measure.HIDDEN, Context.parse(self.context), Items()),)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Score the recording lag by lag."""
        import numpy as np
        import xarray as xr

        from harness.errors import ScoreError

        from .electrodes import near_peaks
        from .word_locked import Measured, score_lags

        (recording,) = recordings.values()
        if recording.sizes["sample"] != len(self.words.onsets):
            raise ScoreError(
                f"the recording has {recording.sizes['sample']} rows for"
                f" {len(self.words.onsets)} words"
            )
        baseline = xr.DataArray(
            self.baseline[:, None],
            dims=("sample", "layer", "unit"),
            coords={"layer": np.array([0])},
        )
        heard = np.ones(len(self.rows), bool)
        measured = {
            person: Measured(self.activity[person], own.places, near_peaks(own.places), heard)
            for person, own in self.electrodes.items()
        }
        score = score_lags(
            recording.isel(sample=self.rows),
            measured,
            self.lags,
            self.options,
            baseline=baseline.isel(sample=self.rows),
        )
        return score.assign_attrs(
            profile="strict",
            window=self.windows.window,
            words=len(self.rows),
            words_left_out=len(self.words.onsets) - len(self.rows),
            baseline_of=", ".join(BASELINE),
        )

    @cached_property
    def windows(self) -> Lags:
        """Windows around the onset of a word."""
        from .lags import Lags

        return Lags.read(self.earliest, self.latest, self.step, self.window)

    @property
    def lags(self) -> tuple[float, ...]:
        """Middles of the windows, s from the onset of a word."""
        return self.windows.middles

    @cached_property
    def words(self) -> Words:
        """The transcript."""
        return read_transcript(_file(TRANSCRIPT))

    @cached_property
    def electrodes(self) -> dict[str, Electrodes]:
        """Recordings of each participant, of which only headers are read."""
        from .electrodes import open_electrodes

        return {
            person: open_electrodes(
                _file(_signal(person)),
                _file(_place(person, "electrodes.tsv")),
                _file(_place(person, "coordsystem.json")),
            )
            for person in chosen(self.participants, PARTICIPANTS)
        }

    @cached_property
    def rows(self) -> Ints:
        """Words with all their lags within the recording of every participant."""
        import numpy as np

        onsets = self.words.onsets
        kept = np.ones(len(onsets), bool)
        for person, electrodes in self.electrodes.items():
            inside = electrodes.covers(onsets, self.lags, self.windows.window)
            if inside.mean() < KEPT:
                raise DataError(
                    f"participant {person}: {electrodes.path.name} lasts {electrodes.seconds:g} s;"
                    f" {np.sum(~inside)} of {len(onsets)} words, up to {onsets.max():g} s, lie"
                    " outside of it with their lags",
                    "the recording is cut short or of something else: fetch it again, or leave the"
                    " participant out",
                )
            kept &= inside
        return np.flatnonzero(kept)

    @cached_property
    def activity(self) -> dict[str, Singles]:
        """By participant, (n_rows, n_electrodes, n_lags)."""
        onsets = self.words.onsets[self.rows]
        return {
            p: e.around(onsets, self.lags, self.windows.window) for p, e in self.electrodes.items()
        }

    @cached_property
    def options(self) -> EncodingOptions:
        """No delays: lags are targets. The gap keeps windows of training and test words apart."""
        from .lags import words_within

        gap = words_within(self.words.onsets[self.rows], self.windows.span)
        return replace(self.encoding, gap=max(self.encoding.gap, gap))

    @cached_property
    def baseline(self) -> Doubles:
        """What any account must beat, (n_words, 6): form, frequency and timing of each word."""
        import numpy as np
        import wordfreq

        from .timed_words import form_and_timing

        items = [item.strip() for item in self.words.passage.items]
        known = form_and_timing(items, self.words.onsets, self.words.offsets)
        frequency = [wordfreq.zipf_frequency(item, "en") for item in items]
        place = np.arange(len(items), dtype=float)
        return np.column_stack([known[:, 0], frequency, known[:, 1:], place])


def read_transcript(path: Path) -> Words:
    """Read a table of words in the order of the text: ``word``, ``start``, ``end``.

    Words without a start belong to the text, and have no row.

    Raises
    ------
    DataError
        A column is missing, a time is no number, or too few words have one.
    """
    import numpy as np

    from harness.stimuli.passages import Passage

    texts: list[str] = []
    times: list[tuple[float, float]] = []
    with path.open(encoding="utf-8-sig", newline="") as lines:
        table = csv.DictReader(lines)
        columns = ("word", "start", "end")
        if missing := [c for c in columns if c not in (table.fieldnames or ())]:
            raise DataError(f"{path} lacks the columns {', '.join(missing)}", "fetch it again")
        for number, row in enumerate(table, start=2):
            word = (row["word"] or "").strip()
            if not word:
                continue
            try:
                start = float(row["start"] or "nan")
                end = float(row["end"] or "nan")
            except ValueError:
                raise DataError(
                    f"{path}, line {number}: {word!r} from {row['start']!r} to {row['end']!r}"
                    " has no times",
                    "fetch it again",
                ) from None
            texts.append(word)
            times.append((start, end if end >= start else start))
    known = np.array([math.isfinite(start) for start, _ in times], bool)
    if known.sum() < 0.5 * len(texts) or not len(texts):
        raise DataError(
            f"{path}: {int(known.sum())} of {len(texts)} words have a start",
            "the column start is in seconds: fetch the file again",
        )
    whole = Passage.from_words("podcast", texts)
    spans = tuple(span for span, timed in zip(whole.spans, known, strict=True) if timed)
    onsets, offsets = np.array(times)[known].T
    return Words(Passage("podcast", whole.text, spans), onsets, offsets)


def _signal(person: str) -> str:
    folder = f"derivatives/ecogprep/sub-{person}/ieeg"
    return f"{folder}/sub-{person}_task-podcast_desc-highgamma_ieeg.fif"


def _place(person: str, end: str) -> str:
    return f"sub-{person}/ieeg/sub-{person}_space-MNI152NLin2009aSym_{end}"


def _file(name: str) -> Path:
    from harness.fetch.present import present

    return present(FILES.resource(name), "podcast-ecog")


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Return the nine participants with 21 lags."""
    return [
        BenchmarkSpec(
            "podcast-ecog",
            target="brainpress_plugins.benchmarks.neural.podcast_ecog:PodcastECoG",
            kind="neural",
            metric="Pearson r at each electrode's lag, mean over electrodes and participants",
            margin=0.01,
            margins={"normalised": 0.05},
            headline="unique",
            headline_reason=(
                "Timing, form and frequency of words alone predict high-gamma activity: what a"
                " model adds to them, fitted jointly, is the question."
            ),
            tags=("neural", "ecog", "listening", "electrodes", "real"),
            licence="CC0-1.0",
            citation=(
                "Zada, Nastase, Aubrey, Jalon, Michelmann, Wang, Hasenfratz, Doyle, Friedman, Dugan"
                ' et al. (2025). The "Podcast" ECoG dataset for modeling neural activity during'
                " natural language comprehension. Scientific Data 12, 1135."
            ),
            homepage="https://openneuro.org/datasets/ds005574",
            data="9 patients, about 1,300 electrodes, 5,100 words of one podcast (30 min)",
            notes=(
                "High-gamma activity as the authors preprocessed it, averaged over 200 ms around"
                " lags of -2 to 2 s from the onset of each word; channels that they mark bad are"
                " left out. No haemodynamic delays. Contiguous blocks of words are held out, with a"
                " gap of as many words as fit into the span of the lags, so that no window of a"
                " training word overlaps one of a test word. The lag of an electrode is chosen on"
                " training words, like its layer and penalty: the best lag of the curve, which"
                " papers show, is a maximum over test scores and is higher. Ceiling: each"
                " electrode's activity predicted from all electrodes of the other participants at"
                " the same time, by the same regression (a lower bound). Regions are electrodes"
                " within 20 mm of the six peaks of Pallier et al. (2011). Look at `baseline`, which"
                " form, frequency and timing of words reach alone. Recordings and transcript are"
                " checked by the sha256 of OpenNeuro. It publishes none for the tables of"
                " electrodes: the sha256 of what was fetched is part of the key of a score."
            ),
        )
    ]
