"""Codes of a few bits in 32-bit words."""

from __future__ import annotations

import torch
from torch import Tensor

WORD = 32


def unpacked(words: Tensor, bits: int) -> Tensor:
    """Cut rows of 32-bit words into codes, lowest bits first, across word borders (3 bits).

    Raises
    ------
    ValueError
        They are no 32-bit words.
    """
    if words.dtype != torch.int32:
        raise ValueError(f"codes are {words.dtype}, not int32")
    if WORD % bits == 0:
        shifts = torch.arange(0, WORD, bits)
        codes: Tensor = words[:, :, None] >> shifts & (1 << bits) - 1
        return codes.flatten(1)
    stream = (words[:, :, None] >> torch.arange(WORD) & 1).flatten(1)
    whole = stream.shape[1] // bits * bits  # what is left over pads the last word
    bitwise = stream[:, :whole].reshape(len(words), -1, bits) << torch.arange(bits)
    return bitwise.sum(-1, dtype=torch.int32)


def packed_rows(codes: Tensor, bits: int) -> Tensor:
    """Put rows of codes into 32-bit words, lowest bits first: what :func:`unpacked` undoes."""
    stream = (codes[:, :, None] >> torch.arange(bits) & 1).flatten(1).long()
    stream = torch.nn.functional.pad(stream, (0, -stream.shape[1] % WORD))
    words = (stream.reshape(len(codes), -1, WORD) << torch.arange(WORD)).sum(-1)
    return torch.where(words >= 1 << 31, words - (1 << 32), words).to(torch.int32)
