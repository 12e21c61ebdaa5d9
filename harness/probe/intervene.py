"""A model that goes on with other states than its own from some layer on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from harness.errors import ScoreError
from harness.lm.anatomy import anatomy
from harness.probe.erase import Eraser


@contextmanager
def erased(model: nn.Module, layer: int, eraser: Eraser) -> Iterator[None]:
    """While open, what leaves a block is erased at every token, and the model goes on from that.

    Recordings that are made meanwhile have the erased states, from that layer on.

    Parameters
    ----------
    model : Module
    layer : int
        As in recordings: layer i leaves block i.
    eraser : Eraser
        Fitted on that layer's states.

    Raises
    ------
    ScoreError
        The model has no such block.
    """
    blocks = anatomy(model).blocks
    if not 1 <= layer <= len(blocks):
        raise ScoreError(f"layer {layer} leaves no block", f"there are layers 1 to {len(blocks)}")
    mean, matrix = torch.as_tensor(eraser.mean), torch.as_tensor(eraser.matrix)

    def changed(states: torch.Tensor) -> torch.Tensor:
        wide = states.float()
        taken = (wide - mean.to(wide)) @ matrix.to(wide).T
        return torch.as_tensor(wide - taken, dtype=states.dtype)

    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        if isinstance(output, tuple | list):
            return (changed(output[0]), *output[1:])
        return changed(output)

    handle = blocks[layer - 1].register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
