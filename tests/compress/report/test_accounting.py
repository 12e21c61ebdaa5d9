"""The count of bits, against counts made by hand and by packing."""

from __future__ import annotations

import numpy as np
import pytest

from harness.compress.report.accounting import (
    dense_bits,
    low_rank_bits,
    masked_bits,
    n_of_m_bits,
    packed_bytes,
    pattern_bits,
    quantised_bits,
)


def test_quantised_by_hand() -> None:
    # 2 rows of 64: 128 codes of 4 bits; groups of 32 make 4 scales of 16 bits.
    assert quantised_bits((2, 64), 4, 32, zero_point=False) == 128 * 4 + 4 * 16
    assert quantised_bits((2, 64), 4, 32, zero_point=True) == 128 * 4 + 4 * 32


@pytest.mark.parametrize(
    ("group", "zero_point", "expected"),
    [(128, False, 4.125), (128, True, 4.25), (64, True, 4.5), (32, True, 5.0)],
)
def test_bits_per_weight_of_the_usual_groups(group: int, zero_point: bool, expected: float) -> None:
    assert quantised_bits((256, 512), 4, group, zero_point=zero_point) / (256 * 512) == expected


def test_masked_agrees_with_packing() -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((24, 40)).astype(np.float16)
    weight[rng.random(weight.shape) < 0.3] = 0
    mask = np.packbits(weight != 0)
    values = weight[weight != 0].tobytes()
    kept = int((weight != 0).sum())
    assert packed_bytes(masked_bits((24, 40), kept)) == mask.nbytes + len(values)


@pytest.mark.parametrize(
    ("n", "m", "bits"), [(2, 4, 3), (1, 4, 2), (4, 8, 7), (1, 2, 1), (3, 4, 2)]
)
def test_pattern_bits(n: int, m: int, bits: int) -> None:
    # C(4,2) = 6, C(4,1) = 4, C(8,4) = 70, C(2,1) = 2, C(4,3) = 4 patterns
    assert pattern_bits(n, m) == bits


def test_two_of_four_by_hand() -> None:
    # 3 rows of 8: 6 groups, each 3 bits of pattern and two values of 16 bits.
    assert n_of_m_bits((3, 8), 2, 4) == 6 * (3 + 32)
    assert n_of_m_bits((3, 8), 2, 4, value_bits=4) == 6 * (3 + 8)


def test_low_rank_and_dense() -> None:
    assert low_rank_bits((10, 6), 2) == dense_bits(10 * 2 + 2 * 6)


@pytest.mark.parametrize(("bits", "expected"), [(0, 0), (1, 1), (8, 1), (9, 2)])
def test_packed_bytes_are_whole(bits: int, expected: int) -> None:
    assert packed_bytes(bits) == expected
