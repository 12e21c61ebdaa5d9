"""Brennan & Hale (2019): EEG of people listening to the first chapter of Alice in Wonderland."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.encode.design.options import EncodingOptions, Precision
from harness.encode.score.stories import chosen
from harness.errors import DataError
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

from .alice_eeg_files import ARCHIVES, CHANNELS, PARTICIPANTS, SEGMENTS, STIMULI, archive

if TYPE_CHECKING:
    import xarray as xr

    from harness.fetch.resource import Resource
    from harness.numeric.arrays import Bools, Doubles, Ints, Singles
    from harness.record.request import Recordings, Request
    from harness.stimuli.passages import Passage

    from .alice_eeg_files import Words
    from .lags import Lags

NAME = "brennan2019-alice-eeg"
HEARD = 0.5
"""Share of the words that a participant must have heard, and of all that must have their lags."""
BASELINE = (
    *("letters", "log frequency", "position in the sentence", "duration", "pause before"),
    *("time to the next", "place in the chapter", "level of the sound", "rises of the sound"),
)
ENCODING = EncodingOptions(delays=(0,), n_outer=5, gap=0, precision=Precision.SINGLE)


@dataclass(frozen=True)
class AliceEEG:
    """Predict the EEG around every word, at each channel and lag.

    Parameters
    ----------
    participants : tuple of str, or str
        As ``("S01", "S26")`` or ``"S01+S26"``.
    earliest, latest, step : float
        Middles of the windows, s from the onset of a word. By default they tile -0.1 to 1 s, which
        is the span of published response functions and averages of these recordings.
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
        An archive is not on this machine.
    """

    participants: tuple[str, ...] | str = PARTICIPANTS
    earliest: float | str = -0.05
    latest: float | str = 0.95
    step: float | str = 0.1
    window: float | str = 0.1
    context: str = "strided(256,128)"
    encoding: EncodingOptions = ENCODING

    def __post_init__(self) -> None:
        if self.encoding.delays != (0,):
            raise DataError(
                "lags are targets here: delays mean nothing", "give earliest and latest"
            )
        _ = self.rows, self.recordings  # what is missing is found when the run is planned

    @staticmethod
    def resources(**_: object) -> tuple[Resource, ...]:
        """Return all four archives: nobody states who is in which."""
        return tuple(archive(name) for name in ARCHIVES)

    def requests(self) -> tuple[Request, ...]:
        """Ask for the hidden states of all layers, one row a word."""
        from harness.record.context import Context
        from harness.record.request import Measure, Request
        from harness.stimuli.passages import Stimuli
        from harness.stimuli.readouts import Items

        stimuli = Stimuli("alice-eeg", (self.passage,))
        return (Request(stimuli, Measure.HIDDEN, Context.parse(self.context), Items()),)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Score the recording lag by lag."""
        import numpy as np
        import xarray as xr

        from harness.errors import ScoreError

        from .alice_eeg_files import channels_of_regions, places
        from .word_locked import Measured, score_lags

        (recording,) = recordings.values()
        if recording.sizes["sample"] != len(self.words.texts):
            raise ScoreError(
                f"the recording has {recording.sizes['sample']} rows for"
                f" {len(self.words.texts)} words"
            )
        baseline = xr.DataArray(
            self.baseline[:, None],
            dims=("sample", "layer", "unit"),
            coords={"layer": np.array([0])},
        )
        where = np.array([places()[channel] for channel in CHANNELS])
        regions = channels_of_regions()
        heard = self.heard
        score = score_lags(
            recording.isel(sample=self.rows),
            {p: Measured(own, where, regions, heard[p]) for p, own in self.activity.items()},
            self.lags.middles,
            self.options,
            baseline=baseline.isel(sample=self.rows),
            runs=self.words.segments[self.rows],
        )
        segments = self.words.segments[self.rows]
        lacking = {
            person: sorted({int(n) for n in segments} - {int(n) for n in segments[own]})
            for person, own in heard.items()
        }
        return score.assign_attrs(
            profile="strict",
            window=self.lags.window,
            words=len(self.rows),
            words_left_out=len(self.words.texts) - len(self.rows),
            segments_not_heard=json.dumps({p: own for p, own in lacking.items() if own}),
            baseline_of=", ".join(BASELINE),
        )

    @cached_property
    def lags(self) -> Lags:
        """Windows around the onset of a word."""
        from .lags import Lags

        return Lags.read(self.earliest, self.latest, self.step, self.window)

    @cached_property
    def words(self) -> Words:
        """The table of words."""
        from .alice_eeg_files import read_words, stimulus

        name = "AliceChapterOne-EEG.csv"
        return read_words(stimulus(_file(STIMULI), name), name)

    @cached_property
    def passage(self) -> Passage:
        """The chapter: words joined by spaces, in the order in which they were heard."""
        from harness.stimuli.passages import Passage

        return Passage.from_words("chapter 1", self.words.texts)

    @cached_property
    def sounds(self) -> dict[int, tuple[Doubles, float]]:
        """Power of each frame of each sound file, and its length in s."""
        from .alice_eeg_files import stimulus
        from .sound_levels import read_power

        path = _file(STIMULI)
        return {n: read_power(stimulus(path, f"{n}.wav"), f"{n}.wav") for n in SEGMENTS}

    @cached_property
    def recordings(self) -> dict[str, tuple[Path, str]]:
        """Archive and name of the recording of each participant."""
        from .alice_eeg_files import recordings_in

        held = recordings_in(_file(name) for name in ARCHIVES if name != STIMULI)
        people = chosen(self.participants, PARTICIPANTS)
        if lacking := [person for person in people if person not in held]:
            raise DataError(
                f"the archives hold no recording of {', '.join(lacking)}",
                f"there are {', '.join(sorted(held))}: name some, as participants=S01+S03",
            )
        return {person: held[person] for person in people}

    @cached_property
    def rows(self) -> Ints:
        """Words with all their windows within their own sound."""
        import numpy as np

        ends = np.array([self.sounds[int(n)][1] for n in self.words.segments])
        half = self.lags.window / 2 - 1e-9
        begin = self.words.onsets + self.lags.middles[0] - half
        inside = (begin >= 0) & (self.words.onsets + self.lags.middles[-1] + half <= ends)
        if inside.mean() < HEARD:
            raise DataError(
                f"{np.sum(~inside)} of {len(inside)} words have windows outside of their sound",
                "ask for lags closer to the onset of a word",
            )
        return np.flatnonzero(inside)

    @cached_property
    def activity(self) -> dict[str, Singles]:
        """By participant, (n_rows, n_channels, n_lags), in microvolts; NaN for what there is not.

        Kept in the cache: of each recording this is a hundredth, and filtering takes seconds.
        """
        from harness.fetch.archive import read_member

        from .eeg_recordings import BAND, MARGIN, VERSION, activity_around_words
        from .kept_arrays import digest_of_arrays, kept

        segments, onsets = self.words.segments[self.rows], self.words.onsets[self.rows]
        durations = {n: seconds for n, (_, seconds) in self.sounds.items()}

        def of(path: Path, member: str) -> Singles:
            return kept(
                lambda: activity_around_words(
                    read_member(path, member),
                    member,
                    CHANNELS,
                    segments,
                    onsets,
                    durations,
                    self.lags,
                ),
                stage="eeg around words",
                version=VERSION,
                archive=archive(path.name).digest,
                member=member,
                words=digest_of_arrays([segments, onsets]),
                durations=list(durations.values()),
                lags=[*self.lags.middles, self.lags.window],
                filter=[*BAND, MARGIN],
                channels=CHANNELS,
            )

        return {person: of(*where) for person, where in self.recordings.items()}

    @cached_property
    def heard(self) -> dict[str, Bools]:
        """Words that each participant heard, and that were recorded, (n_rows,)."""
        import numpy as np

        found: dict[str, Bools] = {}
        for person, values in self.activity.items():
            found[person] = np.asarray(np.isfinite(values).any(axis=(1, 2)))
            if found[person].mean() < HEARD:
                raise DataError(
                    f"participant {person}: the recording has {found[person].sum()} of"
                    f" {len(values)} words",
                    "it is cut short: leave the participant out",
                )
        return found

    @cached_property
    def options(self) -> EncodingOptions:
        """Whole sounds are held out; where they must be cut, by a gap that the filter spans."""
        from .eeg_recordings import REACH
        from .lags import words_within

        onsets, segments = self.words.onsets[self.rows], self.words.segments[self.rows]
        gap = words_within(onsets, self.lags.span + 2 * REACH, segments)
        return replace(self.encoding, gap=max(self.encoding.gap, gap))

    @cached_property
    def baseline(self) -> Doubles:
        """What any account must beat, (n_words, n_columns): see ``BASELINE``."""
        import numpy as np

        from .sound_levels import sound_around_words
        from .timed_words import form_and_timing

        words = self.words
        known = form_and_timing(words.texts, words.onsets, words.offsets, words.segments)
        power = {n: own for n, (own, _) in self.sounds.items()}
        return np.column_stack(
            [
                known[:, 0],
                words.log_frequency,
                words.position,
                known[:, 1:],
                np.arange(len(words.texts), dtype=float),
                sound_around_words(power, words.segments, words.onsets, self.lags),
            ]
        )


