"""Li et al. (2022): fMRI of people who listened to The Little Prince in three languages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.encode.design.options import EncodingOptions
from harness.encode.score.stories import checked_choice, chosen
from harness.errors import DataError
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

from .littleprince_files import EDITIONS, TR, Edition, pictures, read_prosody, read_words
from .mni_stories import MniStories

if TYPE_CHECKING:
    from pathlib import Path

    from harness.fetch.resource import Resource
    from harness.numeric.arrays import Doubles
    from harness.stimuli.passages import Passage

    from .mni_volumes import SphereVoxels

HIGH_PASS = 128.0
FOLDS = 5


ENCODING = EncodingOptions(n_outer=FOLDS)


@dataclass(frozen=True)
class LittlePrince(MniStories):
    """Predict regions of listeners to a whole book.

    Parameters
    ----------
    resolution : str
        ``roi``, mean responses of spheres, or ``voxel``, every voxel in them.
    participants : tuple of str, or str
        As ``("EN057", "EN058")`` or ``"EN057+EN058"``; ``all`` for all.
    context : str
        Context policy of the recording.
    language : str
        In which they heard it: ``en``, ``fr`` or ``zh``.
    encoding : EncodingOptions
        Delays, folds, penalties, solver: typed by their names (``delays=1-6;solver=himalaya``).

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
    encoding: EncodingOptions = ENCODING
    language: str = "en"

    tr = TR
    cutoff = HIGH_PASS

    def __post_init__(self) -> None:
        checked_choice(self.language, EDITIONS, "language")
        super().__post_init__()

    @staticmethod
    def resources(
        participants: tuple[str, ...] | str = "all", language: str = "en", **_: object
    ) -> tuple[Resource, ...]:
        """Annotations, and the nine runs of these participants."""
        checked_choice(language, EDITIONS, "language")
        edition = EDITIONS[language]
        runs = edition.runs
        names = [name for person in chosen(participants, runs) for name in runs[person]]
        return tuple(edition.files.resource(n) for n in (edition.words, edition.prosody, *names))

    @property
    def name(self) -> str:
        """Name of the stimuli."""
        return f"littleprince-{self.language}"

    @property
    def edition(self) -> Edition:
        """The book in the language of the listeners."""
        return EDITIONS[self.language]

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """The words of each section, with times from the start of its audio."""
        edition = self.edition
        return read_words(self._file(edition.words), len(edition.volumes), edition)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the sections."""
        return tuple(passage.name for passage in self.passages)

    @cached_property
    def clocks(self) -> tuple[tuple[float, ...], ...]:
        """Middles of the volumes used, from the start of each section's audio, s."""
        return tuple(tuple(TR * (i + 0.5) for i in range(n)) for n in self._used)

    def nuisance(self) -> dict[str, Doubles]:
        """Words, voice, and the drawings that were shown during the first section."""
        voice = read_prosody(self._file(self.edition.prosody), self._used)
        shown = pictures(self._used) if self.edition.pictures else {}
        return super().nuisance() | voice | shown

    @cached_property
    def images(self) -> dict[str, list[SphereVoxels]]:
        """Runs of each participant."""
        from .mni_volumes import RADIUS, REGIONS, SphereVoxels, open_image, spheres

        found = {}
        runs = self.edition.runs
        for person in chosen(self.participants, runs):
            opened = [open_image(self._file(name)) for name in runs[person]]
            for number, (image, expected) in enumerate(
                zip(opened, self.edition.volumes, strict=True), 1
            ):
                if abs(image.shape[3] - expected) > 1:
                    raise DataError(
                        f"{person}, section {number}: {image.path.name} has {image.shape[3]}"
                        f" volumes; it should have {expected}, one more or one fewer",
                        "it is another run, or raw and not from derivatives/; fetch it again, or"
                        " leave the participant out",
                    )
            found[person] = [SphereVoxels(i, spheres(i, REGIONS, RADIUS)) for i in opened]
        return found

    @property
    def used(self) -> tuple[slice, ...]:
        """Volumes to use of each section."""
        return tuple(slice(0, n) for n in self._used)

    @cached_property
    def _used(self) -> tuple[int, ...]:
        """Volumes of each section: as many as every participant has."""
        lengths = [[run.shape[0] for run in runs] for runs in self.images.values()]
        return tuple(min(section) for section in zip(self.edition.volumes, *lengths, strict=True))

    def _file(self, name: str) -> Path:
        return self.edition.files.here(name, self.name)


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Return regions, and every voxel in them, of listeners in three languages."""
    common: dict[str, Any] = {
        "target": "brainpress_plugins.benchmarks.neural.littleprince:LittlePrince",
        "kind": "neural",
        "margins": {"normalised": 0.05},
        "headline": "unique",
        "headline_reason": (
            "Rates of words and sounds alone predict temporal regions of people who listen: what a"
            " model adds to them is the question."
        ),
        "licence": "CC0-1.0",
        "citation": (
            "Li, Bhattasali, Zhang, Franzluebbers, Luh, Spreng, Brennan, Yang, Pallier & Hale"
            " (2022). Le Petit Prince multilingual naturalistic fMRI corpus. Scientific Data 9,"
            " 530."
        ),
        "homepage": "https://openneuro.org/datasets/ds003643/versions/2.0.7",
    }
    specs = []
    for language, edition in EDITIONS.items():
        size = sum(size or 0 for size, _ in edition.files.entries.values()) / 1e9
        said = {
            **common,
            "notes": f"{_NOTES} {_TEXT[language]} All files ({size:.0f} GB) are checked by the md5"
            " that OpenNeuro keeps.",
        }
        minutes = round(sum(edition.volumes) * TR / 60)
        data = (
            f"{len(edition.runs)} listeners, {len(edition.volumes)} sections of one book in"
            f" {_NAMES[language]} ({minutes} min, TR {TR:g} s)"
        )
        options = {} if language == "en" else {"language": language}
        tags = ("neural", "fmri", "listening", "real", language)
        specs += [
            BenchmarkSpec(
                f"littleprince-{language}",
                version=2,
                options=options,
                metric="Pearson r, mean over 6 regions and participants",
                margin=0.02,
                tags=(*tags, "roi"),
                data=f"{data}, 6 regions",
                **said,
            ),
            BenchmarkSpec(
                f"littleprince-{language}-voxels",
                version=4,
                options={**options, "resolution": "voxel"},
                metric="Pearson r, mean over the voxels of 6 regions and participants",
                margin=0.01,
                tags=(*tags, "voxels"),
                data=f"{data}, every voxel of 6 regions",
                **said,
            ),
        ]
    return specs


_NAMES = {"en": "English", "fr": "French", "zh": "Chinese"}
_NOTES = (
    "Preprocessed images of the authors (ME-ICA, 2 mm, Colin 27 in MNI space); regions are spheres"
    " of 10 mm around the six peaks of Pallier et al. (2011). The first section is the lowest run"
    " number of a participant. A run may have one volume more or fewer than documented; all are cut"
    " to the shortest. Periods above 128 s are taken out of responses, features and nuisance. Whole"
    " sections are held out. Ceiling: the other listeners (leave-one-out, a lower bound), and"
    " split halves of the group. Nuisance:"
    " word rate, length, log frequency, intensity and pitch of the voice, and, but in French, the"
    " drawings that were shown during the first section."
)
_TEXT = {
    "en": (
        "The text is the table of annotated words: no punctuation, contractions in two words"
        " (`did nt`), numbers in one (`threetwofive`), `na\\ive` as it is written there."
    ),
    "fr": (
        "The text is the table of annotated words, without punctuation; `l'`, `qu'` and their like"
        " stand next to the word that follows; nine words are corrected as in Bonnasse-Gahot &"
        " Pallier (2024)."
    ),
    "zh": (
        "The text is the table of annotated words, one after the other without spaces and"
        " punctuation. Volumes begin with the audio, as the README of the data set and public"
        " analyses have it."
    ),
}
