"""Responses and confounds of a participant in a run, wherever the description says they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import DataError
from harness.numeric.arrays import Bools, Doubles
from harness.own_data.bids.confounds import (
    as_array,
    confounds_table,
    read_confounds,
    unsteady_volumes,
)
from harness.own_data.bids.images import RowsOf, load_image, repetition_time
from harness.own_data.bids.layout import PREFIX, BidsFile
from harness.own_data.bids.open import BidsResponses
from harness.own_data.description import Description, Run
from harness.own_data.repeats import Presentations, separate
from harness.own_data.tables import open_array

SAME = 0.01
"""Share by which a tr may differ from the one in a file."""


def open_run(folder: Path, said: Description, participant: str, run: Run) -> Any:
    """Open the responses of a participant to a run, without the volumes that are trimmed.

    Returns
    -------
    array-like, shape (n_volumes, n_columns), or Presentations
        Where the run was presented several times: each presentation without its own confounds.

    Raises
    ------
    DataError
        There is no such array, it is not whole, nothing is left of it, or presentations differ.
    """
    found: list[Any] = []
    if said.is_bids:
        source = bids_of(folder, said, participant)
        for recorded in run.recorded:
            found.append(source.open(recorded))
            _check_tr(said, source.files(recorded)[0])
    else:
        for name in run.presentations:
            address = said.response_address(participant, name)
            found += separate(open_array(folder, address), f"{folder / address}")
    where = f"participant {participant}, run {run.name}"
    arrays = tuple(_trimmed(values, run, where) for values in found)
    if len(arrays) == 1:
        return arrays[0]
    try:
        presented = Presentations(arrays)
    except DataError as error:
        raise DataError(f"{where}: {error.message}", error.hint) from None
    own = _confounds(folder, said, participant, run)
    if not own:
        return presented
    if [len(each) for each in own] != [presented.shape[1]] * len(arrays):
        raise DataError(
            f"{where} was presented {len(arrays)} times, and has confounds of {len(own)} with"
            f" {', '.join(str(len(each)) for each in own)} rows for {presented.shape[1]} volumes",
            "say `repeats` in the run: an array of responses, and one of confounds, for each",
        )
    return presented.without(own)


def open_confounds(folder: Path, said: Description, participant: str, run: Run) -> Doubles:
    """Read the confounds of a participant in a run, (n_volumes, k), trimmed as the responses.

    Those of presentations, of which responses are the mean, left each presentation before: none
    is left, (n_volumes, 0).

    Raises
    ------
    DataError
        There are none, or a value is missing.
    """
    found = _confounds(folder, said, participant, run)
    return found[0] if len(found) == 1 else np.empty((len(found[0]), 0))


def _confounds(folder: Path, said: Description, participant: str, run: Run) -> list[Doubles]:
    """Read the confounds of every presentation; none where the description names none."""
    if not said.confounds and not (said.bids and said.bids.confounds):
        return []
    names = run.recorded if said.is_bids else run.presentations
    return [_confounds_of(folder, said, participant, run, name) for name in names]


def _confounds_of(
    folder: Path, said: Description, participant: str, run: Run, name: str
) -> Doubles:
    """Read the confounds of one presentation, (n_volumes, k), trimmed."""
    where = f"confounds of participant {participant}, run {run.name}"
    if not said.is_bids:
        values = np.asarray(
            open_array(folder, said.confound_address(participant, name)), np.float64
        )
        if values.ndim != 2:
            raise DataError(f"{where} have shape {values.shape}", "expected (volumes, columns)")
        return np.asarray(_trimmed(values, run, where)[:], np.float64)
    source = bids_of(folder, said, participant)
    file = source.files(name)[0]
    table = confounds_table(source.root, file, participant)
    values = as_array(read_confounds(table, source.bids.confounds))
    return np.asarray(_trimmed(values, run, where)[:], np.float64)


def region_masks(folder: Path, said: Description, participant: str) -> dict[str, Bools]:
    """Return the columns of each region of BIDS derivatives, by name."""
    return bids_of(folder, said, participant).masks


def unsteady(folder: Path, said: Description) -> str:
    """Say which runs begin before the steady state, as fMRIPrep found; nothing where none does."""
    odd = []
    for person in said.participants:
        source = bids_of(folder, said, person)
        for run in said.runs_of(person):
            for recorded in run.recorded:
                try:
                    table = confounds_table(source.root, source.files(recorded)[0], person)
                except DataError:
                    continue
                if (n := unsteady_volumes(table)) > run.skip:
                    odd.append(f"{person} {run.name} ({n})")
    if not odd:
        return ""
    return (
        f"volumes before the steady state are not skipped: {', '.join(odd[:6])}"
        f"{', …' if len(odd) > 6 else ''}; say `skip` in the run"
    )


def bids_files(folder: Path, said: Description) -> Iterator[tuple[str, Path]]:
    """Yield every file of BIDS derivatives that a score is made of, with a name for its key."""
    for person in said.participants:
        source = bids_of(folder, said, person)
        for recorded in (name for run in said.runs_of(person) for name in run.recorded):
            paths = source.used(recorded)
            if said.bids and said.bids.confounds:
                table = confounds_table(source.root, source.files(recorded)[0], person)
                beside = table.with_suffix(".json")
                paths += [table, *([beside] if beside.is_file() else [])]
            for path in paths:
                inside = path.is_relative_to(source.root)
                yield (path.relative_to(source.root).as_posix() if inside else path.name), path


def bids_of(folder: Path, said: Description, participant: str) -> BidsResponses:
    """Return where the responses of a participant are, in BIDS derivatives."""
    assert said.bids is not None
    named = [said.bids.mask, said.bids.labels]
    named += [said.bids.atlas.replace("{hemi}", side) for side in ("L", "R", "lh", "rh")]
    stamps = []
    for name in filter(None, named):
        file = folder / name
        if file.is_file():
            state = file.stat()
            stamps.append((name, state.st_mtime_ns, state.st_size))
    return _bids_of(folder, said, participant, tuple(stamps))


@lru_cache(maxsize=256)
def _bids_of(
    folder: Path, said: Description, participant: str, _stamps: tuple[object, ...]
) -> BidsResponses:
    """Keep what was read of atlas and mask, until they change."""
    assert said.bids is not None
    return BidsResponses(
        folder / Path(said.responses.removeprefix(PREFIX)).expanduser(),
        folder,
        said.bids,
        participant,
        tuple(name for run in said.runs_of(participant) for name in run.recorded),
        said.rois,
        said.by == "roi",
    )


def side_by_side(parts: Mapping[str, Sequence[Doubles]]) -> dict[str, Doubles]:
    """Join the confounds of runs, by participant, with as many columns for everybody.

    fMRIPrep finds other numbers of components and cosines in every run. A column of zeros takes
    nothing out.

    Parameters
    ----------
    parts : mapping
        By participant, (n_volumes, k) of each run.

    Returns
    -------
    dict
        (n_samples, k) by participant.
    """
    widest = max(part.shape[1] for own in parts.values() for part in own)
    return {
        person: np.concatenate(
            [np.pad(part, ((0, 0), (0, widest - part.shape[1]))) for part in own]
        )
        for person, own in parts.items()
    }


def heard_by_all(
    said: Description, arrays: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[Any]]:
    """List the arrays of each participant in the order of the runs; None where one is absent.

    Ceilings come from the repeats of one run: the test run, where several were repeated. Others
    are averaged.

    Parameters
    ----------
    said : Description
    arrays : mapping
        By participant, by run.

    Raises
    ------
    DataError
        Only some participants have repeats of a run, or several runs could give the ceilings.
    """
    repeated = []
    for run in said.runs:
        own = {p: each[run.name] for p, each in arrays.items() if run.name in each}
        several = [p for p, array in own.items() if isinstance(array, Presentations)]
        if several and len(several) < len(own):
            once = next(p for p in own if p not in several)
            raise DataError(
                f"run {run.name}: participant {once} has one presentation, {several[0]} several",
                "give the mean, or every presentation, of everybody",
            )
        repeated += [run] if several else []
    if len(repeated) > 1:
        tested = [run for run in repeated if run.test]
        if len(tested) != 1:
            raise DataError(
                f"runs {', '.join(r.name for r in repeated)} have repeats",
                "ceilings come from one: say `test = true` in it, or give the means of the others",
            )
        repeated = tested
    kept = {run.name for run in repeated}

    def one(name: str, array: Any) -> Any:
        return array.averaged if isinstance(array, Presentations) and name not in kept else array

    return {
        person: [one(run.name, each[run.name]) if run.name in each else None for run in said.runs]
        for person, each in arrays.items()
    }


def surface_identity(source: BidsResponses) -> Any:
    """Return the way of vertices of fsaverage to themselves; None for other spaces.

    Returns
    -------
    csr_array, shape (n_vertices, n_vertices), or None
    """
    import scipy.sparse

    file = source.files(source.runs[0])[0]
    if file.ending != "_bold.func.gii" or not file.entities["space"].startswith("fsaverage"):
        return None
    return scipy.sparse.csr_array(
        scipy.sparse.eye_array(source.open(source.runs[0]).shape[1], format="csr")
    )


def _check_tr(said: Description, file: BidsFile) -> None:
    stored = repetition_time(file.path, load_image(file.path))
    if stored and abs(stored - said.tr) > SAME * stored:
        raise DataError(
            f"tr is {said.tr:g} s; {file.path.name} says {stored:g} s", "mend tr, or the sidecar"
        )


def _trimmed(values: Any, run: Run, where: str) -> Any:
    n = values.shape[0]
    left = min(run.volumes or n, n - run.skip)
    if run.skip < 0 or left < 1:
        raise DataError(f"{where} has {n} volumes, of which {run.skip} are skipped", "mend `skip`")
    if run.volumes and left < run.volumes:
        raise DataError(
            f"{where} has {n} volumes: {left} after {run.skip} are skipped, not {run.volumes}",
            "mend `volumes` or `skip`",
        )
    return values if left == n else RowsOf(values, run.skip, left)
