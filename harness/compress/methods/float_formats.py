"""Number formats of four and eight bits with an exponent, and scales a block.

==========  =====  ==========================================  ======================
format      block  scale of a block                            element
==========  =====  ==========================================  ======================
``fp8``     row    16 bits                                     E4M3: 1-4-3, up to 448
``mxfp4``   32     E8M0: a power of two (8 bits)               E2M1: 1-2-1, up to 6
``nvfp4``   16     E4M3 (8 bits), times 32 bits a layer        E2M1
``int4fp8`` 128    E4M3 (8 bits), times 32 bits a layer        whole numbers, -7 to 7
==========  =====  ==========================================  ======================

MXFP4 is that of the Open Compute Project's specification (Rouhani et al. 2023, MX formats v1.0,
section 6.3): the scale is ``2^(floor(log2 max) - 2)``, so the largest element may saturate. NVFP4
is NVIDIA's: the scale is the block's maximum over 6, in E4M3 under a scale of the whole layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from harness.errors import CompressionError

Format = Literal["fp8", "mxfp4", "nvfp4", "int4fp8"]

E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Magnitudes of a four-bit float."""
E4M3_LARGEST = 448.0
_SMALLEST_E4M3 = 2.0**-9
_BLOCKS = {"mxfp4": 32, "nvfp4": 16, "int4fp8": 128}
_LAYER_SCALE_BITS = 32


@dataclass(frozen=True)
class FloatFormat:
    """One of the formats.

    Parameters
    ----------
    name : {"fp8", "mxfp4", "nvfp4", "int4fp8"}
        See the module.

    Raises
    ------
    CompressionError
        There is no such format.
    """

    name: Format

    def __post_init__(self) -> None:
        if self.name not in ("fp8", *_BLOCKS):
            raise CompressionError(
                f"there is no number format {self.name!r}", f"there are fp8, {', '.join(_BLOCKS)}"
            )

    def block(self, width: int) -> int:
        """Return how many weights of a row share a scale; the last block of a row may be short."""
        size = _BLOCKS.get(self.name, width)
        if self.name == "int4fp8":
            size = next((n for n in (128, 64, 32) if width % n == 0), size)
        return size

    def packed_bits(self, shape: tuple[int, int]) -> int:
        """Bits of a layer (out, in): elements, scales, and a scale of the layer where there is."""
        rows, width = shape
        if self.name == "fp8":
            return rows * width * 8 + rows * 16
        blocks = rows * -(-width // self.block(width))
        return rows * width * 4 + blocks * 8 + (0 if self.name == "mxfp4" else _LAYER_SCALE_BITS)

    def round(self, weight: Tensor) -> Tensor:
        """Return the values (out, in), float32, that a weight is stored as."""
        rows, width = weight.shape
        short = -width % self.block(width)
        padded = torch.nn.functional.pad(weight.float(), (0, short))
        return self._round_blocks(padded.reshape(rows, -1, self.block(width)))[:, :width]

    def _round_blocks(self, blocks: Tensor) -> Tensor:
        """Round whole blocks (rows, blocks, block), and return (rows, width)."""
        largest = blocks.abs().amax(-1, keepdim=True)
        if self.name == "fp8":
            scale = (largest / E4M3_LARGEST).clamp(2.0**-24, 65504.0).half().float()
            return (round_e4m3(blocks / scale) * scale).flatten(1)
        if self.name == "mxfp4":
            # A block of zeros, or below the smallest scale, gets the smallest: 2^-127.
            exponent = torch.frexp(largest).exponent - 1 - 2
            scale = torch.exp2(exponent.clamp(-127, 127).float())
            return (round_e2m1(blocks / scale) * scale).flatten(1)
        top = 6.0 if self.name == "nvfp4" else 7.0
        # Kept as what the scales of blocks are divided by, and divided by, as checkpoints have it.
        overall = top * E4M3_LARGEST / largest.amax()
        overall = torch.where(torch.isfinite(overall), overall, 1.0)
        scale = (largest / top * overall).clamp(_SMALLEST_E4M3, E4M3_LARGEST)
        scale = round_e4m3(scale) / overall
        elements = blocks / scale
        if self.name == "nvfp4":
            return (round_e2m1(elements) * scale).flatten(1)
        return (torch.round(elements).clamp(-7, 7) * scale).flatten(1)


def round_e4m3(values: Tensor) -> Tensor:
    """Round to the nearest E4M3 number, half to even; what is beyond 448 saturates.

    Parameters
    ----------
    values : Tensor
        Any shape, float32.
    """
    inside = values.clamp(-E4M3_LARGEST, E4M3_LARGEST)
    return inside.to(torch.float8_e4m3fn).to(values.dtype)


def round_e2m1(values: Tensor) -> Tensor:
    """Round to the nearest E2M1 number, half to the even code; what is beyond 6 saturates.

    Parameters
    ----------
    values : Tensor
        Any shape, float32.
    """
    table = torch.tensor(E2M1, device=values.device, dtype=values.dtype)
    middle = (table[1:] + table[:-1]) / 2
    size = values.abs().contiguous()
    below = torch.bucketize(size, middle, right=False)  # a tie goes down
    above = torch.bucketize(size, middle, right=True)  # a tie goes up
    code = torch.where(below % 2 == 0, below, above)
    return table[code] * values.sign()
