"""What layers see when the model runs by itself, and whether the walk shows them the same.

Everything that a calibrated method measures, it measures on a walk: blocks are run one at a time,
outside the loop in which the model calls them. That the walk is the model is not taken for granted
for any architecture; it is checked on two batches of the calibration text itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harness.compress.layers.calls import forwards, moved
from harness.compress.layers.linear import Layer, all_layers, each_once
from harness.compress.layers.rewrite import read_weight
from harness.compress.layers.stream import Stream
from harness.compress.layers.watch import watching
from harness.compress.layers.workspace import Workspace
from harness.errors import CompressionError
from harness.lm.anatomy import anatomy
from harness.numeric.fast_products import FastProducts

_SKETCH = 4
"""Random directions on which inputs are compared: a difference survives in all but freak cases."""
_TOLERANCE = 1e-4
"""Largest relative difference of what a layer sees; both runs take the same products, so float32
gives 1e-6. Types of fewer bits may differ by one rounding."""

Sketches = dict[str, list[Tensor]]
"""For each layer, sketches (token, direction) of what it saw, call after call."""


@dataclass(frozen=True)
class OwnRun:
    """A run of the model by itself on some batches.

    Parameters
    ----------
    seen : mapping
        For each layer of the blocks, a sketch of its inputs in every call.
    returned : sequence
        What each block returned last, tensors of hidden states included: a model's loop depends on
        its form.
    """

    seen: Mapping[str, Sequence[Tensor]]
    returned: Sequence[Any]


def read(model: nn.Module, tokens: Tensor) -> None:
    """Run a model on tokens (batch, length) for the sake of its blocks, without its head."""
    backbone = getattr(model, "base_model", model)
    backbone(input_ids=tokens, use_cache=False)


@torch.no_grad()
def own_run(model: nn.Module, batches: Sequence[Tensor], workspace: Workspace) -> OwnRun:
    """Run a model as it is, and keep a sketch of what each layer of its blocks sees.

    Parameters
    ----------
    model : nn.Module
        A decoder-only causal language model.
    batches : sequence of Tensor
        (batch, length) each, int64.
    workspace : Workspace
        Where blocks come from that are not in memory, and the device they run on.
    """
    parts = anatomy(model)
    layers = all_layers(model)
    home = next(parts.embedding.parameters()).device
    seen: Sketches = {}
    returned: list[Any] = [None] * len(parts.blocks)

    def visited(index: int) -> Callable[..., Any]:
        block, name = parts.blocks[index], parts.block_names[index]
        forward = block.forward

        def run(*arguments: Any, **keywords: Any) -> Any:
            with workspace.visiting(name, block) as device, ExitStack() as stack:
                if returned[index] is None:
                    _check_weights(layers[index], device)
                see = stack.enter_context(_sketching(layers[index], seen))
                stack.enter_context(FastProducts(see))
                there = [moved(device, value) for value in arguments]
                out = forward(*there, **{k: moved(device, v) for k, v in keywords.items()})
            returned[index] = _form(out)
            return moved(home, out)

        return run

    wrapped = {block: visited(index) for index, block in enumerate(parts.blocks)}
    with forwards(wrapped):
        for tokens in batches:
            read(model, tokens.to(home))
    return OwnRun(seen, returned)


@torch.no_grad()
def check_walk(model: nn.Module, stream: Stream, own: OwnRun, workspace: Workspace) -> None:
    """Walk uncompressed, and compare what every layer sees with what it saw in the model itself.

    Parameters
    ----------
    model : nn.Module
        The model.
    stream : Stream
        Before the first block, with the batches of the model's own run.
    own : OwnRun
        That run.
    workspace : Workspace
        As for the run.

    Raises
    ------
    CompressionError
        A layer sees other inputs, or is called another number of times.
    """
    parts = anatomy(model)
    for name, block, layers in zip(parts.block_names, parts.blocks, all_layers(model), strict=True):
        seen: Sketches = {}
        with (
            workspace.visiting(name, block) as device,
            _sketching(layers, seen) as see,
            stream.seen(see),
        ):
            try:
                stream.advance(block, device)
            except torch.OutOfMemoryError:
                raise
            except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
                raise _refused(model, f"{name} does not run by itself: {error}") from error
        for layer in layers:
            _compare(model, layer.name, own.seen.get(layer.name, ()), seen.get(layer.name, ()))


def layers_where_called(model: nn.Module, own: OwnRun) -> list[list[Layer]]:
    """Return the layers of each block; one that blocks share is with the first that calls it.

    Some blocks hold layers that only another block calls (Zamba 2's adapters of a shared block).

    Parameters
    ----------
    model : nn.Module
        The model.
    own : OwnRun
        Its own run.
    """
    everywhere = all_layers(model)
    called = {layer.identity for block in everywhere for layer in block if layer.name in own.seen}
    return each_once(
        [
            [layer for layer in block if layer.name in own.seen or layer.identity not in called]
            for block in everywhere
        ]
    )


def _compare(
    model: nn.Module, name: str, expected: Sequence[Tensor], found: Sequence[Tensor]
) -> None:
    if len(expected) != len(found):
        raise _refused(
            model, f"{name} is called {len(expected)} times by the model and {len(found)} times"
        )
    for call, (own, walked) in enumerate(zip(expected, found, strict=True), 1):
        if not bool(torch.isfinite(own).all()):
            raise CompressionError(
                f"{name}: the inputs of this layer are NaN, infinite, or too large for the type "
                "that the model runs in",
                "run in float32 or bfloat16: float16 overflows in some models",
            )
        same_shape = own.shape == walked.shape
        size = float(own.norm())
        apart = float((walked - own).norm()) / (size or 1.0) if same_shape else float("inf")
        if not apart <= _tolerance(model):
            raise _refused(
                model,
                f"{name} sees other inputs than in the model, apart by {apart:.2g} of their "
                f"size in call {call}",
            )


def _tolerance(model: nn.Module) -> float:
    return max(_TOLERANCE, torch.finfo(next(model.parameters()).dtype).eps)


def _refused(model: nn.Module, why: str) -> CompressionError:
    kind = getattr(getattr(model, "config", None), "model_type", type(model).__name__)
    return CompressionError(
        f"{kind}: a walk from block to block is not what this model does: {why}",
        "methods that need no calibration text need no walk: rtn, nf4, magnitude, …",
    )


@contextmanager
def _sketching(layers: Sequence[Layer], seen: Sketches) -> Iterator[Any]:
    """Keep a sketch of whatever the layers see."""
    directions: dict[int, Tensor] = {}

    def sketch(layer: Layer, value: Tensor) -> Tensor:
        width = value.shape[-1]
        if width not in directions:
            drawn = torch.randn(width, _SKETCH, generator=torch.Generator().manual_seed(width))
            directions[width] = drawn.to(value.device)
        flat = value.reshape(-1, width).float()
        seen.setdefault(layer.name, []).append((flat @ directions[width]).cpu())
        return value

    with watching(layers, sketch) as see:
        yield see


def _check_weights(layers: Sequence[Layer], device: torch.device) -> None:
    """Refuse weights that are not finite before what they bring about is blamed on others."""
    for layer in layers:
        read_weight(layer, device)


def _form(out: Any) -> Any:
    """Return the form of what a block returns, without keeping its tensors."""
    return type(out)([None] * len(out)) if isinstance(out, tuple | list) else ()


@contextmanager
def eager_experts(model: nn.Module) -> Iterator[None]:
    """Let experts be multiplied one after the other, so that each shows what reaches it."""
    config: Any = getattr(model, "config", None)
    if not hasattr(config, "_experts_implementation"):
        yield
        return
    before = config._experts_implementation
    config._experts_implementation = "eager"
    try:
        yield
    finally:
        config._experts_implementation = before
