"""Where responses of any number of voxels come from, a block of voxels at a time."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from harness.encode.design.leading import without_leading_ones
from harness.encode.design.splits import check_runs
from harness.errors import DataError, ExtraMissing
from harness.numeric.arrays import Floats, Positions
from harness.spec.extras import install_command


class ResponseSource(Protocol):
    """Responses of participants who had the same stimulus, in the same rows.

    Participants may differ in their number of voxels. Where a run was repeated, its rows hold the
    mean of the repeats.
    """

    @property
    def participants(self) -> tuple[str, ...]:
        """Names of the participants."""
        ...

    @property
    def runs(self) -> Positions:
        """Run label of every row, (n_samples,)."""
        ...

    def n_voxels(self, participant: str) -> int:
        """Return the number of voxels of a participant."""
        ...

    def block(self, participant: str, start: int, stop: int) -> Floats:
        """Read voxels ``start`` to ``stop``, (n_samples, stop - start). NaN is allowed."""
        ...

    def repeats(self, participant: str, start: int, stop: int) -> Floats | None:
        """Read the repeats of the repeated run, (n_repeats, n_rows, stop - start), if there are."""
        ...


Sliceable = Any
"""What can be indexed like an array: an array, a memory map, an HDF5 data set."""


@dataclass(frozen=True, eq=False)
class ResponseRows:
    """Some rows of one participant, in one array.

    Parameters
    ----------
    values : array-like, shape (n_rows, n_voxels) or (n_repeats, n_rows, n_voxels)
        An array, a memory map (``np.load(path, mmap_mode="r")``) or an HDF5 data set: anything that
        reads only what is asked of it. With three axes the rows are the mean of the repeats.
    rows : slice
        Rows to use: what trimming leaves.
    """

    values: Sliceable
    rows: slice = field(default_factory=lambda: slice(None))

    @property
    def n_rows(self) -> int:
        """Rows in use."""
        return len(range(*self.rows.indices(self.values.shape[-2])))

    def read(self, start: int, stop: int) -> Floats:
        """Read voxels ``start`` to ``stop``; repeats as they are."""
        # HDF5 sets know no negative ends.
        rows = slice(*self.rows.indices(self.values.shape[-2]))
        if len(self.values.shape) == 3:
            return np.asarray(self.values[:, rows, start:stop])
        return np.asarray(self.values[rows, start:stop])

    def mean(self, start: int, stop: int) -> Floats:
        """Read voxels ``start`` to ``stop``; the mean of repeats, (n_rows, stop - start)."""
        values = self.read(start, stop)
        return values.mean(axis=0, dtype=values.dtype) if values.ndim == 3 else values


@dataclass(frozen=True, eq=False)
class PartedResponses:
    """Responses in one array for each participant and run; a :class:`ResponseSource`.

    Parameters
    ----------
    parts : mapping
        For each participant, the parts in the order of the recording's rows.
    labels : sequence
        Run label of each part, the same for all participants.

    Raises
    ------
    DataError
        Participants differ in their rows, or the parts of one in their voxels.
    """

    parts: Mapping[str, Sequence[ResponseRows]]
    labels: Sequence[Any]

    def __post_init__(self) -> None:
        if not self.parts:
            raise DataError("there are no participants", "give the parts of at least one")
        expected: list[int] = []
        for name, parts in self.parts.items():
            rows = [part.n_rows for part in parts]
            widths = {part.values.shape[-1] for part in parts}
            if len(parts) != len(self.labels) or len(widths) != 1:
                raise DataError(
                    f"participant {name} has {len(parts)} parts with {sorted(widths)} voxels for"
                    f" {len(self.labels)} runs",
                    "give one part for each run, all with the same voxels",
                )
            expected = expected or rows
            if rows != expected:
                run = next(i for i, (a, b) in enumerate(zip(rows, expected, strict=True)) if a != b)
                raise DataError(
                    f"participant {name} has {rows[run]} rows in run {self.labels[run]}, others"
                    f" have {expected[run]}",
                    "trim both alike, or score participants with other rows on their own",
                )
        if sum(len(part.values.shape) == 3 for part in next(iter(self.parts.values()))) > 1:
            raise DataError("more than one run has repeats", "average those of the training runs")
        check_runs(self.runs)

    @property
    def participants(self) -> tuple[str, ...]:
        """Names of the participants."""
        return tuple(self.parts)

    @property
    def runs(self) -> Positions:
        """Position of the run of every row in ``labels``, (n_samples,)."""
        lengths = [part.n_rows for part in next(iter(self.parts.values()))]
        return np.repeat(np.arange(len(lengths)), lengths)

    def n_voxels(self, participant: str) -> int:
        """Return the number of voxels of a participant."""
        return int(self.parts[participant][0].values.shape[-1])

    def block(self, participant: str, start: int, stop: int) -> Floats:
        """Read voxels ``start`` to ``stop``, (n_samples, stop - start)."""
        return np.concatenate([part.mean(start, stop) for part in self.parts[participant]])

    def repeats(self, participant: str, start: int, stop: int) -> Floats | None:
        """Read the repeats of the repeated run, (n_repeats, n_rows, stop - start)."""
        for part in self.parts[participant]:
            if len(part.values.shape) == 3:
                return part.read(start, stop)
        return None


@dataclass(frozen=True, eq=False)
class OneParticipant:
    """One participant of a source; a :class:`ResponseSource`.

    Parameters
    ----------
    source : ResponseSource
    name : str
    """

    source: ResponseSource
    name: str

    @property
    def participants(self) -> tuple[str, ...]:
        """The name of the participant."""
        return (self.name,)

    @property
    def runs(self) -> Positions:
        """Run label of every row, (n_samples,)."""
        return self.source.runs

    def n_voxels(self, participant: str) -> int:
        """Return the number of voxels."""
        return self.source.n_voxels(participant)

    def block(self, participant: str, start: int, stop: int) -> Floats:
        """Read voxels ``start`` to ``stop``, (n_samples, stop - start)."""
        return self.source.block(participant, start, stop)

    def repeats(self, participant: str, start: int, stop: int) -> Floats | None:
        """Read the repeats of the repeated run, (n_repeats, n_rows, stop - start)."""
        return self.source.repeats(participant, start, stop)


def array_responses(
    values: Mapping[str, Sliceable],
    runs: npt.ArrayLike,
    repeats: Mapping[str, Sliceable] | None = None,
) -> PartedResponses:
    """Take responses from one array for each participant, in memory or memory-mapped.

    Parameters
    ----------
    values : mapping
        Responses (n_samples, n_voxels) by participant, all but the repeated run.
    runs : array, shape (n_samples,)
        Run label of every row.
    repeats : mapping, optional
        Repeats (n_repeats, n_rows, n_voxels) of one more run, which comes last.

    Returns
    -------
    PartedResponses
        Its labels are those of ``runs`` and, with repeats, ``"repeated"``.
    """
    labels = check_runs(runs)
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1], True])
    for name, array in values.items():
        if len(array.shape) != 2 or array.shape[0] != len(labels):
            raise DataError(
                f"participant {name} has responses of shape {tuple(array.shape)} for"
                f" {len(labels)} run labels",
                "give one row for every label: (n_samples, n_voxels)",
            )
    parts = {
        name: [ResponseRows(array, slice(a, b)) for a, b in itertools.pairwise(starts)]
        for name, array in values.items()
    }
    names: list[Any] = list(labels[starts[:-1]])
    if repeats is not None:
        if set(repeats) != set(values):
            raise DataError("repeats and responses are of different participants")
        parts = {name: [*own, ResponseRows(repeats[name])] for name, own in parts.items()}
        names.append("repeated")
    return PartedResponses(parts, names)


def npy_responses(
    paths: Mapping[str, Path], runs: npt.ArrayLike, repeats: Mapping[str, Path] | None = None
) -> PartedResponses:
    """Take responses from ``.npy`` files, without reading them whole.

    Parameters
    ----------
    paths, repeats : mapping
        Files by participant; see :func:`array_responses`.
    runs : array, shape (n_samples,)
        Run label of every row.

    Returns
    -------
    PartedResponses
    """

    def opened(files: Mapping[str, Path]) -> dict[str, Sliceable]:
        return {
            name: np.load(path, mmap_mode="r", allow_pickle=False) for name, path in files.items()
        }

    return array_responses(opened(paths), runs, None if repeats is None else opened(repeats))


def hdf5_part(path: Path, key: str, rows: slice = slice(None)) -> ResponseRows:
    """Take one data set of an HDF5 file as a part, without reading it.

    Parameters
    ----------
    path : Path
        The file; it stays open while the part is in use.
    key : str
        Name of the data set: (n_rows, n_voxels) or (n_repeats, n_rows, n_voxels). Leading axes of
        length one are taken off.
    rows : slice
        Rows to use.

    Returns
    -------
    ResponseRows

    Raises
    ------
    DataError
        The file is not whole, or holds no such data set.
    ExtraMissing
        h5py is not installed.
    """
    try:
        values = hdf5_file(path)[key]
    except KeyError as error:
        raise DataError(f"{path} holds no data set {key!r}") from error
    if hasattr(values, "shape"):
        values = without_leading_ones(values)
    if not hasattr(values, "ndim") or values.ndim not in (2, 3):
        raise DataError(f"{path}: {key!r} is not an array of responses")
    return ResponseRows(values, rows)


def hdf5_file(path: Path) -> Any:
    """Open an HDF5 file for reading.

    Returns
    -------
    h5py.File

    Raises
    ------
    DataError
        The file is not whole.
    ExtraMissing
        h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise ExtraMissing("h5py is not installed", install_command("neural")) from error
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path} is not a whole HDF5 file: {error}", "fetch it again") from error
