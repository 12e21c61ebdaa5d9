"""LeBel et al. (2023): fMRI of people who listened to up to 84 stories, one of them repeatedly."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.encode.design.options import EncodingOptions
from harness.encode.score.stories import PublishedStories, chosen
from harness.errors import DataError
from harness.fetch.listing import Listing
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.encode.design.sources import PartedResponses, ResponseRows
    from harness.encode.design.splits import Fold
    from harness.fetch.resource import Resource
    from harness.stimuli.passages import Passage

FILES = Listing(
    "brainpress_plugins.benchmarks.neural",
    "lebel2023.json",
    "https://s3.amazonaws.com/openneuro.org/ds003020",
    where="ds003020",
    licence="CC0-1.0",
)
EIGHT = ("UTS01", "UTS02", "UTS03", "UTS05", "UTS06", "UTS07", "UTS08", "UTS09")
THREE = ("UTS01", "UTS02", "UTS03")
"""Those with all stories."""
ALL = 84
TEST = "wheretheressmoke"
"""The test story: presented ten times to UTS01, 02 and 03, five times to the others."""
REPEATS = "individual_repeats"
"""Where its file holds them, (repeat, volume, voxel), beside their mean, ``data``."""
TR = 2.0
DETRENDED = 120.0
"""From the published responses what a second-order Savitzky-Golay filter of 120 s passes was
subtracted (Tang et al. 2023, on the same recordings). That leaves 6 % of the power at a period of
120 s, less above it, half at 84 s: features lose periods above 120 s."""
SILENCE = 10.0
"""Seconds from the first volume to the start of the story."""


ENCODING = EncodingOptions()


@dataclass(frozen=True)
class LeBel2023(PublishedStories):
    """Predict every cortical voxel of listeners: the test story, from the other stories.

    Parameters
    ----------
    participants : tuple of str, or str
        As ``("UTS01", "UTS02")`` or ``"UTS01+UTS02"``.
    stories : int, or str
        How many: the first ones in alphabetical order that all participants heard, and the test
        story. Or which: as ``"buck+naked"``; the test story goes with them.
    context : str
        Context policy of the recording.
    encoding : EncodingOptions
        Delays, penalties, solver: typed by their names (``delays=1-6;solver=himalaya``).

    Raises
    ------
    DataError
        Participants did not hear so many stories, or a response file is not what it should be.
    OfflineError
        A file is not on this machine.
    """

    participants: tuple[str, ...] | str = EIGHT
    stories: int | str = 25
    context: str = "strided(256,128)"
    encoding: EncodingOptions = ENCODING

    name = "lebel2023"
    tr = TR
    cutoff = DETRENDED

    @staticmethod
    def resources(
        participants: tuple[str, ...] | str = EIGHT, stories: int | str = 25, **_: object
    ) -> tuple[Resource, ...]:
        """Files for these participants and stories."""
        people = _people(participants)
        names = ["derivative/respdict.json"]
        names += [f"derivative/TextGrids/{story}.TextGrid" for story in heard(people, stories)]
        names += [_responses(p, story) for p in people for story in heard(people, stories)]
        return tuple(FILES.resource(name) for name in names)

    @property
    def folds(self) -> Sequence[Fold]:
        """The test story is held out, as the authors do."""
        from harness.encode.design.splits import held_out_run

        return held_out_run(self.source.runs, self.names.index(TEST))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The stories."""
        return heard(_people(self.participants), self.stories)

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """The words of each story, with times from its start."""
        from harness.stimuli.speech import spoken, word_tier
        from harness.stimuli.textgrid import read_textgrid

        def words(story: str) -> Passage:
            grid = read_textgrid(self._file(f"derivative/TextGrids/{story}.TextGrid"))
            return spoken(story, word_tier(grid, story))

        return tuple(words(story) for story in self.names)

    @cached_property
    def clocks(self) -> tuple[tuple[float, ...], ...]:
        """Times of the volumes used, from the start of each story."""
        from harness.stimuli.triggers import DROPPED, story_clock

        path = self._file("derivative/respdict.json")
        lengths = json.loads(path.read_text(encoding="utf-8"))
        if missing := [s for s in self.names if not isinstance(lengths.get(s), int)]:
            raise DataError(f"{path.name} does not say how long {', '.join(missing)} lasted")
        each = (lengths[story] - 2 * DROPPED for story in self.names)
        return tuple(story_clock(n_used, TR, SILENCE) for n_used in each)

    @cached_property
    def source(self) -> PartedResponses:
        """Responses of all participants, read when they are asked for."""
        from harness.encode.design.sources import PartedResponses

        parts = {p: [self._part(p, s) for s in self.names] for p in _people(self.participants)}
        return PartedResponses(parts, self.names)

    def _part(self, person: str, story: str) -> ResponseRows:
        from harness.encode.design.sources import hdf5_part
        from harness.errors import StimulusError
        from harness.stimuli.triggers import used_volumes

        path = self._file(_responses(person, story))
        part = hdf5_part(path, REPEATS if story == TEST else "data")
        if (repeated := len(part.values.shape) == 3) != (story == TEST):
            raise DataError(
                f"{person}/{path.name} has responses of shape {tuple(part.values.shape)}; expected"
                f" {'volumes, voxels' if repeated else 'repeats, volumes, voxels'}",
                "fetch it again",
            )
        n_used = len(self.clocks[self.names.index(story)])
        try:
            _, before = used_volumes(part.values.shape[-2], (n_used,), f"{person}/{path.name}")
        except StimulusError as error:
            raise DataError(error.message, error.hint) from error
        return replace(part, rows=slice(before, before + n_used))

    @staticmethod
    def _file(name: str) -> Path:
        return FILES.here(name, "lebel2023")


