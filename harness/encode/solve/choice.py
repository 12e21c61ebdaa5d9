"""Choices among penalties: the grid, the best of it, and how often that is one of its ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.errors import DataError
from harness.numeric.arrays import Doubles, Floats, Positions


def best_index(scores: Floats) -> Positions:
    """Index of the best of a grid's inner scores (n_penalties, ...), penalties ascending.

    The larger penalty where two score the same; the largest where all are NaN.
    """
    usable = np.where(np.isnan(scores), -np.inf, scores)
    return np.asarray(len(scores) - 1 - np.argmax(usable[::-1], axis=0))


def checked_grid(penalties: npt.ArrayLike) -> Doubles:
    """Refuse penalties, (n_penalties,), that are not positive and ascending: a DataError."""
    grid = np.asarray(penalties, dtype=np.float64)
    if grid.ndim != 1 or grid.size == 0 or grid[0] <= 0 or (np.diff(grid) <= 0).any():
        raise DataError(f"penalties {grid}", "penalties are positive and ascending")
    return grid


@dataclass(frozen=True, eq=False)
class GridEnds:
    """Share of targets, 0 to 1, whose penalty is the lowest or the highest of the grid.

    Many at the low end: the grid should start lower. Many at the high end: nothing is predicted
    there, or the grid should reach higher.
    """

    low: float
    high: float

    LIMIT = 0.05

    @property
    def crowded(self) -> bool:
        """Whether more than 5 % of targets are at either end."""
        return self.low + self.high > self.LIMIT

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the scores should know, if there is anything."""
        if not self.crowded:
            return ()
        return (
            f"penalties at the ends of their grid: {self.low:.0%} of fits at the low end, "
            f"{self.high:.0%} at the high end",
        )


def grid_ends(chosen: Positions, n_penalties: int) -> GridEnds:
    """Count the targets whose chosen penalty, (n_targets,), is an end of the grid.

    Zero shares without targets, or where the grid is a single penalty.
    """
    if chosen.size == 0 or n_penalties == 1:
        return GridEnds(0.0, 0.0)
    return GridEnds(float((chosen == 0).mean()), float((chosen == n_penalties - 1).mean()))
