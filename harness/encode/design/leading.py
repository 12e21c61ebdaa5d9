"""The first of what an array holds along its first axis, read when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class First:
    """The first of several repeats, or of one story stored as ``(1, volume, voxel)``.

    Parameters
    ----------
    values : array-like, shape (n, ..., n_rows, n_voxels)
        An array, a memory map, an HDF5 data set: only what is asked for is read.
    """

    values: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the first one."""
        return tuple(self.values.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, index: tuple[Any, ...]) -> Any:
        """Read some rows of some voxels."""
        return self.values[(0, *index)]


def without_leading_ones(values: Any, ndim: int = 2) -> Any:
    """Take arrays out of the array of one that some published files wrap them in.

    Parameters
    ----------
    values : array-like
    ndim : int
        Axes that are kept in any case.

    Returns
    -------
    array-like
        ``values`` itself where its first axis is longer than one, or has no axis to spare.
    """
    while len(values.shape) > ndim and values.shape[0] == 1:
        values = First(values)
    return values
