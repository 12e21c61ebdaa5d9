"""Deniz et al. (2019): fMRI of people who listened to, and read, eleven stories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.encode.design.options import EncodingOptions
from harness.encode.score.stories import PublishedStories, checked_choice, chosen
from harness.errors import DataError
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

from .cortical_areas import LANGUAGE, LICENCE, parcellation_files
from .deniz2019_files import (
    PARTICIPANTS,
    Modality,
    as_shown,
    ceiling_name,
    listed,
    read_ceiling,
    region_masks,
    resource_of,
    stored_story,
    with_language,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from harness.encode.design.sources import PartedResponses, ResponseRows
    from harness.encode.design.splits import Fold
    from harness.encode.voxels.stream_options import PenaltyScope
    from harness.fetch.resource import Resource
    from harness.stimuli.passages import Passage
    from harness.stimuli.triggers import TriggerReport

STORIES = {
    "alternateithicatom": 343,
    "avatar": 367,
    "howtodraw": 354,
    "legacy": 400,
    "life": 430,
    "myfirstdaywiththeyankees": 358,
    "naked": 421,
    "odetostepfather": 404,
    "souls": 355,
    "undertheinfluence": 304,
    "wheretheressmoke": 291,
}
"""Used volumes of each story, in the order of the response files; the last one is the test story,
presented twice. Reports of runs in which people read have 3 and 5 volumes fewer for two stories."""
TR = 2.0045
DETRENDED = 120.0
"""Windows of 120 s, in which responses are detrended, says the paper (``lebel2023.DETRENDED``)."""
VOXELS = {"01": 81133, "02": 80350, "03": 72965, "05": 80615, "07": 92970, "08": 79936}
"""Cortical voxels of the participants with masks of regions."""
FOLDS = 5


class Profile(StrEnum):
    """Whose choices are made."""

    STRICT = "strict"
    """Whole stories held out in turn, mean of the repeats, the times at which words were shown."""
    OOTA2026 = "oota2026"
    """The test story held out, one of its repeats, times of the spoken words, given ceilings, ten
    penalties that a participant's voxels share."""


ENCODING = EncodingOptions(n_outer=FOLDS)


