"""Masks, against sorting with numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.compress.methods.sparsity import (
    NOfM,
    Unstructured,
    lowest,
    n_of_m_mask,
    parse_pattern,
    prune_mask,
    row_mask,
)
from harness.errors import CompressionError


def scores(rows: int = 20, width: int = 48, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)).abs()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 0.99])
def test_unstructured_marks_the_lowest(share: float) -> None:
    score = scores()
    expected = np.zeros(score.numel(), bool)
    expected[np.argsort(score.numpy().ravel(), kind="stable")[: round(share * 960)]] = True
    mask = prune_mask(score, Unstructured(share))
    np.testing.assert_array_equal(mask.numpy().ravel(), expected)


def test_ties_go_first_come_first_and_the_count_is_exact() -> None:
    score = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 2.0]])
    mask = prune_mask(score, Unstructured(0.5))
    assert mask.tolist() == [[True, True, True], [False, False, False]]


def test_a_constant_matrix_loses_exactly_its_share() -> None:
    assert int(prune_mask(torch.full((8, 8), 0.3), Unstructured(0.25)).sum()) == 16


@pytest.mark.parametrize("count", [0, 1, 137, 500, 1199, 1200])
def test_lowest_over_several_tensors(count: int) -> None:
    parts = [scores(10, 20), scores(25, 24, seed=1) * 3, torch.zeros(400)]
    parts[1][3] = 0.5  # ties across a whole row
    flat = np.concatenate([part.numpy().ravel() for part in parts])
    expected = np.zeros(len(flat), bool)
    expected[np.argsort(flat, kind="stable")[:count]] = True
    masks = lowest(parts, count, lambda part: part)
    found = np.concatenate([mask.numpy().ravel() for mask in masks])
    np.testing.assert_array_equal(found, expected)


def test_lowest_spans_the_range_of_floats() -> None:
    values = torch.tensor([0.0, 1e-45, 1e-38, 1e-10, 1.0, 3e38])
    for count in range(1, 6):
        (mask,) = lowest([values], count, lambda part: part)
        assert mask.tolist() == [index < count for index in range(6)]


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (4, 8), (3, 4)])
def test_n_of_m_keeps_the_n_highest_of_every_group(n: int, m: int) -> None:
    score = scores()
    kept = (~n_of_m_mask(score, NOfM(n, m))).numpy().reshape(20, -1, m)
    assert (kept.sum(-1) == n).all()
    groups = score.numpy().reshape(20, -1, m)
    for row, group in np.ndindex(*kept.shape[:2]):
        pruned = groups[row, group][~kept[row, group]]
        assert groups[row, group][kept[row, group]].min() > pruned.max()


def test_n_of_m_with_ties_keeps_exactly_n() -> None:
    kept = ~n_of_m_mask(torch.zeros(3, 16), NOfM(2, 4))
    assert bool((kept.reshape(3, 4, 4).sum(-1) == 2).all())


def test_row_mask_takes_the_same_from_every_row() -> None:
    score = scores()
    mask = row_mask(score, 0.5)
    expected = score.numpy() <= np.sort(score.numpy(), axis=1)[:, 23:24]
    np.testing.assert_array_equal(mask.numpy(), expected)


def test_masks_are_those_of_a_permuted_matrix() -> None:
    score = scores()
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    mask = prune_mask(score, Unstructured(0.5))
    assert torch.equal(prune_mask(score[order], Unstructured(0.5)), mask[order])


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5, float("nan")])
def test_shares_outside_the_range_are_refused(share: float) -> None:
    with pytest.raises(CompressionError, match="sparsity"):
        parse_pattern(share)


@pytest.mark.parametrize("pattern", ["4:4", "0:4", "5:4"])
def test_patterns_that_prune_nothing_or_all_are_refused(pattern: str) -> None:
    with pytest.raises(CompressionError, match="is no pattern"):
        parse_pattern(pattern)


@pytest.mark.parametrize("pattern", ["2/4", "half", "2:4:8", ""])
def test_nonsense_is_refused(pattern: str) -> None:
    with pytest.raises(CompressionError, match="is no sparsity"):
        parse_pattern(pattern)


def test_a_width_that_does_not_fit_is_refused() -> None:
    with pytest.raises(CompressionError, match="2:4 does not fit rows of 10"):
        n_of_m_mask(torch.ones(3, 10), NOfM(2, 4))


def test_parsing() -> None:
    assert parse_pattern(0.25) == Unstructured(0.25)
    assert parse_pattern("2:4") == NOfM(2, 4)
    assert NOfM(1, 4).share == 0.75
