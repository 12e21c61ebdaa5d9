"""The codes and scales of a weight that stands on a grid already, found from its values alone.

A compressed layer is kept as its values. Whatever program packs it needs codes and scales; they are
looked for here, and what is found gives the very same values again, bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.compress.methods.float_formats import E4M3_LARGEST
from harness.errors import CompressionError

_GLANCE = 8
"""Weights of a group from which one sees that a step does not fit."""


@dataclass(frozen=True, eq=False)
class Codes:
    """A weight as whole numbers, with ``weight = codes * scale``.

    Parameters
    ----------
    codes : Tensor
        (out, in), int64: steps from zero.
    scale : Tensor
        (out, groups), float16.
    lowest, highest : Tensor
        (out, groups), int64: the range of each group's codes, zero included.
    """

    codes: Tensor
    scale: Tensor
    lowest: Tensor
    highest: Tensor

    def fits_symmetric(self, bits: int) -> bool:
        """Whether all codes are from -2^(bits-1) to 2^(bits-1) - 1: no zero point is needed."""
        half = 1 << (bits - 1)
        return bool((self.lowest >= -half).all() and (self.highest < half).all())


def whole_codes(weight: Tensor, bits: int, group: int) -> Codes:
    """Find the grid that every group of a weight stands on.

    Among the grids of at most ``2^bits`` points that hold zero and have a step in half precision,
    one is looked for on which each weight of the group is a point, exactly: the step divides the
    range of the group into 1, 2, … ``2^bits - 1`` parts.

    Parameters
    ----------
    weight : Tensor
        (out, in), float32.
    bits : int
        Bits a code.
    group : int
        Neighbouring weights of a row that share a scale; it divides ``in``.

    Raises
    ------
    CompressionError
        There is no such grid: the values are no codes of so many bits.
    """
    groups = weight.reshape(-1, group)
    low, high = groups.amin(1).clamp(max=0), groups.amax(1).clamp(min=0)
    scale = torch.ones(len(groups), dtype=torch.float16)
    # A group of zeros stands on any grid.
    left = torch.nonzero(high > low)[:, 0]
    for parts in range(1, 1 << bits):  # the largest step first: the smallest codes
        if not len(left):
            break
        step = ((high[left] - low[left]) / parts).half()
        fits = _on_grid(groups[left, :_GLANCE], step)  # most steps are seen not to fit at once
        fits[fits.clone()] = _on_grid(groups[left[fits]], step[fits])
        scale[left[fits]] = step[fits]
        left = left[~fits]
    if len(left):
        raise CompressionError(
            f"{len(left)} of {len(groups)} groups of {group} weights stand on no grid of {bits} "
            "bits with a step in half precision"
        )
    codes = torch.round(groups / scale.float()[:, None]).long()
    shape = (len(weight), -1)
    ends = codes.amin(1).clamp(max=0), codes.amax(1).clamp(min=0)
    return Codes(
        codes.reshape(weight.shape), scale.reshape(shape), *(e.reshape(shape) for e in ends)
    )


def _on_grid(groups: Tensor, step: Tensor) -> Tensor:
    exact = step.float()[:, None]
    return (torch.round(groups / exact) * exact == groups).all(1) & (step > 0)


def e4m3_codes(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Find scale and E4M3 numbers of each row of a weight.

    Parameters
    ----------
    weight : Tensor
        (out, in), float32.

    Returns
    -------
    codes : Tensor
        (out, in), float8_e4m3fn.
    scale : Tensor
        (out, 1), float16.

    Raises
    ------
    CompressionError
        A row stands on no such grid.
    """
    tops = torch.arange(0, 0x7F, dtype=torch.uint8).view(torch.float8_e4m3fn).float()
    largest = weight.abs().amax(1)
    scale = torch.ones(len(weight), dtype=torch.float16)
    left = torch.nonzero(largest > 0)[:, 0]
    # The largest weight of a row is 448 steps, or a few less where the scale was rounded up.
    for top in tops.sort(descending=True).values[:64].tolist():
        if not len(left):
            break
        step = (largest[left] / top).half()
        exact = step.float()[:, None]
        numbers = (weight[left] / exact).clamp(-E4M3_LARGEST, E4M3_LARGEST)
        fits = (numbers.to(torch.float8_e4m3fn).float() * exact == weight[left]).all(1) & (step > 0)
        scale[left[fits]] = step[fits]
        left = left[~fits]
    if len(left):
        raise CompressionError(
            f"{len(left)} of {len(weight)} rows are no E4M3 numbers of one scale"
        )
    return (weight / scale.float()[:, None]).to(torch.float8_e4m3fn), scale[:, None]
