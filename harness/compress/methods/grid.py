"""The uniform grid that weights are rounded to.

A row of a weight matrix is cut into groups; each group has a scale s and a zero point z, and a
weight w becomes s * (q - z) with an integer code q of ``bits`` bits. Zero is on every grid, so a
pruned weight stays pruned. Arithmetic is float32 with IEEE division and rounding half to even, and
scales are rounded to half precision before they are used (that is what is packed), so codes do not
depend on the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from harness.compress.report.accounting import quantised_bits
from harness.errors import CompressionError

BITS = (2, 3, 4, 8)
AUTO_GROUPS = (128, 64, 32)

# The smallest positive half: a group of weights below it keeps a scale that can be divided by.
_SMALLEST_SCALE = 2.0**-24
_LARGEST_SCALE = 65504.0


@dataclass(frozen=True)
class Grid:
    """What a layer is rounded to.

    Parameters
    ----------
    bits : {2, 3, 4, 8}
        Bits a code.
    group : int, "auto" or "channel"
        Weights of one row that share a scale. ``channel``: the whole row. ``auto``: the largest of
        128, 64 and 32 that divides the row, and the whole row where none does.
    symmetric : bool
        Codes from -2^(bits-1) to 2^(bits-1) - 1 and no zero point; else codes from 0 and a zero
        point a group.

    Raises
    ------
    CompressionError
        The bits or the group cannot be.
    """

    bits: int = 4
    group: int | Literal["auto", "channel"] = "auto"
    symmetric: bool = False

    def __post_init__(self) -> None:
        if self.bits not in BITS:
            raise CompressionError(
                f"codes of {self.bits} bits do not pack into words",
                f"choose one of {', '.join(map(str, BITS))} bits",
            )
        if isinstance(self.group, str) and self.group not in ("auto", "channel"):
            raise CompressionError(
                f"a group is a number of weights, 'auto' or 'channel', not {self.group!r}"
            )
        if isinstance(self.group, int) and self.group < 1:
            raise CompressionError(f"a group of {self.group} weights cannot be")

    @property
    def lowest(self) -> int:
        """The smallest code."""
        return -(1 << (self.bits - 1)) if self.symmetric else 0

    @property
    def highest(self) -> int:
        """The largest code."""
        return self.lowest + (1 << self.bits) - 1

    def group_size(self, width: int) -> int:
        """Return the number of weights that share a scale in rows of ``width``.

        Raises
        ------
        CompressionError
            The group was given as a number that does not divide the width.
        """
        if isinstance(self.group, str):
            sizes = AUTO_GROUPS if self.group == "auto" else ()
            return next((size for size in sizes if width % size == 0), width)
        if width % self.group:
            raise CompressionError(
                f"groups of {self.group} do not divide rows of {width} weights",
                "choose a group that divides the width, 'channel', or 'auto'",
            )
        return self.group

    def packed_bits(self, shape: tuple[int, int]) -> int:
        """Bits of a layer (out, in) of codes with their scales."""
        group = self.group_size(shape[1])
        return quantised_bits(shape, self.bits, group, zero_point=not self.symmetric)


@dataclass(frozen=True)
class Scales:
    """Scale and zero point of each group.

    Parameters
    ----------
    scale, zero : Tensor
        (rows, groups), float32; the zero point is a whole number (0 on a symmetric grid).
    lowest, highest : int
        The range of codes.
    """

    scale: Tensor
    zero: Tensor
    lowest: int
    highest: int

    def round(self, weight: Tensor) -> Tensor:
        """Return the nearest points of the grid.

        Parameters
        ----------
        weight : Tensor
            (rows, width), float32; the groups divide the width.

        Returns
        -------
        Tensor
            (rows, width).
        """
        return self.values(self.codes(weight))

    def codes(self, weight: Tensor) -> Tensor:
        """Return the codes (rows, width) of the nearest points, as float32 whole numbers."""
        groups = self._grouped(weight)
        codes = torch.round(groups / self.scale[..., None]) + self.zero[..., None]
        return codes.clamp(self.lowest, self.highest).flatten(1)

    def values(self, codes: Tensor) -> Tensor:
        """Return the points of the grid (rows, width) that codes stand for."""
        groups = self._grouped(codes)
        return ((groups - self.zero[..., None]) * self.scale[..., None]).flatten(1)

    def _grouped(self, matrix: Tensor) -> Tensor:
        """View (rows, width) as (rows, groups, group)."""
        return matrix.reshape(*self.scale.shape, -1)


def fit_scales(weight: Tensor, grid: Grid, clip: Tensor | float = 1.0) -> Scales:
    """Fit the grid to the range of each group.

    Parameters
    ----------
    weight : Tensor
        (rows, width), float32.
    grid : Grid
        What to fit.
    clip : Tensor or float
        Share of the range to cover, (rows, groups) or one for all; weights beyond saturate.

    Returns
    -------
    Scales
    """
    rows, width = weight.shape
    groups = weight.reshape(rows, -1, grid.group_size(width))
    # The range holds zero, so that the zero point is a code and zero is represented exactly.
    low = groups.amin(-1).clamp_(max=0) * clip
    high = groups.amax(-1).clamp_(min=0) * clip
    steps = 2**grid.bits - 1
    if grid.symmetric:
        scale = _half(2 * torch.maximum(-low, high) / steps)
        zero = torch.zeros_like(scale)
    else:
        scale = _half((high - low) / steps)
        zero = torch.round(-low / scale).clamp_(0, steps)
    return Scales(scale, zero, grid.lowest, grid.highest)


def round_to_grid(weight: Tensor, grid: Grid) -> Tensor:
    """Round each weight to the nearest point of its group's grid.

    Parameters
    ----------
    weight : Tensor
        (out, in), float32.
    grid : Grid
        Bits, group and symmetry.

    Returns
    -------
    Tensor
        (out, in), float32.
    """
    return fit_scales(weight, grid).round(weight)


def _half(scale: Tensor) -> Tensor:
    """Scales as half precision stores them, in the precision of the work.

    Raises
    ------
    CompressionError
        A scale is larger than half precision holds: the weights would saturate without a word.
    """
    largest = float(scale.max())
    if largest > _LARGEST_SCALE:
        raise CompressionError(
            f"a group of weights needs a scale of {largest:.3g}, and half precision, in which "
            f"scales are stored, ends at {_LARGEST_SCALE:g}",
            "the weights are far larger than a trained model's: look at the layer",
        )
    return scale.clamp(_SMALLEST_SCALE, _LARGEST_SCALE).half().to(scale.dtype)
