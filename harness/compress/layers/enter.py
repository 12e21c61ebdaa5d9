"""Calibration text before the first block, once the walk is known to be the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harness.compress.layers.calls import Call, Kept, forwards, like, moved, split_call
from harness.compress.layers.linear import Layer
from harness.compress.layers.own_run import (
    OwnRun,
    check_walk,
    eager_experts,
    layers_where_called,
    own_run,
    read,
)
from harness.compress.layers.stream import Stream
from harness.compress.layers.workspace import Workspace
from harness.errors import CompressionError
from harness.lm.anatomy import anatomy

BATCH_TOKENS = 1024
"""Tokens that go through a block at once: few enough that what a small model makes of them stays in
the cache, and in memory that the process has already."""

_GLANCE = 16
"""Tokens from which one sees how a block calls its layers."""


@dataclass(frozen=True)
class Entered:
    """A model whose blocks can be walked through.

    Parameters
    ----------
    stream : Stream
        The calibration text before the first block.
    layers : sequence of sequence of Layer
        The layers of each block that are to be compressed there.
    """

    stream: Stream
    layers: Sequence[Sequence[Layer]]


@torch.no_grad()
def enter(model: nn.Module, tokens: Tensor, workspace: Workspace | None = None) -> Entered:
    """Run what comes before the first block, and note how each batch calls each block.

    The model runs with its blocks standing aside, so their weights may be anywhere. Every batch
    keeps its own call of every block: some architectures give their blocks embeddings of the text
    itself (Gemma 4, Gemma 3n, Zamba2), others different masks and positions (sliding windows).

    Before that the model runs as it is on the first and the last batch, and the walk after it on
    the same: if any layer of any block sees other inputs, the model is refused.

    Parameters
    ----------
    model : nn.Module
        A decoder-only causal language model.
    tokens : Tensor
        (samples, length), int64.
    workspace : Workspace, optional
        The device, and where blocks are read that are not in memory.

    Returns
    -------
    Entered

    Raises
    ------
    CompressionError
        A block was not called once a batch with hidden states, or the walk is not the model; the
        message names the layer.
    """
    workspace = workspace or Workspace()
    size = max(1, BATCH_TOKENS // tokens.shape[1])
    batches = [tokens[start : start + size] for start in range(0, len(tokens), size)]
    probes = [batches[0], batches[-1]] if len(batches) > 1 else batches
    with eager_experts(model):
        own = own_run(model, probes, workspace)
        check_walk(model, _stood_aside(model, probes, own), own, workspace)
        return Entered(_stood_aside(model, batches, own), layers_where_called(model, own))


def _stood_aside(model: nn.Module, batches: Sequence[Tensor], own: OwnRun) -> Stream:
    """Run the model with its blocks standing aside, and keep what they were called with."""
    parts = anatomy(model)
    home = torch.device("cpu")
    device = next(parts.embedding.parameters()).device
    hidden: list[Tensor] = []
    calls: list[list[Call]] = [[] for _ in parts.blocks]
    kept = Kept()

    def stand_in(index: int) -> Callable[..., Any]:
        def record(*arguments: Any, **keywords: Any) -> Any:
            state, arguments, keywords = split_call(parts.block_names[index], arguments, keywords)
            if index == 0:
                hidden.append(state.to(home))
            there = {name: moved(home, value) for name, value in keywords.items()}
            calls[index].append(kept.call(moved(home, arguments), there))
            return like(own.returned[index], state)

        return record

    standing = {block: stand_in(index) for index, block in enumerate(parts.blocks)}
    with forwards(standing):
        for tokens in [*batches, batches[0][:1, :_GLANCE]]:
            read(model, tokens.to(device))
            _check_called(model, [len(seen) for seen in calls])
    *hidden, short = hidden
    return Stream(hidden, [seen[:-1] for seen in calls], short, [seen[-1] for seen in calls])


def _check_called(model: nn.Module, calls: Sequence[int]) -> None:
    """Refuse a model that did not call every block once a batch."""
    names = anatomy(model).block_names
    fewest, most = min(calls), max(calls)
    if fewest == most:
        return
    name = names[calls.index(fewest)]
    how = f"was called {fewest} times where another was called {most} times"
    raise CompressionError(
        f"{name} is a block of {type(model).__name__} but {how if fewest else 'was not called'}: "
        f"looked for calls to the {len(calls)} blocks while the model read the calibration text",
        "decoder-only language models that run their blocks in order are supported",
    )
