"""The grid, against a float64 search over its points."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.compress.methods.grid import Grid, fit_scales, round_to_grid
from harness.errors import CompressionError

GRIDS = [
    Grid(bits, group, symmetric)
    for bits in (2, 3, 4, 8)
    for group in (32, "channel")
    for symmetric in (False, True)
]


def weights(rows: int = 12, width: int = 96, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)) * 0.05


def nearest_point(weight: torch.Tensor, grid: Grid) -> np.ndarray:
    """Search every point of every group's grid, in float64."""
    size = grid.group_size(weight.shape[1])
    out = np.empty(weight.shape)
    for row in range(weight.shape[0]):
        for start in range(0, weight.shape[1], size):
            group = weight[row, start : start + size].double().numpy()
            low, high = min(group.min(), 0), max(group.max(), 0)
            steps = 2**grid.bits - 1
            if grid.symmetric:
                scale = float(np.float16(2 * max(-low, high) / steps))
                codes = np.arange(-(2 ** (grid.bits - 1)), 2 ** (grid.bits - 1))
            else:
                scale = float(np.float16((high - low) / steps))
                codes = np.arange(2**grid.bits) - np.clip(np.round(-low / scale), 0, steps)
            points = codes * scale
            nearest = np.abs(group[:, None] - points).argmin(1)
            out[row, start : start + size] = points[nearest]
    return out


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_nearest_point_of_the_grid(grid: Grid) -> None:
    weight = weights()
    np.testing.assert_allclose(round_to_grid(weight, grid), nearest_point(weight, grid), atol=1e-8)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_rounding_twice_with_one_fit_changes_nothing(grid: Grid) -> None:
    weight = weights()
    scales = fit_scales(weight, grid)
    once = scales.round(weight)
    assert torch.equal(scales.round(once), once)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_codes_are_whole_and_in_range(grid: Grid) -> None:
    weight = weights()
    codes = fit_scales(weight, grid).codes(weight)
    assert torch.equal(codes, codes.round())
    assert grid.lowest <= codes.min()
    assert codes.max() <= grid.highest
    assert grid.highest - grid.lowest == 2**grid.bits - 1


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_zero_is_on_the_grid(grid: Grid) -> None:
    weight = weights() + 0.2
    weight[:, ::3] = 0
    assert bool((round_to_grid(weight, grid)[:, ::3] == 0).all())


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("value", [0.0, 0.25, -0.25, 1e-9])
def test_constant_group(symmetric: bool, value: float) -> None:
    weight = torch.full((3, 32), value)
    rounded = round_to_grid(weight, Grid(4, "channel", symmetric))
    assert bool(torch.isfinite(rounded).all())
    # Half a step of the symmetric grid, whose largest code is below its range; else half precision.
    assert (
        float((rounded - weight).abs().max()) <= abs(value) * (0.07 if symmetric else 1e-3) + 1e-8
    )


def test_error_is_at_most_half_a_step() -> None:
    weight = weights()
    scales = fit_scales(weight, Grid(4, 32))
    error = (scales.round(weight) - weight).abs().reshape(12, 3, 32)
    # The rounded scale may fall short of the range, and the zero point is rounded too.
    assert bool((error <= scales.scale[..., None] * 1.01).all())
    assert float((error / scales.scale[..., None]).mean()) < 0.26


def test_finer_grids_err_less() -> None:
    weight = weights(64, 128)
    errors = [float((round_to_grid(weight, Grid(bits)) - weight).norm()) for bits in (2, 3, 4, 8)]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] / errors[3] == pytest.approx(17, rel=0.1)  # 255 / 15 steps


def test_scale_invariance() -> None:
    weight = weights()
    grid = Grid(4, 32)
    assert torch.equal(round_to_grid(weight * 4, grid), round_to_grid(weight, grid) * 4)


def test_rows_do_not_see_each_other() -> None:
    weight = weights()
    grid = Grid(3, 32, symmetric=True)
    assert torch.equal(round_to_grid(weight[4:5], grid), round_to_grid(weight, grid)[4:5])


@pytest.mark.parametrize(("width", "size"), [(576, 64), (1536, 128), (96, 32), (172, 172)])
def test_auto_group(width: int, size: int) -> None:
    assert Grid(4, "auto").group_size(width) == size


def test_packed_bits_count_scales_and_zeros() -> None:
    assert Grid(4, 64).packed_bits((8, 128)) == 8 * 128 * 4 + 8 * 2 * 32
    assert Grid(4, 64, symmetric=True).packed_bits((8, 128)) == 8 * 128 * 4 + 8 * 2 * 16


def test_a_group_that_does_not_divide_is_refused() -> None:
    with pytest.raises(CompressionError, match="groups of 128 do not divide rows of 576"):
        Grid(4, 128).group_size(576)


@pytest.mark.parametrize("bits", [0, 1, 5, 16])
def test_bits_that_do_not_pack_are_refused(bits: int) -> None:
    with pytest.raises(CompressionError, match="bits do not pack"):
        Grid(bits)


@pytest.mark.parametrize("group", [0, -1, "row"])
def test_groups_that_cannot_be(group: int | str) -> None:
    with pytest.raises(CompressionError, match="group"):
        Grid(4, group)  # type: ignore[arg-type]


def test_a_scale_beyond_half_precision_is_refused() -> None:
    weight = torch.ones(2, 32)
    weight[1, 5] = 1e7
    with pytest.raises(CompressionError, match=r"a scale of 6\.67e\+05, and half precision"):
        fit_scales(weight, Grid(4))
