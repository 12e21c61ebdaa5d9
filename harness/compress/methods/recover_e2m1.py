"""The E2M1 codes and scales of a weight in MXFP4 or NVFP4, found from its values alone.

Whoever reads such a checkpoint in bfloat16 (compressed-tensors knows no other type) multiplies
codes by scales in float32 and rounds the product. What is found here gives the very same values
when it is read so.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.compress.methods.float_formats import E2M1, E4M3_LARGEST
from harness.errors import CompressionError

_CLOSE = 2.0**-6
"""Relative difference that two roundings to bfloat16 leave, with room: points lie 2^-2 apart."""
_SMALLEST_E4M3 = 2.0**-9
_SMALLEST_EXPONENT = -127


@dataclass(frozen=True, eq=False)
class Fours:
    """A weight as four-bit floats under scales of blocks.

    Parameters
    ----------
    codes : Tensor
        (out, in), uint8: 0 to 7 for the magnitudes of E2M1, and 8 more below zero.
    scale : Tensor
        (out, blocks): float8_e4m3fn for NVFP4, uint8 exponents above -127 for MXFP4.
    overall : Tensor, optional
        (1,), float32: what the scales of NVFP4 are divided by.
    """

    codes: Tensor
    scale: Tensor
    overall: Tensor | None = None

    def bytes(self) -> Tensor:
        """(out, in / 2), uint8: two codes a byte, the first in the low half."""
        return self.codes[:, ::2] | self.codes[:, 1::2] << 4


def mxfp4_codes(weight: Tensor, block: int = 32) -> Fours:
    """Find codes and powers of two of a weight in MXFP4.

    Parameters
    ----------
    weight : Tensor
        (out, in), bfloat16 or float32.
    block : int
        Neighbouring weights of a row that share a scale; it divides ``in``.

    Raises
    ------
    CompressionError
        A block stands on no such grid, or blocks do not divide a row.
    """
    blocks = _blocks(weight, block)
    # The largest of a block is 4 or 6 times its scale.
    exponent = torch.frexp(blocks.abs().amax(-1)).exponent - 3
    exponent = exponent.clamp(_SMALLEST_EXPONENT, 127)
    scale = torch.exp2(exponent.double())[..., None]
    codes = _nearest(blocks / scale)
    return _checked(
        weight, Fours(_signed(codes, blocks), (exponent + 127).to(torch.uint8)), scale.float()
    )


def nvfp4_codes(weight: Tensor, block: int = 16) -> Fours:
    """Find codes, E4M3 scales and the layer's scale of a weight in NVFP4.

    Takes and raises what :func:`mxfp4_codes` does. The scale of the layer is that by which its
    largest weight is the largest number of the format. Where that was rounded away, it is any that
    gives every weight back: each allows an interval, and the middle of what all allow is taken.
    """
    blocks = _blocks(weight, block)
    largest = blocks.abs().amax(-1)
    # The largest weight of the layer is 6 times the largest scale, to the rounding of its type.
    rough = 6 * E4M3_LARGEST / (float(largest.max()) or 1.0)
    scale = torch.full(largest.shape, _SMALLEST_E4M3, dtype=torch.float64)
    left = largest > 0
    # Only blocks of the smallest scales do not reach 6.
    for top in reversed(E2M1[1:]):
        tried = (largest / top * rough).clamp(_SMALLEST_E4M3, E4M3_LARGEST)
        tried = tried.to(torch.float8_e4m3fn).double()
        steps = blocks.abs() * rough / tried[..., None]
        off = (_magnitudes(_nearest(steps)) - steps).abs() > _CLOSE * steps
        fits = left & ~off.any(-1)
        scale[fits] = tried[fits]
        left &= ~fits
    if bool(left.any()):
        raise _no_grid(int(left.sum()), block)
    codes = _nearest(blocks * rough / scale[..., None])
    stored = scale.to(torch.float8_e4m3fn)
    signed = _signed(codes, blocks)
    first = torch.tensor([6 * E4M3_LARGEST]) / (weight.abs().max().float() or 1.0)
    for overall in (first, _overall(weight, _magnitudes(codes) * scale[..., None])):
        found = Fours(signed, stored, overall)
        spread = (stored.float() / overall)[..., None]
        if not bool(_wrong(weight, found, spread).any()):
            break
    return _checked(weight, found, spread)


def _overall(weight: Tensor, steps: Tensor) -> Tensor:
    """Return the (1,) float32 by which all steps (out, blocks, block) come to be the weights."""
    sizes = weight.abs().reshape(steps.shape)
    used = sizes > 0
    if not bool(used.any()):
        return torch.ones(1)
    size = sizes[used]
    above = (size.double() + _next(size, 1)) / 2
    below = (size.double() + _next(size, -1)) / 2
    low, high = (steps[used] / above).max(), (steps[used] / below).min()
    return ((low + high) / 2).float().reshape(1)


def _next(values: Tensor, way: int) -> Tensor:
    """Return the neighbours of positive numbers in their own type, as float64."""
    kind = torch.int16 if values.element_size() == 2 else torch.int32
    return (values.contiguous().view(kind) + way).view(values.dtype).double()


def _blocks(weight: Tensor, block: int) -> Tensor:
    rows, width = weight.shape
    if width % block:
        raise CompressionError(f"blocks of {block} do not divide rows of {width} weights")
    return weight.double().reshape(rows, -1, block)


def _nearest(steps: Tensor) -> Tensor:
    """Return the codes, without sign, of the nearest magnitudes."""
    points = torch.tensor(E2M1, dtype=torch.float64)
    return torch.bucketize(steps.abs(), (points[1:] + points[:-1]) / 2)


def _magnitudes(codes: Tensor) -> Tensor:
    return torch.tensor(E2M1, dtype=torch.float64)[codes]


def _signed(codes: Tensor, blocks: Tensor) -> Tensor:
    """Return codes (out, in) with the sign in the fourth bit."""
    return (codes + 8 * torch.signbit(blocks)).flatten(1).to(torch.uint8)


def _checked(weight: Tensor, found: Fours, spread: Tensor) -> Fours:
    """Return what was found, if it gives the same weights again when it is read in their type."""
    wrong = _wrong(weight, found, spread)
    if bool(wrong.any()):
        raise _no_grid(int(wrong.sum()), weight.shape[1] // wrong.shape[1])
    return found


def _wrong(weight: Tensor, found: Fours, spread: Tensor) -> Tensor:
    """Return which blocks (out, blocks) would be read as other values."""
    magnitudes = _magnitudes((found.codes & 7).long()).float()
    blocks = magnitudes.reshape(*found.scale.shape, -1) * spread
    return (blocks.flatten(1).to(weight.dtype) != weight.abs()).reshape(blocks.shape).any(-1)


def _no_grid(count: int, block: int) -> CompressionError:
    return CompressionError(f"{count} blocks of {block} weights are no E2M1 numbers of one scale")
