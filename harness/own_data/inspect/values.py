"""Values of responses that nobody measured: missing ones, fill values, scans that stopped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.encode.design.targets import FLAT, flat_from
from harness.numeric.arrays import Bools, Doubles, Floats

WIDTH = 4096
"""Columns that are read at once."""
FAR = 30.0
"""Times the median absolute deviation (scaled to a standard deviation) from the median beyond which
a value that comes back exactly is a fill value. Spikes of scanners lie as far, but differ."""
OFTEN = 0.25
"""Share of the far values that a fill value has: spikes of whole numbers may meet by chance."""
ALIKE = 8
"""Columns from which on a volume that holds one value in all of them was not measured."""


@dataclass(frozen=True, eq=False)
class ValueCounts:
    """What an array of responses holds.

    Parameters
    ----------
    shape : tuple of int
        Volumes, columns.
    missing : float
        Share of values that are NaN or infinite.
    empty : int
        Columns without one finite value.
    partly : int
        Columns with some values that are not finite.
    constant : int
        Columns of one value.
    stopped : int
        Columns that stand still for ``FLAT`` volumes or more, but not throughout.
    fill : mapping
        How often each fill value is there.
    alike : tuple of int
        Volumes that hold one value in every column.
    mean, deviation : array, shape (n_columns,)
        Over volumes; NaN where a column is not finite.
    """

    shape: tuple[int, int]
    missing: float
    empty: int
    partly: int
    constant: int
    stopped: int
    fill: dict[float, int] = field(default_factory=dict)
    alike: tuple[int, ...] = ()
    mean: Doubles = field(default_factory=lambda: np.empty(0))
    deviation: Doubles = field(default_factory=lambda: np.empty(0))


def count_values(array: Any) -> ValueCounts:
    """Read an array (volumes, columns), a block of columns at a time, and count.

    Parameters
    ----------
    array : array-like, shape (n_volumes, n_columns)
        Anything that can be sliced.

    Returns
    -------
    ValueCounts
    """
    n, width = array.shape
    missing = empty = partly = constant = stopped = 0
    fill: dict[float, int] = {}
    first: Doubles | None = None
    alike = np.ones(n, bool)
    means, deviations = [], []
    for block in blocks(array):
        values = np.asarray(block, np.float64)
        first = values[:, :1] if first is None else first
        alike &= (values == first).all(axis=1)
        finite = np.isfinite(values)
        each = finite.sum(axis=0)
        missing += int(values.size - each.sum())
        empty += int((each == 0).sum())
        partly += int(((each > 0) & (each < n)).sum())
        whole = each == n
        still = whole & (np.ptp(np.where(finite, values, 0.0), axis=0) == 0)
        constant += int(still.sum())
        stopped += int(((flat_from(values, np.zeros(n, int)) >= 0) & whole & ~still).sum())
        for value, times in _fill(values[:, whole & ~still]).items():
            fill[value] = fill.get(value, 0) + times
        good = np.where(whole, values, np.nan)
        means.append(good.mean(axis=0))
        deviations.append(good.std(axis=0))
    rows = tuple(int(i) for i in np.flatnonzero(alike)) if width >= ALIKE else ()
    return ValueCounts(
        (n, width),
        missing / (n * width),
        empty,
        partly,
        constant,
        stopped,
        fill,
        rows if len(rows) < n else (),
        np.concatenate(means),
        np.concatenate(deviations),
    )


def blocks(array: Any) -> Iterator[Floats]:
    """Read columns a block at a time."""
    for start in range(0, array.shape[1], WIDTH):
        yield np.asarray(array[:, start : start + WIDTH])


def usable(counts: ValueCounts) -> Bools:
    """Columns that are finite and vary, (n_columns,)."""
    return np.nan_to_num(counts.deviation) > 0


def _fill(values: Floats) -> dict[float, int]:
    """Find values far from the rest of their column that come back exactly."""
    if not values.size:
        return {}
    middle = np.median(values, axis=0)
    spread = 1.4826 * np.median(np.abs(values - middle), axis=0)
    spread = np.where(spread > 0, spread, values.std(axis=0))
    far = np.abs(values - middle) > FAR * spread
    found, times = np.unique(values[far], return_counts=True)
    often = max(2.0, OFTEN * far.sum())
    return {float(v): int(k) for v, k in zip(found, times, strict=True) if k >= often}


__all__ = ["ALIKE", "FAR", "FLAT", "ValueCounts", "blocks", "count_values", "usable"]
