"""A trial run of a whole model whose blocks may be anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from harness.compress.layers.calls import forwards, moved
from harness.compress.layers.workspace import Workspace
from harness.errors import CompressionError
from harness.lm.anatomy import anatomy

_TOKENS = 4


@torch.no_grad()
def check_runs(model: nn.Module, names: Sequence[str], workspace: Workspace) -> None:
    """Refuse a model that does not run without the blocks that were dropped.

    Parameters
    ----------
    model : nn.Module
        A decoder-only causal language model without some of its blocks.
    names : sequence of str
        For each block that stayed, its path in the whole model: it is read from disk by that.
    workspace : Workspace
        Where blocks come from that are not in memory, and the device they run on.

    Raises
    ------
    CompressionError
        The model does not run.
    """
    parts = anatomy(model)
    home = next(parts.embedding.parameters()).device

    def visited(name: str, block: nn.Module) -> Callable[..., Any]:
        forward = block.forward

        def run(*arguments: Any, **keywords: Any) -> Any:
            with workspace.visiting(name, block) as device:
                there = [moved(device, value) for value in arguments]
                out = forward(*there, **{k: moved(device, v) for k, v in keywords.items()})
            return moved(home, out)

        return run

    blocks = zip(names, parts.blocks, strict=True)
    tokens = torch.zeros(1, _TOKENS, dtype=torch.int64, device=home)
    try:
        with forwards({block: visited(name, block) for name, block in blocks}):
            model(input_ids=tokens, use_cache=False)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, IndexError, KeyError, AttributeError) as error:
        raise CompressionError(
            f"{type(model).__name__} does not run without its dropped blocks: {error}",
            "take another method for this architecture",
        ) from error
