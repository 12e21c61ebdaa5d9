"""Folds: contiguous, purged, covering, and honest about time."""

from __future__ import annotations

import numpy as np
import pytest

from harness.encode.design.splits import (
    Fold,
    contiguous_folds,
    grouped_folds,
    held_out_pieces,
    held_out_run,
    piece_folds,
)
from harness.errors import DataError

LAYOUTS = {
    "one run": np.zeros(362, dtype=int),
    "three runs": np.repeat(["a", "b", "c"], [120, 200, 90]),
    "eleven runs": np.repeat(np.arange(11), 40),
    "passages": np.repeat(np.arange(60), 4),
}


def distance(runs: np.ndarray, fold: Fold) -> float:
    """Smallest distance in time between a training and a held-out row of one run."""
    best = np.inf
    for run in np.unique(runs):
        train = fold.train[runs[fold.train] == run]
        test = fold.test[runs[fold.test] == run]
        if len(train) and len(test):
            best = min(best, np.abs(train[:, None] - test).min())
    return best


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("gap", [0, 8])
def test_every_row_is_held_out_once_and_nothing_near_it_is_trained_on(
    layout: str, gap: int
) -> None:
    runs = LAYOUTS[layout]
    folds = contiguous_folds(runs, 5, gap)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(runs)))
    for fold in folds:
        assert not np.intersect1d(fold.train, fold.test).size
        assert distance(runs, fold) > gap


@pytest.mark.parametrize("layout", LAYOUTS)
def test_purging_takes_no_more_rows_than_it_must(layout: str) -> None:
    runs = LAYOUTS[layout]
    for fold in contiguous_folds(runs, 5, 8):
        for row in np.setdiff1d(np.arange(len(runs)), np.r_[fold.train, fold.test]):
            near = fold.test[runs[fold.test] == runs[row]]
            assert np.abs(near - row).min() <= 8


def test_whole_runs_stay_together_when_there_are_enough() -> None:
    runs = LAYOUTS["eleven runs"]
    for fold in contiguous_folds(runs, 5, 8):
        assert not np.intersect1d(runs[fold.train], runs[fold.test]).size
        assert len(fold.train) + len(fold.test) == len(runs)


def test_whole_runs_are_dealt_evenly() -> None:
    runs = np.repeat(np.arange(6), [100, 20, 90, 30, 60, 60])
    sizes = sorted(len(fold.test) for fold in grouped_folds(runs, 3))
    assert sizes == [120, 120, 120]


def test_a_block_of_a_run_is_unbroken_and_within_one_run() -> None:
    runs = LAYOUTS["three runs"]
    for fold in contiguous_folds(runs, 5, 4):
        assert (np.diff(fold.test) == 1).all()
        assert len(np.unique(runs[fold.test])) == 1


@pytest.mark.parametrize("layout", ["one run", "three runs"])
def test_inner_folds_keep_to_the_time_of_the_recording(layout: str) -> None:
    runs = LAYOUTS[layout]
    for outer in contiguous_folds(runs, 5, 8):
        inner = contiguous_folds(runs, 4, 8, rows=outer.train)
        held_out = np.concatenate([fold.test for fold in inner])
        assert sorted(held_out) == list(outer.train)
        for fold in inner:
            assert np.isin(fold.train, outer.train).all()
            assert distance(runs, fold) > 8
            # The hole the outer fold left is not bridged: a block is unbroken in time.
            assert (np.diff(fold.test) == 1).all()


def test_rows_either_side_of_a_hole_are_not_neighbours() -> None:
    runs = np.zeros(100, dtype=int)
    rows = np.r_[0:40, 60:100]
    folds = contiguous_folds(runs, 2, 5, rows=rows)
    assert [list(fold.test[[0, -1]]) for fold in folds] == [[0, 39], [60, 99]]
    # Twenty rows of silence separate the two halves: nothing needs purging.
    assert [len(fold.train) for fold in folds] == [40, 40]


def test_more_pieces_than_folds_are_dealt() -> None:
    runs = np.repeat([0, 1], 100)
    rows = np.r_[0:30, 40:100, 100:140, 150:200]
    folds = contiguous_folds(runs, 3, 2, rows=rows)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(rows)


@pytest.mark.parametrize(
    ("runs", "n_folds", "gap", "message"),
    [
        (np.zeros(40), 5, 0, "held-out rows"),
        (np.zeros(50), 2, 40, "training rows"),
        (np.repeat([0, 1, 0], 30), 2, 0, "separate stretches"),
        (np.zeros(100), 1, 0, "hold nothing out"),
        (np.zeros(100), 5, -1, "purge gap"),
        (np.zeros((10, 2)), 2, 0, "shape"),
        (np.array([]), 2, 0, "shape"),
    ],
)
def test_impossible_folds_are_refused(
    runs: np.ndarray, n_folds: int, gap: int, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        contiguous_folds(runs, n_folds, gap)


def test_fewer_runs_than_folds_cannot_be_grouped() -> None:
    with pytest.raises(DataError, match="3 runs cannot be dealt to 5 folds"):
        grouped_folds(LAYOUTS["three runs"], 5)


def test_rows_outside_the_recording_are_refused() -> None:
    with pytest.raises(DataError, match="rows to divide"):
        contiguous_folds(np.zeros(50), 2, 0, rows=[0, 50])


def test_pieces_are_purged_on_both_sides() -> None:
    """Whole pieces are held out, and training rows keep the gap before and after them."""
    runs = np.repeat([0, 1], [120, 60])
    pieces = np.repeat(np.arange(9), 20)
    folds = piece_folds(runs, pieces, 4, 5, np.arange(180))
    assert np.sort(np.concatenate([fold.test for fold in folds])).tolist() == list(range(180))
    for fold in folds:
        assert len(np.unique(pieces[fold.test])) * 20 == len(fold.test)
        for row in range(180):
            same = fold.test[runs[fold.test] == runs[row]]
            nearest = np.abs(same - row).min(initial=1000)
            assert (row in fold.train) == (nearest > 5)


def test_runs_are_cut_where_folds_cut_them() -> None:
    runs = np.repeat([0, 1], [12, 8])
    folds = [Fold(np.arange(5, 20), np.arange(0, 5)), Fold(np.arange(0, 9), np.arange(9, 15))]
    pieces = held_out_pieces(runs, folds)
    # 0-4 in the first fold, 5-8 in none, 9-11 and, in the next run, 12-14 in the second, 15-19
    assert pieces.tolist() == [0] * 5 + [1] * 4 + [2] * 3 + [3] * 3 + [4] * 5


def test_the_run_that_is_named_is_held_out() -> None:
    runs = np.repeat(["a", "b", "c"], [30, 20, 25])
    (fold,) = held_out_run(runs, "b")
    assert fold.test.tolist() == list(range(30, 50))
    assert fold.train.tolist() == [*range(30), *range(50, 75)]
    with pytest.raises(DataError, match="no run d"):
        held_out_run(runs, "d")
