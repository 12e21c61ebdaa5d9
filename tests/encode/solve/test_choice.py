"""Which penalty is taken, and when the grid should reach further."""

from __future__ import annotations

import numpy as np

from harness.encode.solve.choice import best_index, grid_ends


def test_the_larger_of_two_penalties_that_score_the_same() -> None:
    scores = np.array(
        [[0.1, 0.3, np.nan, 0.2], [0.4, 0.3, np.nan, 0.2], [0.4, 0.1, np.nan, np.nan]]
    )
    assert best_index(scores).tolist() == [2, 1, 2, 1]


def test_ends_of_the_grid_are_counted() -> None:
    ends = grid_ends(np.array([0, 0, 3, 4, 4, 4, 2, 1, 1, 1]), 5)
    assert (ends.low, ends.high) == (0.2, 0.3)
    assert ends.crowded
    assert "20% of fits at the low end, 30% at the high end" in ends.warnings[0]
    few = grid_ends(np.array([0, *[2] * 39]), 5)
    assert (few.low, few.high, few.crowded) == (0.025, 0.0, False)
    assert not grid_ends(np.array([0, 0]), 1).crowded