@dataclass(frozen=True)
class Deniz2019(PublishedStories):
    """Predict cortical responses to eleven stories of the Moth Radio Hour.

    Parameters
    ----------
    modality : str
        ``listening`` or ``reading``.
    profile : str
        ``strict`` or ``oota2026``.
    resolution : str
        ``roi`` or ``voxel``.
    participants : tuple of str, or str
        Numbers, as ``("01", "02")`` or ``"01+02"``.
    context : str
        Context policy of the recording.
    rois : str
        Regions by name, as ``AC+Broca+sPMv``: those of the mapper files (all participants with any
        have AC, Broca, IPS, LO, OFA, OPA and sPMv), or ``language``, 17 areas of the HCP-MMP
        parcellation. Empty: all that everybody has.
    encoding : EncodingOptions
        Delays, folds, penalties, solver: typed by their names (``delays=1-6;solver=himalaya``).
        The ten penalties of ``oota2026`` are those of its default.

    Raises
    ------
    DataError
        An option has no such value, or a response file is not what it should be.
    OfflineError
        A file is not here.
    """

    modality: str = "listening"
    profile: str = "strict"
    resolution: str = "roi"
    participants: tuple[str, ...] | str = tuple(VOXELS)
    context: str = "strided(256,128)"
    rois: str = ""
    encoding: EncodingOptions = ENCODING

    tr = TR
    cutoff = DETRENDED

    def __post_init__(self) -> None:
        checked_choice(self.modality, Modality, "modality")
        checked_choice(self.profile, Profile, "profile")
        super().__post_init__()

    @staticmethod
    def resources(
        modality: str = "listening",
        participants: tuple[str, ...] | str = tuple(VOXELS),
        rois: str = "",
        **_: object,
    ) -> tuple[Resource, ...]:
        """Files for these participants: stimuli, responses, masks, ceilings."""
        wanted = [n for n in listed() if not n.startswith("noise_ceiling")]
        wanted += [
            f"{kind}/subject{person}_{end}"
            for person in chosen(participants, PARTICIPANTS)
            for kind, end in (
                ("responses", f"{modality}_fmri_data_trn.hdf"),
                ("responses", f"{modality}_fmri_data_val.hdf"),
                ("mappers", "mappers.hdf"),
            )
        ]
        ceilings = [
            n
            for n in (ceiling_name(p, modality) for p in chosen(participants, PARTICIPANTS))
            if n in listed()
        ]
        atlas = parcellation_files() if "language" in rois.split("+") else ()
        return (*(resource_of(name) for name in [*wanted, *ceilings]), *atlas)

    @staticmethod
    def surface(participant: str, **_: object) -> Any:
        """Return the mapper (n_vertices, n_voxels) from a participant's voxels to fsaverage.

        Raises
        ------
        OfflineError
            It is not on this machine.
        DataError
            The file is not whole.
        """
        from harness.encode.design.mappers import read_mapper
        from harness.fetch.present import present

        name = f"mappers/subject{participant}_mappers.hdf"
        return read_mapper(present(resource_of(name), "deniz2019-listening"))

    @property
    def name(self) -> str:
        """Name of the stimuli."""
        return f"deniz2019-{self.modality}"

    @property
    def options(self) -> EncodingOptions:
        """How encoding models are fitted."""
        if self.profile == Profile.OOTA2026 and self.encoding == ENCODING:
            return replace(self.encoding, penalties=10)
        return self.encoding

    @property
    def folds(self) -> Sequence[Fold] | None:
        """The paper holds out the test story."""
        from harness.encode.design.splits import held_out_run

        if self.profile != Profile.OOTA2026:
            return None
        return held_out_run(self.source.runs, len(STORIES) - 1)

    @property
    def scope(self) -> PenaltyScope:
        """The paper's voxels share a penalty."""
        from harness.encode.voxels.stream_options import PenaltyScope

        shared = self.profile == Profile.OOTA2026
        return PenaltyScope.PARTICIPANT if shared else PenaltyScope.VOXEL

    def score_recording(self, recording: xr.DataArray) -> xr.Dataset:
        """Score a recording with the options of the profile."""
        score = super().score_recording(recording)
        return score.assign_attrs(profile=self.profile, word_times=self._times_from)

    @property
    def people(self) -> tuple[str, ...]:
        """The participants."""
        return chosen(self.participants, PARTICIPANTS)

    @property
    def _times_from(self) -> str:
        strict_reading = self.modality == Modality.READING and self.profile == Profile.STRICT
        return "words as they were shown" if strict_reading else "words as they were spoken"

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """The words of each story, with times from the start of the story."""
        from harness.stimuli.speech import spoken, word_tier
        from harness.stimuli.textgrid import read_textgrid

        if self._times_from == "words as they were shown":
            return tuple(as_shown(s, self._report(s)) for s in STORIES)
        return tuple(
            spoken(s, word_tier(read_textgrid(self._file(f"textgrids/{s}.TextGrid")), s))
            for s in STORIES
        )

    @cached_property
    def clocks(self) -> tuple[tuple[float, ...], ...]:
        """Times of the volumes used, from the start of each story."""
        from harness.stimuli.triggers import story_clock

        reports = {story: self._report(story) for story in STORIES}
        return tuple(story_clock(self._used[s], r.tr, r.start) for s, r in reports.items())

    @cached_property
    def source(self) -> PartedResponses:
        """Responses; the published ones are detrended."""
        from harness.encode.design.sources import PartedResponses

        parts = {
            person: [
                replace(part, rows=slice(part.rows.start, part.rows.start + n_used))
                for part, n_used in zip(own, self._used.values(), strict=True)
            ]
            for person, own in self._stored.items()
        }
        return PartedResponses(parts, tuple(STORIES))

    @cached_property
    def masks(self) -> dict[str, dict[str, Any]]:
        """Regions of the participants that have any."""
        files = {p: self._file(f"mappers/subject{p}_mappers.hdf") for p in self.people}
        masks = {p: region_masks(path) for p, path in files.items()}
        return with_language(masks, files) if "language" in self.rois.split("+") else masks

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that are scored; none: all that everybody has."""
        named = [name for name in self.rois.split("+") if name]
        return tuple(r for n in named for r in (LANGUAGE if n == "language" else (n,)))

    @cached_property
    def ceilings(self) -> dict[str, Any]:
        """Published ceilings, which the paper's profile takes."""
        if self.profile != Profile.OOTA2026:
            return {}
        names = {p: ceiling_name(p, self.modality) for p in self.people}
        return {p: read_ceiling(self._file(n)) for p, n in names.items() if n in listed()}

    @cached_property
    def _stored(self) -> dict[str, list[ResponseRows]]:
        """Responses by participant, as they are in the files."""
        return {person: self._parts(person) for person in self.people}

    @cached_property
    def _used(self) -> dict[str, int]:
        """Used volumes of each story: as many as every participant has."""
        return {
            story: min(parts[number].n_rows for parts in self._stored.values())
            for number, story in enumerate(STORIES)
        }

    def _parts(self, person: str) -> list[ResponseRows]:
        from harness.encode.design.leading import First

        start = f"responses/subject{person}_{self.modality}_fmri_data"
        parts = []
        for number, story in enumerate(STORIES, start=1):
            test = number == len(STORIES)
            path = self._file(f"{start}_{'val' if test else 'trn'}.hdf")
            part = stored_story(path, number, story, repeated=test, voxels=VOXELS.get(person))
            if test and self.profile == Profile.OOTA2026:
                part = replace(part, values=First(part.values))
            parts.append(replace(part, rows=self._rows(part.values.shape[-2], story, path)))
        return parts

    def _rows(self, n_rows: int, story: str, path: Path) -> slice:
        from harness.errors import StimulusError
        from harness.stimuli.triggers import DROPPED, used_volumes

        # A report lists the volumes of a whole run.
        expected = (STORIES[story], len(self._report(story).triggers) - 2 * DROPPED)
        try:
            n_used, before = used_volumes(n_rows, expected, f"{path.name}: {story}")
        except StimulusError as error:
            raise DataError(error.message, error.hint) from error
        return slice(before, before + n_used)

    def _report(self, story: str) -> TriggerReport:
        from harness.stimuli.triggers import read_report

        return read_report(self._file(f"trfiles/{story}.report"))

    def _file(self, name: str) -> Path:
        from harness.fetch.present import present

        return present(resource_of(name), f"deniz2019-{self.modality}")


