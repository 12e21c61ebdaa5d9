"""Causal attention in float32, by the faster of the libraries at hand.

torch's kernel for the CPU takes its products to MKL, which on processors other than Intel's does
not use AVX-512. Here they are those of :mod:`harness.numeric.float_products`: on an AMD EPYC of the
fifth generation the same attention takes half the time, on one thread. torch's kernel divides
batches and heads among threads, and this does not.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from harness.numeric.float_products import linear_map

_BLOCK = 128
"""Tokens whose scores are made together, against all tokens before them."""


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Return what :func:`torch.nn.functional.scaled_dot_product_attention` does of the same."""
    if (
        is_causal
        and attn_mask is None
        and dropout_p == 0
        and query.shape[-2] == key.shape[-2]
        and (enable_gqa or query.shape[1] == key.shape[1])
        and faster(query, key, value)
    ):
        return causal_attention(query, key, value, scale)
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
    )


def faster(*factors: Tensor) -> bool:
    """Whether :func:`attention` of these, where it is causal, takes another way than torch does."""
    return (
        all(
            factor.ndim == 4 and factor.dtype == torch.float32 and factor.device.type == "cpu"
            for factor in factors
        )
        and not torch.is_grad_enabled()
        and torch.get_num_threads() == 1
        and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    )


def causal_attention(query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
    """Return ``softmax(scale * query @ key.T) @ value``, each token attending to none behind it.

    Parameters
    ----------
    query : Tensor
        (batch, head, token, unit), float32, on the CPU.
    key : Tensor
        (batch, key head, token, unit): each serves as many heads in a row as there are for one.
    value : Tensor
        (batch, key head, token, value unit).
    scale : float, optional
        The root of the reciprocal of the number of units by default.

    Returns
    -------
    Tensor
        (batch, head, token, value unit), laid out as (batch, token, head, value unit).
    """
    batch, heads, tokens, units = query.shape
    shared = heads // key.shape[1]
    out = torch.empty(batch, tokens, heads, value.shape[-1]).transpose(1, 2)
    behind = torch.full((_BLOCK, _BLOCK), -torch.inf).triu_(1)
    scaled = query * (units**-0.5 if scale is None else scale)
    for text in range(batch):
        for head in range(key.shape[1]):
            keys, values = key[text, head].contiguous(), value[text, head].T.contiguous()
            served = slice(head * shared, (head + 1) * shared)
            for start in range(0, tokens, _BLOCK):
                stop = min(start + _BLOCK, tokens)
                rows = scaled[text, served, start:stop].reshape(-1, units)
                scores = linear_map(rows, keys[:stop]).view(shared, stop - start, stop)
                scores[..., start:] += behind[: stop - start, : stop - start]
                part = linear_map(torch.softmax(scores, -1), values[:, :stop])
                out[text, served, start:stop] = part
    return out
