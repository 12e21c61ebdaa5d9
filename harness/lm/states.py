"""What a model computes on the way: hidden states of every layer, log-probabilities of tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from harness.lm.anatomy import anatomy

Reader = Callable[[int, torch.Tensor], None]


@contextmanager
def hidden_states(model: nn.Module, read: Reader, final_norm: bool) -> Iterator[None]:
    """While open, each forward pass calls ``read(layer, states)`` for every layer.

    Layer 0 is what enters the first block (the embedding, with whatever the model adds to it);
    layer i is what leaves block i. States are (windows, tokens, units), and are not kept.

    Parameters
    ----------
    final_norm : bool
        Whether the last layer is read after the model's final norm or before it.
    """
    parts = anatomy(model)
    handles = []

    def enter(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        read(0, args[0] if args else kwargs["hidden_states"])

    def leave(layer: int) -> Callable[..., None]:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            read(layer, output[0] if isinstance(output, tuple | list) else output)

        return hook

    if not parts.blocks:  # a static model is its embedding
        handles.append(parts.embedding.register_forward_hook(leave(0)))
    else:
        handles.append(parts.blocks[0].register_forward_pre_hook(enter, with_kwargs=True))
    last = len(parts.blocks)
    at_norm = parts.final_norm if final_norm and parts.blocks else None
    for layer, block in enumerate(parts.blocks, start=1):
        if at_norm is None or layer < last:
            handles.append(block.register_forward_hook(leave(layer)))
    if at_norm is not None:
        # Some run the same norm before the first block, too (NanoChat).
        passed = _Flag()
        handles.append(parts.blocks[-1].register_forward_hook(passed.raised))
        behind = leave(last)

        def normed(module: nn.Module, args: Any, output: Any) -> None:
            if passed.lowered():
                behind(module, args, output)

        handles.append(at_norm.register_forward_hook(normed))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Flag:
    """Says once that something has happened since it was last asked."""

    def __init__(self) -> None:
        self._up = False

    def raised(self, *_: Any) -> None:
        """Take note that it has happened (a forward hook)."""
        self._up = True

    def lowered(self) -> bool:
        """Say whether it had, and forget it."""
        was, self._up = self._up, False
        return was


def n_layers(model: nn.Module) -> int:
    """Layers a recording has: the embedding and every block."""
    return len(anatomy(model).blocks) + 1


def mass_of(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Log-probability that what comes next is one of some tokens, float32.

    Parameters
    ----------
    logits : Tensor (..., vocabulary)
    tokens : Tensor (n_tokens,)
    """
    scores = logits.float()
    return torch.logsumexp(scores[..., tokens], dim=-1) - torch.logsumexp(scores, dim=-1)


def token_logprobs(logits: torch.Tensor, ids: torch.Tensor, parents: torch.Tensor) -> torch.Tensor:
    """Log-probability of each token given those before it.

    Parameters
    ----------
    logits : Tensor (packs, tokens, vocabulary)
    ids : Tensor (packs, tokens)
    parents : Tensor (packs, tokens)
        Index of the token before each; -1 at a beginning.

    Returns
    -------
    Tensor (packs, tokens), float32
        Natural logarithms; a beginning has none: NaN.
    """
    rows = torch.arange(len(ids), device=ids.device)[:, None]
    before = parents.clamp(min=0)
    scores = logits.float()
    total = torch.logsumexp(scores, dim=-1)
    values = scores[rows, before, ids] - total[rows, before]
    return values.masked_fill(parents < 0, torch.nan)