_PAPER = "The paper reports r as a share of the cross-participant ceiling."
_BEYOND = (
    "The rate at which words are heard or shown predicts sensory cortex by itself: what a model"
    " adds to it is the question."
)


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Return both modalities: by region, by voxel, and in the profile ``oota2026``."""
    common: dict[str, Any] = {
        "target": "brainpress_plugins.benchmarks.neural.deniz2019:Deniz2019",
        "kind": "neural",
        "margin": 0.02,
        "margins": {"normalised": 0.05},
        "licence": f"CC0-1.0 (responses, mappers); MIT (stimuli, ceilings); areas: {LICENCE}",
        "citation": (
            "Deniz, Nunez-Elizalde, Huth & Gallant (2019). The representation of semantic"
            " information across human cerebral cortex during listening versus reading is"
            " invariant to stimulus modality. Journal of Neuroscience 39(39), 7722-7736."
        ),
        "homepage": "https://gin.g-node.org/denizenslab/narratives_reading_listening_fmri",
    }
    notes = (
        "Responses are trimmed [10:-10] and must have as many volumes as the stimulus says (one"
        " more is taken, as some runs have it). Voxels with NaN are unusable, and counted."
        " Participants 04, 06 and 09 have no masks of regions and no published ceilings, and are in"
        " none of the paper's authors' public code for these data. Masks that all others have: AC,"
        " Broca, IPS, LO, OFA, OPA, sPMv; rois=language takes areas of HCP-MMP instead. In two"
        " stories (naked, wheretheressmoke) words were shown to readers up to 9.8 s earlier than"
        " the recording says: the strict profile takes the times of the screen for readers."
        " Published cross-participant ceilings hold fits that did not converge; what is not in"
        " (0, 1] is masked."
        " The random held-out volumes of the paper, which leak, are not offered: penalties are"
        " chosen on held-out stories."
    )
    specs = []
    for modality in Modality:
        for suffix, options, metric, tag in (
            ("", {}, "Pearson r, mean over regions and participants", "roi"),
            (
                "-voxels",
                {"resolution": "voxel", "participants": PARTICIPANTS},
                "Pearson r, mean over voxels and participants",
                "voxels",
            ),
            (
                "-oota2026",
                {
                    "resolution": "voxel",
                    "profile": "oota2026",
                    "context": "words(20)",
                    "rois": "language",
                },
                f"Pearson r, mean over voxels of {len(LANGUAGE)} language areas and participants",
                "oota2026",
            ),
        ):
            people = options.get("participants", tuple(VOXELS))
            specs.append(
                BenchmarkSpec(
                    f"deniz2019-{modality}{suffix}",
                    version=3 if tag == "oota2026" else 2 if tag == "voxels" else 1,
                    options={"modality": str(modality), **options},
                    metric=metric,
                    headline="normalised" if tag == "oota2026" else "unique",
                    headline_reason=_PAPER if tag == "oota2026" else _BEYOND,
                    tags=("neural", "fmri", str(modality), tag, "real"),
                    data=(
                        f"{len(people)} people, {modality}, {len(STORIES)} stories (TR {TR} s),"
                        f" {min(VOXELS.values()) / 1e3:.0f} to {max(VOXELS.values()) / 1e3:.0f}"
                        " thousand voxels each"
                    ),
                    notes=notes,
                    **common,
                )
            )
    return specs
