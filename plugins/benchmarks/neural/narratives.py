"""Nastase et al. (2021): fMRI of people who listened to spoken stories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.encode.design.options import EncodingOptions
from harness.errors import DataError
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

from .mni_stories import MniStories
from .narratives_files import (
    CLIPS,
    DERIVATIVES,
    SHARED,
    STORIES,
    TR,
    alignment_name,
    chosen_stories,
    clock,
    listeners,
    read_alignment,
    resource_of,
    scan_name,
    used_volumes,
)

if TYPE_CHECKING:
    from harness.fetch.resource import Resource
    from harness.numeric.arrays import Doubles
    from harness.stimuli.passages import Passage

    from .mni_volumes import SphereVoxels

DELAYS = (1, 2, 3, 4, 5)
GAP = 11
"""16.5 s: as long as eight volumes of 2 s."""
FOLDS = 5


ENCODING = EncodingOptions(delays=DELAYS, n_outer=FOLDS, gap=GAP)


@dataclass(frozen=True)
class Narratives(MniStories):
    """Predict regions of listeners to chosen stories.

    Parameters
    ----------
    stories : tuple of str, or str
        As ``("pieman", "tunnel")`` or ``"pieman+tunnel"``.
    resolution : str
        ``roi``, mean responses of spheres, or ``voxel``, every voxel in them.
    participants : tuple of str, or str
        As ``("sub-265", "sub-267")`` or ``"sub-265+sub-267"``; ``all`` for all who heard every
        story that was chosen.
    derivative : str
        ``afni-nosmooth`` or ``afni-smooth`` (6 mm).
    context : str
        Context policy of the recording.
    encoding : EncodingOptions
        Delays, folds, penalties, solver: typed by their names (``delays=1-6;solver=himalaya``).

    Raises
    ------
    DataError
        An option has no such value, or a file is not what it should be.
    OfflineError
        A file is not on this machine.
    """

    stories: tuple[str, ...] | str = SHARED
    resolution: str = "roi"
    participants: tuple[str, ...] | str = "all"
    derivative: str = "afni-nosmooth"
    context: str = "strided(256,128)"
    encoding: EncodingOptions = ENCODING

    name = "narratives"
    tr = TR
    cutoff = 128.0  # of the cosines that were regressed out of published scans

    @staticmethod
    def resources(
        stories: tuple[str, ...] | str = SHARED,
        participants: tuple[str, ...] | str = "all",
        derivative: str = "afni-nosmooth",
        **_: object,
    ) -> tuple[Resource, ...]:
        """Alignments of these stories, and the scans of those who heard them."""
        chosen = chosen_stories(stories)
        people = listeners(chosen, participants)
        names = [alignment_name(story) for story in chosen]
        names += [scan_name(p, story, derivative) for p in people for story in chosen]
        return tuple(resource_of(name) for name in dict.fromkeys(names))

    @property
    def options(self) -> EncodingOptions:
        """From three stories on, whole ones are held out."""
        if len(self.labels) < 3:
            return self.encoding
        return replace(self.encoding, n_outer=min(self.encoding.n_outer, len(self.labels)))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The stories."""
        return chosen_stories(self.stories)

    @cached_property
    def people(self) -> tuple[str, ...]:
        """Who heard all of them."""
        return listeners(self.labels, self.participants)

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """The text of each story, with the times of its words from the start of the sound file."""
        return tuple(passage for passage, _ in self._aligned)

    @cached_property
    def clocks(self) -> tuple[tuple[float, ...], ...]:
        """Middles of the volumes used, from the start of the sound file, s."""
        return tuple(clock(STORIES[name]) for name in self.labels)

    @cached_property
    def images(self) -> dict[str, list[SphereVoxels]]:
        """Scans of each participant: published without cosines up to 1/128 Hz, and trends."""
        return {
            person: [self._scan(person, name) for name in self.labels] for person in self.people
        }

    @property
    def used(self) -> tuple[slice, ...]:
        """Volumes of each story in its scan."""
        return tuple(used_volumes(STORIES[name]) for name in self.labels)

    def nuisance(self) -> dict[str, Doubles]:
        """Rate, length and frequency of words, and rate of phones."""
        import numpy as np

        from harness.stimuli.lanczos import lanczos_matrix

        rates = [
            lanczos_matrix(np.asarray(passage.midpoints), np.asarray(times)) @ phones
            for (passage, phones), times in zip(self._aligned, self.clocks, strict=True)
        ]
        return super().nuisance() | {"phoneme rate": np.concatenate(rates)}

    @cached_property
    def _aligned(self) -> tuple[tuple[Passage, Doubles], ...]:
        return tuple(
            read_alignment(self._file(alignment_name(name)), name, STORIES[name])
            for name in self.labels
        )

    def _scan(self, person: str, name: str) -> SphereVoxels:
        from .mni_volumes import (
            RADIUS,
            REGIONS,
            SphereVoxels,
            open_image,
            spheres,
        )

        story = STORIES[name]
        image = open_image(self._file(scan_name(person, name, self.derivative)))
        needed = story.first + story.volumes
        if image.shape[3] < needed:
            raise DataError(
                f"{person}, {name}: {image.path.name} has {image.shape[3]} volumes; the story lasts"
                f" until volume {needed}",
                "fetch the file again, or leave the participant or the story out",
            )
        return SphereVoxels(image, spheres(image, REGIONS, RADIUS))

    def _file(self, name: str) -> Path:
        from harness.fetch.present import present

        chosen = f"narratives:stories={'+'.join(self.labels)}"
        if self.derivative != DERIVATIVES[0]:
            chosen += f";derivative={self.derivative}"
        return present(resource_of(name), f"'{chosen}'")


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Return the four stories that the same people heard, by region and by voxel."""
    common: dict[str, Any] = {
        "target": "brainpress_plugins.benchmarks.neural.narratives:Narratives",
        "kind": "neural",
        "margins": {"normalised": 0.05},
        "headline": "unique",
        "headline_reason": (
            "Rates of words and sounds alone predict temporal regions of people who listen: what a"
            " model adds to them is the question."
        ),
        "licence": f"CC0-1.0 (scans); alignments of the stories: {CLIPS}",
        "citation": (
            "Nastase, Liu, Hillman, Zadbood, Hasenfratz, Keshavarzian, Chen, Honey, Yeshurun, Regev"
            ' et al. (2021). The "Narratives" fMRI dataset for evaluating models of naturalistic'
            " language comprehension. Scientific Data 8, 250."
        ),
        "homepage": "https://datasets.datalad.org/?dir=/labs/hasson/narratives",
        "notes": (
            "Choose stories with narratives:stories=pieman+tunnel: all who heard every one of them"
            " take part, less the scans that the authors exclude (scan_exclude.json); of two runs"
            " with one story the first is taken. The authors' cleaned scans (motion, aCompCor,"
            " cosines and trends regressed out), unsmoothed unless derivative=afni-smooth; regions"
            " are spheres of 10 mm around the six peaks of Pallier et al. (2011). Six volumes at"
            " the start of each story are dropped, as the authors do. From three stories on, whole"
            " stories are held out; with fewer, contiguous blocks with a gap of 11 volumes. Text is"
            " the transcript with its punctuation; words that the aligner did not find share the"
            " time between their neighbours. Ceiling: the other listeners (leave-one-out, a lower"
            " bound), and split halves of the group. Nuisance: word rate, length, log frequency,"
            " phoneme rate. The host states no sizes or checksums of derivatives: the sha256 of"
            " what was fetched is part of the key of a score, and a damaged file shows when it"
            " cannot be read to its end. Files of a"
            " DataLad clone are found where its folder `narratives` is in a folder of"
            " BRAINPRESS_DATA."
        ),
    }
    minutes = round(sum(STORIES[name].volumes for name in SHARED) * TR / 60)
    data = (
        f"{len(listeners(SHARED))} listeners, {len(SHARED)} stories ({minutes} min, TR {TR} s);"
        " other stories by option"
    )
    tags = ("neural", "fmri", "listening", "real")
    return [
        BenchmarkSpec(
            "narratives",
            version=2,
            metric="Pearson r, mean over 6 regions and participants",
            margin=0.02,
            tags=(*tags, "roi"),
            data=f"{data}; 6 regions",
            **common,
        ),
        BenchmarkSpec(
            "narratives-voxels",
            version=4,
            options={"resolution": "voxel"},
            metric="Pearson r, mean over the voxels of 6 regions and participants",
            margin=0.01,
            tags=(*tags, "voxels"),
            data=f"{data}; every voxel of 6 regions",
            **common,
        ),
    ]
