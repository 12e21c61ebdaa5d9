"""A tiny data set by voxel: three listeners to two short stories; a trace of who scores whom."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from toys import WORDS

from harness.encode.design.options import EncodingOptions
from harness.encode.design.sources import ResponseSource, array_responses
from harness.encode.score.stories import StoryBenchmark
from harness.stimuli.passages import Passage

RUNS, VOLUMES, VOXELS, PEOPLE = 2, 60, 20, ("one", "two", "three")


@dataclass(frozen=True)
class VoxelStories(StoryBenchmark):
    """Noise, with a trace of each word in it.

    Parameters
    ----------
    folder : str
        Gets an empty file for each part that is scored, named by part and process.
    motion : bool
        Whether each participant has confounds of their own.
    """

    folder: str = ""
    motion: bool = False

    name = "voxel stories"
    tr = 1.0
    context = "words(3)"

    @cached_property
    def passages(self) -> tuple[Passage, ...]:  # type: ignore[override]
        onsets = np.arange(VOLUMES) + 0.2
        words = [WORDS[i % len(WORDS)] for i in range(VOLUMES)]
        return tuple(
            Passage.from_words(f"story {run}", words[run:] + words[:run], onsets, onsets + 0.5)
            for run in range(RUNS)
        )

    @property
    def clocks(self) -> tuple[tuple[float, ...], ...]:
        return (tuple(np.arange(VOLUMES) + 0.5),) * RUNS

    @cached_property
    def source(self) -> ResponseSource:  # type: ignore[override]
        random = np.random.default_rng(3)
        heard = random.normal(size=(RUNS * VOLUMES, VOXELS))
        values = {p: heard + random.normal(size=heard.shape) for p in PEOPLE}
        return array_responses(values, np.repeat(np.arange(RUNS), VOLUMES))

    @property
    def confounds(self) -> Mapping[str, Any]:
        if not self.motion:
            return {}
        random = np.random.default_rng(4)
        return {p: random.normal(size=(RUNS * VOLUMES, 2)) for p in PEOPLE}

    @property
    def options(self) -> EncodingOptions:
        return EncodingOptions(delays=(1, 2), n_outer=2, n_inner=2, penalties=4)

    def score_part(self, recordings: Any, part: int) -> None:
        if self.folder:
            (Path(self.folder) / f"{part}-{os.getpid()}").touch()
        super().score_part(recordings, part)
