"""Which file of a folder of BIDS derivatives is meant: by the entities in its name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError

PREFIX = "bids:"
ENDINGS = (
    "_bold.nii.gz",
    "_bold.nii",
    "_bold.func.gii",
    "_bold.dtseries.nii",
    "_bold.ptseries.nii",
    "_timeseries.ptseries.nii",
)
"""How names of responses end: volumes, surfaces, grayordinates, parcels (XCP-D)."""
NUMBERED = ("run", "echo")
"""Entities whose values are numbers: run-1 is run-01."""


@dataclass(frozen=True)
class Bids:
    """The table ``[bids]`` of a description.

    Parameters
    ----------
    task, session, space : str
        Entities of the files of responses.
    desc : str
        Default: ``preproc``, or none.
    entities : str
        Further ones, as in a file's name: ``acq-multiband_res-2``.
    extension : str
        ``nii.gz``, ``func.gii``, ``dtseries.nii`` or ``ptseries.nii``, where there are several.
    atlas : str
        Parcels, relative to the description: a NIfTI image of labels, ``.dlabel.nii``, or a pair
        of ``.label.gii`` (or ``.annot``) with ``{hemi}`` where L and R go. Needed for regions.
    labels : str
        Names of the parcels of a NIfTI atlas: a table with the columns ``index`` and ``name``.
    mask : str
        Of volumes, an image: which voxels. Default: the brain masks of a participant's runs.
    confounds : tuple of str
        Columns of the confounds tables, with globs, or named sets
        (:data:`harness.own_data.bids.confounds.SETS`).
    """

    task: str = ""
    session: str = ""
    space: str = ""
    desc: str = ""
    entities: str = ""
    extension: str = ""
    atlas: str = ""
    labels: str = ""
    mask: str = ""
    confounds: tuple[str, ...] = ()

    def wanted(self, run: str) -> dict[str, str]:
        """Entities of the responses to a run; those that the run says come first."""
        named = {"task": self.task, "ses": self.session, "space": self.space, "desc": self.desc}
        said = {key: value for key, value in named.items() if value}
        return said | parse_entities(self.entities) | parse_entities(run)


@dataclass(frozen=True)
class BidsFile:
    """A file and what its name says.

    Parameters
    ----------
    path : Path
    entities : mapping
        ``{"sub": "01", "task": "story", …}``.
    ending : str
        One of ``ENDINGS``, or what else follows the entities.
    """

    path: Path
    entities: Mapping[str, str]
    ending: str


def parse_entities(text: str) -> dict[str, str]:
    """Read ``task-story_run-1``.

    Raises
    ------
    DataError
        A part is no entity.
    """
    found = {}
    for part in filter(None, text.split("_")):
        key, dash, value = part.partition("-")
        if not (dash and key.isalnum() and value):
            raise DataError(f"{text!r} holds no entities: {part!r}", "write task-story_run-1")
        found[key] = value
    return found


def parse_name(path: Path) -> BidsFile | None:
    """Read the name of a file; None where it is no name of BIDS."""
    stem, _, ending = path.name.rpartition("_")
    parts = stem.split("_")
    if not parts[0].startswith("sub-") or not all(re.fullmatch(r"[^-]+-.+", p) for p in parts):
        return None
    return BidsFile(path, dict(p.split("-", 1) for p in parts), f"_{ending}")


def files_of(root: Path, participant: str) -> tuple[BidsFile, ...]:
    """List the files of functional data of a participant, sorted by name.

    Raises
    ------
    DataError
        There is no such participant.
    """
    folder = root / f"sub-{participant.removeprefix('sub-')}"
    if not folder.is_dir():
        there = sorted(p.name for p in root.glob("sub-*") if p.is_dir()) if root.is_dir() else []
        raise DataError(
            f"no folder {folder}",
            f"there are {', '.join(there[:8])}" if there else f"{root} holds no sub-*",
        )
    return tuple(
        found
        for path in sorted(folder.rglob("func/*"))
        if path.is_file() and (found := parse_name(path))
    )


def find_responses(root: Path, bids: Bids, participant: str, run: str) -> tuple[BidsFile, ...]:
    """Find the file of a participant's responses to a run, or the two hemispheres'.

    Parameters
    ----------
    root : Path
        Folder of the derivatives.
    bids : Bids
    participant : str
        Label, ``01`` or ``sub-01``.
    run : str
        Entities of the run, as ``run-1``.

    Returns
    -------
    tuple of BidsFile
        One; of surfaces two, left first.

    Raises
    ------
    DataError
        There is none, or more than one; the message has what tells them apart.
    """
    wanted = bids.wanted(run)
    endings = tuple(e for e in ENDINGS if e.endswith(bids.extension))
    known = [f for f in files_of(root, participant) if f.ending in endings]
    found = [f for f in known if _matches(f.entities, wanted)]
    if "desc" not in wanted:
        found = [f for f in found if f.entities.get("desc", "preproc") == "preproc"]
    shown = f"sub-{participant.removeprefix('sub-')}, " + "_".join(
        f"{key}-{value}" for key, value in wanted.items()
    )
    if not found:
        near = [f.path.name for f in known][:4]
        raise DataError(
            f"{root}: no responses of {shown}",
            f"there are {', '.join(near)}" if near else f"names end in {', '.join(ENDINGS)}",
        )
    hemispheres = {f.entities.get("hemi", "") for f in found}
    if all(f.ending == "_bold.func.gii" for f in found) and hemispheres == {"L", "R"}:
        pair = sorted(found, key=lambda f: f.entities["hemi"])
        if len(pair) == 2:
            return tuple(pair)
    if len(found) > 1 or hemispheres != {""}:
        raise DataError(
            f"{root}: {len(found)} files are responses of {shown}: "
            + ", ".join(f.path.name for f in found[:4]),
            f"say {_told_apart(found)} in [bids] or in the run's `bids`",
        )
    return tuple(found)


def find_beside(root: Path, response: BidsFile, participant: str, ending: str) -> Path | None:
    """Find a file that goes with responses: the one that contradicts no entity of theirs.

    Parameters
    ----------
    root : Path
    response : BidsFile
    participant : str
    ending : str
        With its ``desc``: ``_desc-brain_mask.nii.gz``, ``_desc-confounds_timeseries.tsv``.

    Returns
    -------
    Path or None
        The one that shares most entities.
    """
    said = dict(response.entities)
    _, _, rest = ending.partition("_desc-")
    desc, _, _ = rest.partition("_")
    fits = [
        f
        for f in files_of(root, participant)
        if f.path.name.endswith(ending)
        and all(said.get(k) == v for k, v in f.entities.items() if k != "desc")
        and (f.entities.get("desc", "") == desc)
    ]
    return max(fits, key=lambda f: len(f.entities)).path if fits else None


def participants_of(root: Path) -> Iterator[str]:
    """Labels of the participants of a folder of derivatives, sorted."""
    for path in sorted(root.glob("sub-*")):
        if path.is_dir():
            yield path.name.removeprefix("sub-")


def _matches(entities: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    for key, value in wanted.items():
        own = entities.get(key, "")
        if own == value:
            continue
        numbers = key in NUMBERED and own.isdigit() and value.isdigit()
        if not numbers or int(own) != int(value):
            return False
    return True


def _told_apart(found: list[BidsFile]) -> str:
    keys = {key for f in found for key in f.entities}
    values = {key: sorted({f.entities.get(key, "") for f in found}) for key in keys}
    apart = [
        f"{key} ({' or '.join(v or 'none' for v in each)})"
        for key, each in sorted(values.items())
        if len(each) > 1
    ]
    return ", ".join(apart) or "an extension"
