"""Stretches that nobody measured: found where they are, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from harness.encode.design.targets import FLAT, flat_from, usable_columns

RUNS = np.repeat([0, 1], [40, 30])


def by_hand(column: np.ndarray) -> int:
    for start in range(len(column) - FLAT + 1):
        part, labels = column[start : start + FLAT], RUNS[start : start + FLAT]
        if (part == part[0]).all() and (labels == labels[0]).all():
            return start
    return -1


def test_stretches_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2, size=(70, 400)).astype(float)
    values[:, ::3] += rng.integers(0, 2, size=(70, 134))
    for column in range(0, 400, 2):
        start, length = rng.integers(0, 60), rng.integers(5, 14)
        values[start : start + length, column] = 7.0
    expected = [by_hand(column) for column in values.T]
    np.testing.assert_array_equal(flat_from(values, RUNS), expected)
    assert -1 in expected
    assert len(set(expected)) > 20


@pytest.mark.parametrize(("length", "found"), [(FLAT - 1, -1), (FLAT, 12), (FLAT + 5, 12)])
def test_ten_rows_are_a_stretch_and_nine_are_not(length: int, found: int) -> None:
    column = np.random.default_rng(1).normal(size=(70, 1))
    column[12 : 12 + length] = 0.0
    assert flat_from(column, RUNS).tolist() == [found]
    assert usable_columns(column, RUNS).tolist() == [found < 0]


def test_a_stretch_ends_with_its_run() -> None:
    column = np.random.default_rng(2).normal(size=(70, 1))
    column[34:46] = 0.0  # six rows of one run, six of the next
    assert flat_from(column, RUNS).tolist() == [-1]
    assert flat_from(column, np.zeros(70)).tolist() == [34]


def test_values_that_are_not_finite_are_no_stretch() -> None:
    column = np.full((70, 1), np.nan)
    assert flat_from(column, RUNS).tolist() == [-1]
    assert not usable_columns(column, RUNS).any()
    assert flat_from(np.zeros((FLAT - 1, 2)), np.zeros(FLAT - 1)).tolist() == [-1, -1]
