"""A description of a folder of BIDS derivatives, written from what is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError
from harness.own_data.bids.confounds import confounds_table
from harness.own_data.bids.images import load_image, repetition_time
from harness.own_data.bids.layout import (
    ENDINGS,
    NUMBERED,
    Bids,
    BidsFile,
    files_of,
    find_responses,
    participants_of,
)

RUN = ("ses", "run")
"""Entities that tell the runs of a task apart."""
CONFOUNDS = ("motion-6", "acompcor-5")


@dataclass(frozen=True)
class Written:
    """A description, and what it leaves out.

    Parameters
    ----------
    text : str
    left_out : mapping
        Participants, and why.
    """

    text: str
    left_out: Mapping[str, str]


def describe_derivatives(
    name: str,
    root: Path,
    shown: str,
    *,
    task: str = "",
    space: str = "",
    atlas: str = "",
    labels: str = "",
    events: str = "events/{run}.tsv",
) -> Written:
    """Write the description of responses in BIDS derivatives.

    Parameters
    ----------
    name : str
        Of the benchmark.
    root : Path
        Folder of the derivatives.
    shown : str
        How the description names it.
    task, space : str
        Where there are several.
    atlas, labels : str
        See :class:`harness.own_data.bids.layout.Bids`.
    events : str
        Where the words of a run are, with ``{run}``.

    Raises
    ------
    DataError
        There are no responses, or several tasks or spaces to choose from.
    """
    people = list(participants_of(root))
    if not people:
        raise DataError(f"{root} holds no sub-*", "give the folder of derivatives of fMRIPrep")
    responses = [f for p in people for f in files_of(root, p) if f.ending in ENDINGS]
    task = _only(task, {f.entities.get("task", "") for f in responses}, "task", root)
    responses = [f for f in responses if f.entities.get("task", "") == task]
    space = _only(space, {f.entities.get("space", "") for f in responses}, "space", root)
    responses = [f for f in responses if f.entities.get("space", "") == space]
    endings = {f.ending.partition(".")[2] for f in responses}
    extension = "" if len(endings) == 1 and "ptseries.nii" not in endings else min(endings)
    bids = Bids(task=task, space=space, extension=extension, atlas=atlas, labels=labels)
    runs = list(dict.fromkeys(_run_of(f) for f in responses))
    kept, left_out = [], {}
    for person in people:
        try:
            for run in runs:
                find_responses(root, bids, person, run)
        except DataError as error:
            left_out[person] = error.message
        else:
            kept.append(person)
    if not kept:
        raise DataError(f"no participant has all runs ({', '.join(runs)}) of task {task}")
    first = find_responses(root, bids, kept[0], runs[0])[0]
    tr = repetition_time(first.path, load_image(first.path))
    start = _start(first, tr)
    return Written(
        "\n".join(
            [
                "# Written from a folder of BIDS derivatives; look at every line. See it:",
                f"# brainpress inspect data:{name}",
                f"name = {json.dumps(name)}",
                f"participants = {json.dumps(kept)}",
                f"responses = {json.dumps(f'bids:{shown}')}",
                f"tr = {tr:g}  # seconds" if tr else "tr = 0.0  # seconds: the files do not say",
                "delays = [1, 2, 3, 4]  # volumes",
                f"folds = {max(len(runs), 2)}",
                "cutoff = 128.0  # high-pass, seconds",
                "",
                "[bids]",
                *(f"{key} = {json.dumps(value)}" for key, value in _said(bids).items()),
                f"confounds = {json.dumps(_confounds(root, first, kept[0]))}",
                *(
                    line
                    for run in runs
                    for line in (
                        "",
                        "[[runs]]",
                        f"name = {json.dumps(run or 'run')}",
                        f"bids = {json.dumps(run)}",
                        f"events = {json.dumps(events.replace('{run}', run or 'run'))}",
                        f"start = {start:g}  # middle of the first volume, on the clock of the"
                        " words",
                    )
                ),
                "",
            ]
        ),
        left_out,
    )


def _only(given: str, found: set[str], what: str, root: Path) -> str:
    if given:
        if given not in found:
            raise DataError(
                f"{root} has no responses of {what} {given}",
                f"there are {', '.join(sorted(found - {''})) or 'none'}",
            )
        return given
    if len(found) != 1:
        raise DataError(
            f"{root} has responses of {len(found)} {what}s",
            f"say --{what}: {', '.join(sorted(found - {''}))}" if found else "is it fMRIPrep's?",
        )
    return found.pop()


def _run_of(file: BidsFile) -> str:
    return "_".join(
        f"{key}-{int(file.entities[key]) if key in NUMBERED else file.entities[key]}"
        for key in RUN
        if key in file.entities
    )


def _start(file: BidsFile, tr: float) -> float:
    """Middle of the first volume: where slice timing put it, else half a volume."""
    sidecar = file.path.parent / f"{file.path.name.split('.', 1)[0]}.json"
    try:
        return float(json.loads(sidecar.read_text(encoding="utf-8"))["StartTime"])
    except (OSError, ValueError, KeyError, TypeError):
        return tr / 2


def _said(bids: Bids) -> dict[str, str]:
    names = ("task", "space", "extension", "atlas", "labels")
    return {name: getattr(bids, name) for name in names if getattr(bids, name)}


def _confounds(root: Path, file: BidsFile, participant: str) -> list[str]:
    from harness.own_data.bids.confounds import read_confounds

    try:
        table = confounds_table(root, file, participant)
    except DataError:
        return []
    found = []
    for name in CONFOUNDS:
        try:
            read_confounds(table, [name])
        except DataError:
            continue
        found.append(name)
    return found
