"""Layers as compressed-tensors and FP8 releases store them, read as dense weights.

Which format a layer has is read off its tensors: packed integers (``pack-quantized``), bytes of two
FP4 numbers (``nvfp4``, ``mxfp4``), or FP8 and INT8 numbers with scales by output, by block or for
all. Formats of the library's version 0.20; tested against it where it is installed.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from harness.lm.packed_words import unpacked

PARTS = (
    "weight_packed",
    "weight_scale",
    "weight_zero_point",
    "weight_shape",
    "weight_g_idx",
    "weight_global_scale",
    "weight_scale_inv",
)
"""Tensors that make a weight, beside ``weight`` itself."""
IDLE = (
    "input_scale",
    "input_zero_point",
    "input_global_scale",
    "output_scale",
    "k_scale",
    "v_scale",
)
"""Tensors that round activations, which are left as they are."""
_FP4 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
_FP8 = (torch.float8_e4m3fn, torch.float8_e5m2)


def is_compressed(parts: Mapping[str, Tensor]) -> bool:
    """Whether a layer's tensors are of one of these formats."""
    return "weight_packed" in parts or (
        "weight" in parts and ("weight_scale" in parts or "weight_scale_inv" in parts)
    )


def dense_weight(parts: Mapping[str, Tensor]) -> Tensor:
    """Return the weight (out, in) of a layer, float32.

    Raises
    ------
    ValueError
        Its tensors fit none of the formats.
    KeyError
        One is missing.
    """
    packed = parts.get("weight_packed")
    if packed is None:
        return _scaled(_numbers(parts["weight"], parts), _scale(parts))
    if packed.dtype == torch.uint8:
        return _scaled(_fours(packed), _fours_scale(parts))
    rows, columns = (int(n) for n in parts["weight_shape"].tolist())
    bits = packed.shape[1] * 32 // columns
    codes = unpacked(packed, bits)[:, :columns].float() - 2 ** (bits - 1)
    scale = parts["weight_scale"].float()
    zero = parts.get("weight_zero_point")
    if zero is not None:
        zeros = unpacked(zero.T.contiguous(), bits).T[:rows].float() - 2 ** (bits - 1)
    else:
        zeros = torch.zeros_like(scale)
    group = parts.get("weight_g_idx")
    if group is not None and int(group.min()) >= 0:
        index = group.long()
        made: Tensor = (codes - zeros[:, index]) * scale[:, index]
    else:
        made = (codes - _spread(zeros, codes.shape)) * _spread(scale, codes.shape)
    return made


def _numbers(weight: Tensor, parts: Mapping[str, Tensor]) -> Tensor:
    if weight.dtype not in (*_FP8, torch.int8):
        raise ValueError(f"its weight is {weight.dtype}, and has a scale")
    zero = parts.get("weight_zero_point")
    values = weight.float()
    return values if zero is None else values - _spread(zero.float(), values.shape)


def _scale(parts: Mapping[str, Tensor]) -> Tensor:
    inverse = parts.get("weight_scale_inv")  # named so by DeepSeek; it multiplies all the same
    return (parts["weight_scale"] if inverse is None else inverse).float()


def _fours(packed: Tensor) -> Tensor:
    """Two FP4 (E2M1) numbers a byte, the low half first."""
    table = torch.tensor([*_FP4, *(-value for value in _FP4)])
    halves = torch.stack([packed & 15, packed >> 4], dim=-1).flatten(1)
    numbers: Tensor = table[halves.long()]
    return numbers


def _fours_scale(parts: Mapping[str, Tensor]) -> Tensor:
    scale = parts["weight_scale"]
    if scale.dtype == torch.uint8:  # MXFP4: an exponent
        return torch.exp2(scale.float() - 127)
    whole = parts.get("weight_global_scale")
    return scale.float() if whole is None else scale.float() / whole.float()


def _scaled(values: Tensor, scale: Tensor) -> Tensor:
    return values * _spread(scale, values.shape)


def _spread(scale: Tensor, shape: torch.Size) -> Tensor:
    """Repeat scales over the rows and columns that share one; the last block may be short."""
    if scale.numel() == 1:
        return scale.reshape(1, 1)
    if scale.ndim == 1:
        scale = scale[:, None]
    for axis in (0, 1):
        have, want = scale.shape[axis], shape[axis]
        if have not in (1, want):
            size = -(-want // have)
            if size & (size - 1) and want % have:
                raise ValueError(f"{have} scales do not divide {want} weights")
            scale = scale.repeat_interleave(size, axis).narrow(axis, 0, want)
    return scale
