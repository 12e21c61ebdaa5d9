"""How many bits a compressed layer takes, exactly as it would be packed.

Every count is an integer of bits, so that totals are exact. What is counted:

==================  ==========================================================================
dense               16 bits a value, whatever precision the model runs in
quantised           ``bits`` a code; 16 bits a scale; 16 bits a zero point where there is one
pruned, unstructured  one bit a weight (the mask) and 16 bits (or a code) a kept value
pruned, n:m         ``ceil(log2(C(m, n)))`` bits a group of m, and n values
low rank            16 bits a value of both factors
==================  ==========================================================================

Half precision for scales and values is what checkpoints are published in. Zero points are often
packed in ``bits`` by other software; 16 is the upper count and is what
:mod:`harness.compress.methods.grid`
stores. A packed tensor is padded to whole bytes.
"""

from __future__ import annotations

from math import ceil, comb, log2

VALUE_BITS = 16
SCALE_BITS = 16
ZERO_BITS = 16


def dense_bits(values: int) -> int:
    """Bits of ``values`` numbers stored as they are."""
    return values * VALUE_BITS


def scale_bits(shape: tuple[int, int], group: int, *, zero_point: bool) -> int:
    """Bits of the scales (and zero points) of a layer.

    Parameters
    ----------
    shape : tuple of int
        (out, in).
    group : int
        Weights of one row that share a scale; it divides ``in``.
    zero_point : bool
        Whether each scale has a zero point beside it.
    """
    rows, width = shape
    return rows * (width // group) * (SCALE_BITS + (ZERO_BITS if zero_point else 0))


def quantised_bits(shape: tuple[int, int], bits: int, group: int, *, zero_point: bool) -> int:
    """Bits of a layer of codes with their scales.

    Parameters
    ----------
    shape : tuple of int
        (out, in).
    bits : int
        Bits a code.
    group, zero_point
        As in :func:`scale_bits`.
    """
    rows, width = shape
    return rows * width * bits + scale_bits(shape, group, zero_point=zero_point)


def masked_bits(shape: tuple[int, int], kept: int, value_bits: int = VALUE_BITS) -> int:
    """Bits of a layer of which ``kept`` weights remain, anywhere.

    Parameters
    ----------
    shape : tuple of int
        (out, in).
    kept : int
        Weights that remain.
    value_bits : int
        Bits of a remaining weight: 16, or those of its code (scales come on top).
    """
    rows, width = shape
    return rows * width + kept * value_bits


def pattern_bits(n: int, m: int) -> int:
    """Bits that say which n of m weights remain: 3 for 2:4, 7 for 4:8."""
    return ceil(log2(comb(m, n)))


def n_of_m_bits(shape: tuple[int, int], n: int, m: int, value_bits: int = VALUE_BITS) -> int:
    """Bits of a layer in which n of every m consecutive weights of a row remain.

    Parameters
    ----------
    shape : tuple of int
        (out, in); m divides ``in``.
    n, m : int
        Kept weights, and weights a group.
    value_bits : int
        As in :func:`masked_bits`.
    """
    rows, width = shape
    return rows * (width // m) * (pattern_bits(n, m) + n * value_bits)


def low_rank_bits(shape: tuple[int, int], rank: int) -> int:
    """Bits of a layer stored as the product of an (out, rank) and a (rank, in) matrix."""
    return rank * sum(shape) * VALUE_BITS


def packed_bytes(bits: int) -> int:
    """Whole bytes that hold ``bits``."""
    return -(-bits // 8)
