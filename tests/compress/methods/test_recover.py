"""Codes and scales from values alone: the same values come out, bit by bit."""

from __future__ import annotations

import pytest
import torch

from harness.compress.methods.float_formats import FloatFormat
from harness.compress.methods.grid import Grid, fit_scales, round_to_grid
from harness.compress.methods.recover import e4m3_codes, whole_codes
from harness.errors import CompressionError


def drawn(rows: int = 24, width: int = 128) -> torch.Tensor:
    weight = torch.randn(rows, width, generator=torch.Generator().manual_seed(5))
    weight[3] = 0
    weight[5] = weight[5].abs()
    weight[7, :64] *= 1e-6
    return weight


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("group", [32, 128])
def test_rounded_weights_come_back(bits: int, symmetric: bool, group: int) -> None:
    weight = round_to_grid(drawn(), Grid(bits, group, symmetric))
    found = whole_codes(weight, bits, group)
    spread = found.scale.float().repeat_interleave(group, 1)
    assert torch.equal(found.codes * spread, weight)
    assert int((found.highest - found.lowest).max()) < 2**bits
    if symmetric:
        assert found.fits_symmetric(bits)


def test_a_group_that_uses_few_of_its_codes_comes_back() -> None:
    grid = Grid(4, 32)
    scales = fit_scales(drawn(), grid)
    weight = scales.values(scales.codes(0.4 * drawn()))  # far from the ends of the grid
    found = whole_codes(weight, 4, 32)
    assert torch.equal(found.codes * found.scale.float().repeat_interleave(32, 1), weight)


def test_what_stands_on_no_grid_is_refused() -> None:
    with pytest.raises(CompressionError, match="stand on no grid of 4 bits"):
        whole_codes(drawn(), 4, 32)
    with pytest.raises(CompressionError, match="are no E4M3 numbers"):
        e4m3_codes(drawn())
    with pytest.raises(CompressionError, match="stand on no grid of 3 bits"):
        whole_codes(round_to_grid(drawn(), Grid(4, 32)), 3, 32)


def test_rows_of_e4m3_come_back() -> None:
    weight = FloatFormat("fp8").round(drawn())
    codes, scale = e4m3_codes(weight)
    assert torch.equal(codes.float() * scale.float(), weight)
