"""Runs that were presented several times: each presentation cleaned by itself, read when asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import DataError
from harness.numeric.arrays import Doubles, Floats


@dataclass(frozen=True, eq=False)
class OneOf:
    """One presentation of an array (n_presentations, n_volumes, n_columns)."""

    values: Any
    number: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Volumes, columns."""
        return tuple(self.values.shape[1:])

    def __getitem__(self, index: Any) -> Floats:
        """Read some volumes of some columns."""
        index = index if isinstance(index, tuple) else (index,)
        return np.asarray(self.values[(self.number, *index)])


@dataclass(frozen=True, eq=False)
class Presentations:
    """The presentations of a run to a participant, (n_presentations, n_volumes, n_columns).

    Parameters
    ----------
    arrays : tuple of array-like, shape (n_volumes, n_columns)
        One for each presentation, of one shape.
    bases : tuple of array, shape (n_volumes, k), optional
        Orthonormal; what is taken out of each presentation: its mean and its confounds, which
        differ between presentations and cannot be taken out of their mean.

    Raises
    ------
    DataError
        There are fewer than two, or they differ in shape.
    """

    arrays: tuple[Any, ...]
    bases: tuple[Doubles, ...] = ()

    def __post_init__(self) -> None:
        shapes = [tuple(array.shape) for array in self.arrays]
        if len(shapes) < 2 or len(set(shapes)) > 1:
            raise DataError(
                f"presentations have shapes {shapes}",
                "give at least two of (volumes, columns), of one length (`volumes` trims them)",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Presentations, volumes, columns."""
        volumes, columns = self.arrays[0].shape
        return len(self.arrays), volumes, columns

    @property
    def averaged(self) -> MeanOf:
        """Their mean, (n_volumes, n_columns)."""
        return MeanOf(self)

    def without(self, confounds: Sequence[Doubles]) -> Presentations:
        """Return the same without confounds (n_volumes, k), one array for each presentation."""
        return Presentations(self.arrays, tuple(_basis(each) for each in confounds))

    def __getitem__(self, index: Any) -> Floats:
        """Read some volumes of some columns of some presentations."""
        chosen, rows, *columns = index if isinstance(index, tuple) else (index, slice(None))
        found = []
        for number in range(*chosen.indices(len(self.arrays))):
            array = self.arrays[number]
            if not self.bases:
                found.append(np.asarray(array[(rows, *columns)]))
                continue
            whole = np.asarray(array[(slice(None), *columns)])
            basis = self.bases[number]
            left = whole - basis @ (basis.T @ np.asarray(whole, np.float64))
            found.append(left[rows].astype(np.result_type(whole.dtype, np.float32), copy=False))
        return np.stack(found)


@dataclass(frozen=True, eq=False)
class MeanOf:
    """The mean of presentations, (n_volumes, n_columns), read when asked for."""

    presentations: Presentations

    @property
    def shape(self) -> tuple[int, int]:
        """Volumes, columns."""
        return self.presentations.shape[1:]

    def __getitem__(self, index: Any) -> Floats:
        """Read some volumes of some columns."""
        index = index if isinstance(index, tuple) else (index,)
        values = self.presentations[(slice(None), *index)]
        return np.asarray(values.mean(axis=0, dtype=np.result_type(values.dtype, np.float32)))


def separate(values: Any, where: str) -> tuple[Any, ...]:
    """Take presentations apart, where an array has three axes; else it is one.

    Raises
    ------
    DataError
        The first axis is longer than the second: they are no presentations.
    """
    if len(values.shape) == 2:
        return (values,)
    if values.shape[0] > values.shape[1]:
        raise DataError(
            f"{where} has shape {tuple(values.shape)}",
            "three axes are (presentations, volumes, columns)",
        )
    return tuple(OneOf(values, number) for number in range(values.shape[0]))


def _basis(confounds: Doubles) -> Doubles:
    """Orthonormal basis of a constant and confounds, (n_volumes, rank)."""
    columns = np.column_stack([np.ones(len(confounds)), confounds])
    columns[:, 1:] -= columns[:, 1:].mean(axis=0)
    norms = np.linalg.norm(columns, axis=0)
    left, sizes, _ = np.linalg.svd(columns[:, norms > 0] / norms[norms > 0], full_matrices=False)
    return np.asarray(left[:, sizes > sizes[0] * len(columns) * np.finfo(np.float64).eps])
