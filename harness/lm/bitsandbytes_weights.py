"""Layers as bitsandbytes stores them, read as dense weights: LLM.int8(), NF4 and FP4.

The layout of the library's files since version 0.41; tested against it where it is installed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch
from torch import Tensor

_STATE = "weight.quant_state.bitsandbytes__"
_PARTS = ("weight", "SCB", "weight_format")
_ROW = 0  # the only order of int8 weights that is not for one kind of GPU


def packed_layers(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of each packed layer, by its path: names are those behind the path."""
    found: dict[str, dict[str, Tensor]] = {}
    for key in tensors:
        if key.endswith(".SCB"):
            found[key.removesuffix(".SCB")] = {}
        elif f".{_STATE}" in key:
            found[key.partition(f".{_STATE}")[0]] = {}
    for key, tensor in tensors.items():
        for layer in (key.rpartition(".")[0], key.partition(".weight.")[0]):
            part = key.removeprefix(f"{layer}.")
            if layer in found and (part in _PARTS or part.startswith("weight.")):
                found[layer][part] = tensor
    return found


def dense_weight(parts: Mapping[str, Tensor]) -> Tensor:
    """Return the weight (out, in) of a layer, float32.

    Raises
    ------
    ValueError
        It is in an order that one kind of GPU takes.
    KeyError
        A tensor is missing.
    """
    if "SCB" in parts:
        if (order := int(parts.get("weight_format", torch.tensor(_ROW)))) != _ROW:
            raise ValueError(
                f"its rows are in the order of one kind of GPU (weight_format {order})"
            )
        return parts["weight"].float() * (parts["SCB"].float() / 127)[:, None]
    (kept,) = (tensor for part, tensor in parts.items() if part.startswith(_STATE))
    state = json.loads(bytes(kept.tolist()))
    absmax = parts["weight.absmax"]
    if "nested_blocksize" in state:  # the scales are in 8 bits, with scales of their own
        scale = parts["weight.nested_absmax"].float()
        levels = parts["weight.nested_quant_map"].float()[absmax.long()]
        absmax = levels * _spread(scale, int(state["nested_blocksize"]), len(levels))
        absmax = absmax + float(state["nested_offset"])
    codes = parts["weight"].flatten()
    numbers = parts["weight.quant_map"].float()[
        torch.stack([codes >> 4, codes & 15], dim=1).flatten().long()
    ]
    scales = _spread(absmax.float(), int(state["blocksize"]), len(numbers))
    return (numbers * scales).reshape(*state["shape"])


def _spread(scales: Tensor, block: int, count: int) -> Tensor:
    """Give each of ``count`` numbers the scale of its block."""
    return scales.repeat_interleave(block)[:count]