def heard(people: tuple[str, ...], stories: int | str) -> tuple[str, ...]:
    """Return stories that all participants heard, the test story last.

    Parameters
    ----------
    people : tuple of str
    stories : int, or str
        How many of them, by name, or which.

    Raises
    ------
    DataError
        They did not hear so many, or not these.
    """
    start = "derivative/preprocessed_data/"
    each = [
        {Path(n).stem for n in FILES.entries if n.startswith(f"{start}{person}/")}
        for person in people
    ]
    shared = sorted(set.intersection(*each) - {TEST})
    if isinstance(stories, str) and not stories.isdecimal():
        wanted = tuple(n for n in stories.replace("+", ",").split(",") if n != TEST)
        return (*chosen(wanted, shared, f"stories that {' and '.join(people)} heard"), TEST)
    number = int(stories)
    if not 2 <= number <= len(shared) + 1:
        raise DataError(
            f"{', '.join(people)} share {len(shared) + 1} stories, not {number}",
            "ask for fewer stories (at least 2) or other participants",
        )
    return (*shared[: number - 1], TEST)


def _people(participants: tuple[str, ...] | str) -> tuple[str, ...]:
    known = {n.split("/")[2] for n in FILES.entries if n.endswith(".hf5")}
    return chosen(participants, sorted(known))


def _responses(person: str, story: str) -> str:
    return f"derivative/preprocessed_data/{person}/{story}.hf5"


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Return eight listeners with 25 stories, and three with all 84."""
    common: dict[str, Any] = {
        "target": "brainpress_plugins.benchmarks.neural.lebel2023:LeBel2023",
        "version": 4,
        "kind": "neural",
        "metric": "Pearson r, mean over voxels and participants",
        "margin": 0.01,
        "margins": {"normalised": 0.05},
        "headline": "unique",
        "headline_reason": (
            "Every cortical voxel counts, and word rate predicts auditory cortex: what a model adds"
            " to nuisance is the question."
        ),
        "licence": "CC0-1.0",
        "citation": (
            "LeBel, Wagner, Jain, Adhikari-Desai, Gupta, Morgenthal, Tang, Xu & Huth (2023). A"
            " natural language fMRI dataset for voxelwise encoding models. Scientific Data 10, 555."
        ),
        "homepage": "https://openneuro.org/datasets/ds003020/versions/3.1.0",
        "notes": (
            "Published responses are trimmed (20 volumes fewer than respdict.json says); raw ones"
            " are trimmed alike, any other length is an error. UTS04 lacks a story and is left"
            " out. The test story, wheretheressmoke, is held out, as the authors do: its responses"
            " are the mean of its presentations (ten, or five), which give the ceiling. Penalties"
            " and layers are chosen on the other stories. Responses were detrended in windows of"
            " 120 s: features and nuisance lose longer periods. Nuisance: word rate, length, log"
            " frequency. Participants share no space: no regions."
        ),
    }
    tags = ("neural", "fmri", "listening", "voxels", "real")
    return [
        BenchmarkSpec(
            "lebel2023",
            tags=tags,
            data=f"{len(EIGHT)} listeners, 25 stories (TR {TR:g} s), every cortical voxel",
            **common,
        ),
        BenchmarkSpec(
            "lebel2023-three",
            options={"participants": THREE, "stories": ALL},
            tags=tags,
            data=f"{len(THREE)} listeners, {ALL} stories (TR {TR:g} s), every cortical voxel",
            **common,
        ),
    ]
