"""Keys and values rounded as a cache of fewer bits would hold them.

A model that writes token after token keeps keys and values of all tokens before. Caches of fewer
bits round each token's vector when it is written, and attention reads what was kept. Here a text is
read at once, and every key (after its rotation by position) and every value is rounded before
attention takes it, the token's own included.

The grid is that of KIVI (Liu et al. 2024, section 2): ``x -> s round((x - z) / s) + z`` with z the
least number of the vector and s its range over ``2^bits - 1``, asymmetric because single channels
of keys are far off zero, all on one side. Each vector is the one token's, of one head, as for
values in KIVI, and for both in QuaRot (Ashkboos et al. 2024). KIVI rounds keys by channel over 32
tokens, which this does not: the grid of a token would be known from tokens that follow it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import CompressionError

BITS = (8, 4, 3, 2)
_PREFIX = "brainpress_kv_int"
_LARGEST = 65504.0


def round_vectors(vectors: Tensor, bits: int) -> Tensor:
    """Round each vector on an asymmetric grid over its own range.

    Parameters
    ----------
    vectors : Tensor
        (..., channel), of any dtype; worked on in float32.
    bits : int
        Bits a code. Scale and least number are of half precision, as they are kept.

    Returns
    -------
    Tensor
        (..., channel), of the dtype of the vectors.
    """
    numbers = vectors.float()
    low, high = numbers.aminmax(dim=-1, keepdim=True)
    top = 2**bits - 1
    zero, scale = _half(low), _half((high - low) / top)
    scale = torch.where(scale > 0, scale, 1)
    codes = ((numbers - zero) / scale).round_().clamp_(0, top)
    return codes.mul_(scale).add_(zero).to(vectors.dtype)


def _half(values: Tensor) -> Tensor:
    return values.clamp(-_LARGEST, _LARGEST).half().float()


def round_keys_and_values(model: nn.Module, bits: int) -> None:
    """Make a model round its keys and values from now on.

    Its attention goes on by the function it had, sdpa or its own, through transformers' attention
    interface; masks are as before.

    Parameters
    ----------
    model : nn.Module
        A decoder-only causal language model of transformers.
    bits : int
        As for :func:`round_vectors`.

    Raises
    ------
    CompressionError
        It rounds them already.
    """
    if rounds_keys_and_values(model):
        raise CompressionError(
            "this model rounds its keys and values already", "load the model anew"
        )
    # Looked at before any is set: a config hands what it is told on to those inside it.
    found = {id(config): config for config in _configs(model)}
    chosen = [(config, config._attn_implementation or "eager") for config in found.values()]
    for config, base in chosen:
        config._attn_implementation = _registered(base, bits)


def rounds_keys_and_values(model: nn.Module) -> bool:
    """Whether a model rounds its keys and values."""
    return any(str(config._attn_implementation).startswith(_PREFIX) for config in _configs(model))


def _configs(model: nn.Module) -> list[Any]:
    configs = [getattr(module, "config", None) for module in model.modules()]
    return [config for config in configs if hasattr(config, "_attn_implementation")]


def _registered(base: str, bits: int) -> str:
    """Return the name under which transformers finds attention of a kind, with rounding."""
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    name = f"{_PREFIX}{bits}_{base}"

    def attend(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **named: Any
    ) -> Any:
        forward = ALL_ATTENTION_FUNCTIONS.get(base) or _own_loop(module)
        key, value = round_vectors(key, bits), round_vectors(value, bits)
        return forward(module, query, key, value, *rest, **named)

    ALL_ATTENTION_FUNCTIONS.register(name, attend)
    ALL_MASK_ATTENTION_FUNCTIONS.register(name, ALL_MASK_ATTENTION_FUNCTIONS[base])
    return name


def _own_loop(module: nn.Module) -> Callable[..., Any]:
    """Return the attention that the file of an architecture has for itself."""
    forward: Callable[..., Any] = sys.modules[type(module).__module__].eager_attention_forward
    return forward