def _file(name: str) -> Path:
    from harness.fetch.present import present

    return present(archive(name), NAME)


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Return the 33 participants with 11 lags."""
    return [
        BenchmarkSpec(
            NAME,
            target="brainpress_plugins.benchmarks.neural.brennan2019_alice_eeg:AliceEEG",
            kind="neural",
            metric="Pearson r at each channel's lag, mean over channels and participants",
            # A single word moves a channel by some hundredths of r: a tenth of that.
            margin=0.005,
            margins={"normalised": 0.05},
            headline="unique",
            headline_reason=(
                "The EEG follows the sound, and timing, form and frequency of words: what a model"
                " adds to them, fitted jointly, is the question."
            ),
            tags=("neural", "eeg", "listening", "electrodes", "real"),
            licence="CC-BY-4.0",
            citation=(
                "Brennan & Hale (2019). Hierarchical structure guides rapid linguistic predictions"
                " during naturalistic listening. PLoS ONE 14, e0207741. Bhattasali, Brennan, Luh,"
                " Franzluebbers & Hale (2020). The Alice Datasets: fMRI & EEG observations of"
                " natural language comprehension. LREC 12, 120-125. Brodbeck et al. (2023)."
                " Eelbrain, a Python toolkit for time-continuous analysis with temporal response"
                " functions. eLife 12, e85012 (whose files these are)."
            ),
            homepage="https://hdl.handle.net/1903/27591",
            data="33 listeners, 59 channels, 12 segments of one audiobook (12 min), 11 lags",
            notes=(
                "EEG as Brodbeck et al. converted it (without the independent components that were"
                " rejected, referenced to the mean of two mastoids), filtered to 0.5-20 Hz,"
                " averaged over 0.1 s at lags of -0.05 to 0.95 s from the onset of each word. No"
                " haemodynamic delays, no baseline correction. Each sound is filtered on its own"
                " with up to half of the pause between sounds, and whole sounds are held out:"
                " training and test words share no sample. Channels that a file marks bad are left"
                " out, where published analyses interpolate them; so are the two references, which"
                " hold one signal with opposite signs. S26, S34, S35 and S36 did not have the"
                " first segment recorded and are scored on the others (`segments_not_heard`). The"
                " lag of a channel is chosen on training words, like its layer and penalty."
                " Ceiling: each channel predicted from all channels of the other participants at"
                " the same time (a lower bound). Regions are groups of channels; the N400 is"
                " largest in the centro-parietal one. Baseline: form, frequency, position and"
                " timing of words, and level and rises of the sound from 0.4 s before the first"
                " window to the last. Archives are checked by the md5 that the authors' code"
                " states; their sizes are not stated. All four are needed for any participant."
            ),
        )
    ]
