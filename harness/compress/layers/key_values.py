"""Whether the attention of a model passes where its keys and values can be rounded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from harness.errors import CompressionError

_TOKENS = 4


@torch.no_grad()
def check_attention(model: nn.Module) -> None:
    """Refuse a model of which an attention does not pass through transformers' interface.

    The model reads a few tokens, and its attentions are counted there; then it reads them with a
    cache, and the layers are counted that put keys and values into it.

    Parameters
    ----------
    model : nn.Module
        A decoder-only causal language model, in memory.

    Raises
    ------
    CompressionError
        Blocks are on disk, no attention passes, or fewer do than keep keys and values.
    """
    device = next(model.parameters()).device
    kind = type(model).__name__
    if any(parameter.device.type == "meta" for parameter in model.parameters()):
        raise CompressionError(
            f"{kind}: keys and values are rounded while a model runs, and this one is on disk",
            "load the model whole (leave out --from-disk)",
        )
    tokens = torch.arange(_TOKENS, device=device)[None]
    with _counting() as passed:
        model(input_ids=tokens, use_cache=False)
    kept = _layers_kept(model, tokens)
    hint = "activations-int8 and -int4 round what goes into layers, on every architecture"
    if not passed and not kept:
        raise CompressionError(
            f"{kind} has no attention that keeps keys and values in a cache of transformers", hint
        )
    if len(passed) < kept:
        raise CompressionError(
            f"{kind}: of {kept} layers that keep keys and values, {len(passed)} attend through "
            "transformers' attention interface, where they can be rounded",
            hint,
        )


@contextmanager
def _counting() -> Iterator[list[str]]:
    """Count what asks transformers for its function of attention."""
    from transformers.modeling_utils import AttentionInterface

    passed: list[str] = []
    own = AttentionInterface.get_interface

    def counted(self: Any, name: str, default: Any) -> Any:
        passed.append(name)
        return own(self, name, default)

    AttentionInterface.get_interface = counted
    try:
        yield passed
    finally:
        AttentionInterface.get_interface = own


def _layers_kept(model: nn.Module, tokens: torch.Tensor) -> int:
    """Return how many layers keep keys and values in a cache of transformers; 0 without one."""
    cache = getattr(model(input_ids=tokens, use_cache=True), "past_key_values", None)
    keys = [getattr(layer, "keys", None) for layer in getattr(cache, "layers", ())]
    return sum(isinstance(key, torch.Tensor) and key.numel() > 0 for key in keys)
