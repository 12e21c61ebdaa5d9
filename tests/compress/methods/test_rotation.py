"""Rotations against SciPy's Hadamard matrix, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from harness.compress.methods.grid import Grid, round_to_grid
from harness.compress.methods.rotation import hadamard, rotation


@pytest.mark.parametrize("size", [1, 2, 64])
def test_hadamard_is_scipy_s(size: int) -> None:
    np.testing.assert_allclose(hadamard(size), scipy.linalg.hadamard(size) / size**0.5)


@pytest.mark.parametrize("width", [1, 7, 64, 576, 96])
def test_rotations_are_orthogonal_and_the_same_each_time(width: int) -> None:
    turn = rotation(width)
    torch.testing.assert_close(turn @ turn.T, torch.eye(width), atol=1e-5, rtol=0)
    assert torch.equal(turn, rotation(width))


def test_an_outlier_is_spread_over_all_inputs() -> None:
    weight = torch.randn(16, 96, generator=torch.Generator().manual_seed(0))
    weight[:, 5] *= 40
    turn = rotation(96)
    grid = Grid(3, "channel")
    plain = float((round_to_grid(weight, grid) - weight).norm())
    turned = float((round_to_grid(weight @ turn, grid) @ turn.T - weight).norm())
    assert turned < 0.8 * plain
