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
    mean of the repeats. Rows of a run that a participant lacks are NaN.
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

    def absent(self, participant: str) -> tuple[Any, ...]:
        """Return the labels of the runs that a participant lacks."""
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
        For each participant, the parts in the order of the recording's rows; None for a run that
        they lack.
    labels : sequence
        Run label of each part, the same for all participants.

    Raises
    ------
    DataError
        Participants differ in their rows, or the parts of one in their voxels; somebody lacks all
        runs, or everybody one.
    """

    parts: Mapping[str, Sequence[ResponseRows | None]]
    labels: Sequence[Any]

    def __post_init__(self) -> None:
        if not self.parts:
            raise DataError("there are no participants", "give the parts of at least one")
        expected: dict[int, int] = {}
        for name, parts in self.parts.items():
            there = {number: part for number, part in enumerate(parts) if part is not None}
            widths = {part.values.shape[-1] for part in there.values()}
            if len(parts) != len(self.labels) or len(widths) != 1:
                raise DataError(
                    f"participant {name} has {len(there)} parts with {sorted(widths)} voxels for"
                    f" {len(self.labels)} runs",
                    "give one part for each run, all with the same voxels",
                )
            for run, part in there.items():
                if part.n_rows != expected.setdefault(run, part.n_rows):
                    raise DataError(
                        f"participant {name} has {part.n_rows} rows in run {self.labels[run]},"
                        f" others have {expected[run]}",
                        "trim both alike, or score participants with other rows on their own",
                    )
        if nobody := [str(label) for k, label in enumerate(self.labels) if k not in expected]:
            raise DataError(f"nobody has run {', '.join(nobody)}", "leave it out")
        repeated = {
            run
            for parts in self.parts.values()
            for run, part in enumerate(parts)
            if part is not None and len(part.values.shape) == 3
        }
        if len(repeated) > 1:
            raise DataError("more than one run has repeats", "average those of the training runs")
        check_runs(self.runs)

    @property
    def participants(self) -> tuple[str, ...]:
        """Names of the participants."""
        return tuple(self.parts)

    @property
    def runs(self) -> Positions:
        """Position of the run of every row in ``labels``, (n_samples,)."""
        lengths = self._lengths
        return np.repeat(np.arange(len(lengths)), lengths)

    @property
    def _lengths(self) -> list[int]:
        """Rows of every run, from whoever has it."""
        runs = zip(*self.parts.values(), strict=True)
        return [next(part.n_rows for part in each if part is not None) for each in runs]

    def absent(self, participant: str) -> tuple[int, ...]:
        """Positions in ``labels`` of the runs that a participant lacks."""
        return tuple(n for n, part in enumerate(self.parts[participant]) if part is None)

    def n_voxels(self, participant: str) -> int:
        """Return the number of voxels of a participant."""
        there = next(part for part in self.parts[participant] if part is not None)
        return int(there.values.shape[-1])

    def block(self, participant: str, start: int, stop: int) -> Floats:
        """Read voxels ``start`` to ``stop``, (n_samples, stop - start); NaN in absent runs."""
        found = [None if p is None else p.mean(start, stop) for p in self.parts[participant]]
        kind = next(block.dtype for block in found if block is not None)
        kind = kind if np.issubdtype(kind, np.floating) else np.dtype(np.float64)
        lengths = self._lengths if None in self.parts[participant] else [0] * len(found)
        return np.concatenate(
            [
                np.full((n, stop - start), np.nan, kind) if block is None else block
                for block, n in zip(found, lengths, strict=True)
            ]
        )

    def repeats(self, participant: str, start: int, stop: int) -> Floats | None:
        """Read the repeats of the repeated run, (n_repeats, n_rows, stop - start)."""
        for part in self.parts[participant]:
            if part is not None and len(part.values.shape) == 3:
                return part.read(start, stop)
        return None


@dataclass(frozen=True, eq=False)
class SomeParticipants:
    """Participants of a source, in the rows that they all have; a :class:`ResponseSource`.

    Parameters
    ----------
    source : ResponseSource
    names : tuple of str
    rows : array of int, optional
        Rows, of whole runs, where these are not all.
    """

    source: ResponseSource
    names: tuple[str, ...]
    rows: Positions | None = None

    @property
    def participants(self) -> tuple[str, ...]:
        """Names of these participants."""
        return self.names

    @property
    def runs(self) -> Positions:
        """Run label of every row, (n_rows,)."""
        runs = np.asarray(self.source.runs)
        return runs if self.rows is None else runs[self.rows]

    def absent(self, participant: str) -> tuple[Any, ...]:
        """Labels of those of ``runs`` that a participant lacks."""
        lacked = self.source.absent(participant)
        return lacked if self.rows is None else tuple(np.intersect1d(lacked, self.runs))

    def n_voxels(self, participant: str) -> int:
        """Return the number of voxels."""
        return self.source.n_voxels(participant)

    def block(self, participant: str, start: int, stop: int) -> Floats:
        """Read voxels ``start`` to ``stop``, (n_rows, stop - start)."""
        block = self.source.block(participant, start, stop)
        return block if self.rows is None else block[self.rows]

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
