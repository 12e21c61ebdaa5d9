"""Deniz et al. (2019): where the files are, and whose."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import DataError
from harness.fetch.resource import Resource

if TYPE_CHECKING:
    from harness.encode.design.sources import ResponseRows
    from harness.stimuli.passages import Passage
    from harness.stimuli.triggers import TriggerReport

COMMIT = "d51d64bf5026441edfbec804d6ffeaea92bb3018"
ADDRESS = f"https://gin.g-node.org/denizenslab/narratives_reading_listening_fmri/raw/{COMMIT}"
RAW = "https://raw.githubusercontent.com"
STIMULI = (
    f"{RAW}/denizenslab/brain-informed-fine-tuning/9a39d38fd4bde38309e54887cd5ad09a47396b9d"
    "/brain-informed-fine-tuning"
)
CEILINGS = (
    f"{RAW}/subbareddy248/speech-llm-brain/17a8e46633cbfa9b185ecdccc01e6615dcd81aff/Noise_Ceiling"
)
PARTICIPANTS = tuple(f"{i:02d}" for i in range(1, 10))


class Modality(StrEnum):
    """How the stories were presented."""

    LISTENING = "listening"
    READING = "reading"


def stored_story(
    path: Path, number: int, story: str, *, repeated: bool, voxels: int | None
) -> ResponseRows:
    """Open the responses to one story.

    Parameters
    ----------
    path : Path
        A file of responses.
    number : int
        Of the story, from 1.
    story : str
        Its name, for messages.
    repeated : bool
        Whether it was presented twice.
    voxels : int, optional
        Cortical voxels of the participant, where they are known.

    Raises
    ------
    DataError
        The file has no such story, or its responses have another shape.
    """
    from harness.encode.design.sources import hdf5_part

    part = hdf5_part(path, f"story_{number:02d}")
    shape = part.values.shape
    if len(shape) != 2 + repeated or shape[-1] != (voxels or shape[-1]):
        raise DataError(
            f"{path.name}: story_{number:02d} ({story}) has shape {shape}; expected"
            f" {'2 repeats, ' if repeated else ''}volumes, {voxels or 'any number of'} voxels"
        )
    return part


def read_ceiling(path: Path) -> Any:
    """Read cross-participant ceilings; fits outside (0, 1] did not converge and become NaN."""
    import numpy as np

    values = np.load(path, allow_pickle=False).astype(np.float64)
    return np.where((values > 0) & (values <= 1), values, np.nan)


def region_masks(path: Path) -> dict[str, Any]:
    """Read the regions of a participant from a mapper file.

    Returns
    -------
    dict
        Boolean arrays (n_voxels,) by the name after ``roi_mask_``; empty where there are none.

    Raises
    ------
    DataError
        The file is not whole.
    """
    import numpy as np

    from harness.encode.design.sources import hdf5_file

    with hdf5_file(path) as stored:
        names = sorted(name for name in stored if name.startswith("roi_mask_"))
        return {n.removeprefix("roi_mask_"): np.asarray(stored[n][()]) > 0 for n in names}


def with_language(
    masks: Mapping[str, dict[str, Any]], mappers: Mapping[str, Path]
) -> dict[str, dict[str, Any]]:
    """Add the language areas of the HCP-MMP parcellation to the regions of each participant."""
    from harness.encode.design.mappers import read_mapper
    from harness.fetch.present import present

    from .cortical_areas import LANGUAGE, area_masks, parcellation_files, read_areas

    areas = read_areas([present(r, "deniz2019-listening-oota2026") for r in parcellation_files()])
    return {p: m | area_masks(areas, read_mapper(mappers[p]), LANGUAGE) for p, m in masks.items()}


def ceiling_name(person: str, modality: str) -> str:
    """Return the name of a participant's published ceilings."""
    return f"noise_ceiling/subject_{person}_{modality}.npy"


@cache
def listed() -> dict[str, tuple[int, str]]:
    """Return size and sha256 of the files whose content is known, by name."""
    text = files("brainpress_plugins.benchmarks.neural").joinpath("deniz2019.json").read_text()
    return {name: (size, sha256) for name, (size, sha256) in json.loads(text).items()}


def resource_of(name: str) -> Resource:
    """Return one of the files, by its name under ``deniz2019/``."""
    size, sha256 = listed().get(name, (None, ""))
    folder, _, file = name.partition("/")
    address, licence = f"{ADDRESS}/{name}", "CC0-1.0"
    if folder == "textgrids":
        address, licence = f"{STIMULI}/grid_files/{file}", "MIT"
    elif folder == "trfiles":
        address, licence = f"{STIMULI}/tr_files/{file}", "MIT"
    elif folder == "noise_ceiling":
        person, modality = file.removesuffix(".npy").removeprefix("subject_").split("_")
        address = f"{CEILINGS}/{modality}/subject_{person}_kernel_ridge.npy"
        licence = "MIT"
    where = f"deniz2019/{name}"
    return Resource(file, address, sha256, size, licence=licence, where=where)


def as_shown(story: str, report: TriggerReport) -> Passage:
    """Words as the screen showed them, each until the next change."""
    from harness.stimuli.speech import spoken
    from harness.stimuli.textgrid import TextGridInterval

    times = [t - report.start for t, _ in report.words] + [report.end - report.start]
    return spoken(
        story,
        [
            TextGridInterval(on, max(on, off), word)
            for (_, word), on, off in zip(report.words, times, times[1:], strict=False)
        ],
    )
