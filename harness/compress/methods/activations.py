"""Rounding what goes into a layer, token by token, as an integer product would need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harness.compress.methods.float_formats import E4M3_LARGEST, round_e4m3

SCALE = "input_scale"
"""Name of the buffer that holds the scale of each input."""


@dataclass(frozen=True)
class RoundedInput:
    """A forward pre-hook that rounds the input of a layer.

    Each token's vector x becomes ``s * round(x / s)`` on a symmetric grid over its own range
    ("per-token dynamic quantisation"), with s a fixed scale an input. The layer's weight is then
    ``Q(W s) / s``, and their product is that of the integers (Xiao et al. 2023, eq. 3).

    Parameters
    ----------
    bits : int or "fp8"
        Bits a code; or E4M3 in place of whole numbers.
    """

    bits: int | str

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Round the first argument."""
        scale = module.get_buffer(SCALE)
        return (round_tokens(arguments[0], scale, self.bits), *arguments[1:])


def round_tokens(inputs: Tensor, scale: Tensor, bits: int | str) -> Tensor:
    """Round each token's vector on a symmetric grid over its own range.

    Parameters
    ----------
    inputs : Tensor
        (..., in), of any dtype; worked on in float32.
    scale : Tensor
        (in,): divided out before rounding.
    bits : int or "fp8"
        Bits a code; or E4M3, whose largest number is the token's.

    Returns
    -------
    Tensor
        (..., in), of the dtype of the inputs; zero where a token's vector is.
    """
    scaled = inputs.float() / scale
    highest = E4M3_LARGEST if isinstance(bits, str) else 2 ** (bits - 1) - 1
    step = scaled.abs().amax(-1, keepdim=True) / highest
    step = torch.where(step > 0, step, 1)
    steps = scaled / step
    rounded = round_e4m3(steps) if isinstance(bits, str) else torch.round(steps)
    return (rounded * step * scale).to(inputs.dtype)


def round_inputs(module: nn.Module, scale: Tensor, bits: int | str) -> None:
    """Make a layer round its input from now on.

    Parameters
    ----------
    module : nn.Module
        A linear layer. It gets a buffer, saved with its weights.
    scale : Tensor
        (in,).
    bits : int or "fp8"
        As for :class:`RoundedInput`.
    """
    if SCALE in dict(module.named_buffers(recurse=False)):
        return  # experts of one module share their input
    device = next(module.parameters()).device
    # A copy: layers that share an input have their own, as a file of weights wants them.
    module.register_buffer(SCALE, scale.detach().float().to(device, copy=True))
    module.register_forward_pre_hook(RoundedInput(bits))
