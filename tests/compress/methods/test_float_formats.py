"""Formats with an exponent, against their definition, number by number."""

from __future__ import annotations

import itertools
from math import floor, log2

import pytest
import torch

from harness.compress.methods.activations import round_tokens
from harness.compress.methods.float_formats import (
    E2M1,
    FloatFormat,
    round_e2m1,
    round_e4m3,
)
from harness.errors import CompressionError


def e4m3() -> list[float]:
    """Return all finite non-negative E4M3 numbers, in the order of their codes."""
    small = [mantissa / 8 * 2.0**-6 for mantissa in range(8)]
    large = [
        (1 + mantissa / 8) * 2.0 ** (exponent - 7)
        for exponent, mantissa in itertools.product(range(1, 16), range(8))
    ]
    return [*small, *large[:-1]]  # the last code is NaN


def nearest(value: float, table: list[float]) -> float:
    """Return the nearest number of a table; of two, the one with the even code."""
    apart = [abs(abs(value) - number) for number in table]
    least = min(apart)
    codes = [code for code, distance in enumerate(apart) if distance == least]
    code = next((code for code in codes if code % 2 == 0), codes[0])
    return table[code] if value >= 0 else -table[code]


def test_numbers_are_the_nearest_with_ties_to_even() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.cat([torch.randn(500, generator=generator) * 3, torch.tensor([0.25, 2.5, 5.0])])
    assert round_e2m1(values).tolist() == [nearest(v, list(E2M1)) for v in values.tolist()]
    wide = torch.cat([values, values * 100, values / 500, torch.tensor([1e4, -1e4])])
    assert round_e4m3(wide).tolist() == [nearest(v, e4m3()) for v in wide.tolist()]


def test_mxfp4_is_the_specification_s() -> None:
    weight = torch.randn(3, 64, generator=torch.Generator().manual_seed(1)) * 0.02
    found = FloatFormat("mxfp4").round(weight)
    for row, block in itertools.product(range(3), range(2)):
        part = weight[row, 32 * block : 32 * block + 32]
        scale = 2.0 ** (floor(log2(float(part.abs().max()))) - 2)
        expected = [nearest(v / scale, list(E2M1)) * scale for v in part.tolist()]
        assert found[row, 32 * block : 32 * block + 32].tolist() == expected


def test_nvfp4_is_elements_under_e4m3_scales_under_one_of_the_layer() -> None:
    weight = torch.randn(4, 48, generator=torch.Generator().manual_seed(2)) * 0.02
    found = FloatFormat("nvfp4").round(weight)
    layer = float(weight.abs().max()) / (6 * 448)
    for row, block in itertools.product(range(4), range(3)):
        part = weight[row, 16 * block : 16 * block + 16]
        scale = nearest(float(part.abs().max()) / 6 / layer, e4m3()) * layer
        expected = torch.tensor([nearest(v / scale, list(E2M1)) * scale for v in part.tolist()])
        torch.testing.assert_close(found[row, 16 * block : 16 * block + 16], expected)


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("fp8", 8 * 256 + 2 * 16),
        ("mxfp4", 4 * 256 + 8 * 8),
        ("nvfp4", 4 * 256 + 16 * 8 + 32),
        ("int4fp8", 4 * 256 + 2 * 8 + 32),
    ],
)
def test_bits_are_counted_by_hand_and_zeros_stay(name: str, bits: int) -> None:
    kind = FloatFormat(name)  # type: ignore[arg-type]
    assert kind.packed_bits((2, 128)) == bits
    assert not bool(kind.round(torch.zeros(2, 128)).any())
    weight = torch.randn(2, 128, generator=torch.Generator().manual_seed(0))
    again = kind.round(kind.round(weight))
    torch.testing.assert_close(again, kind.round(weight), rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "int4fp8"])
def test_the_last_block_of_a_row_may_be_short(name: str) -> None:
    kind = FloatFormat(name)  # type: ignore[arg-type]
    weight = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    block = kind.block(40)
    padded = torch.nn.functional.pad(weight, (0, -40 % block))
    assert torch.equal(kind.round(weight), kind.round(padded)[:, :40])
    assert kind.packed_bits((3, 40)) < kind.packed_bits((3, 40 + -40 % block)) + 1


def test_a_format_that_is_not_there_is_refused() -> None:
    with pytest.raises(CompressionError, match="no number format 'fp2'"):
        FloatFormat("fp2")  # type: ignore[arg-type]


def test_inputs_in_fp8_use_the_whole_range_of_each_token() -> None:
    x = torch.randn(5, 24, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [[1e-3], [1.0], [50.0], [0.0], [3.0]]
    )
    found = round_tokens(x, torch.ones(24), "fp8")
    for token, row in zip(x, found, strict=True):
        step = float(token.abs().max()) / 448 or 1.0
        expected = torch.tensor([nearest(v / step, e4m3()) * step for v in token.tolist()])
        torch.testing.assert_close(row, expected, rtol=1e-6, atol=0)
