"""Which outputs of a block's layers still reach anything: what structured pruning may take away.

A channel is taken out where it is used: an input of the layer that reads it. What made it (rows of
gate and up; of q, k and v) is found by differentiating the block, so that no architecture has to be
known: a row is dead whose weights moved what comes out of the block, and do so no longer. Fused and
interleaved layers, grouped queries and experts are all seen so (the dependencies that DepGraph
traces from operation to operation: Fang et al. 2023).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from harness.compress.layers.linear import Layer
from harness.compress.layers.stream import Stream
from harness.compress.layers.watch import watching

Columns = Mapping[str, Tensor]
"""Of layers by name: (in,), bool: the inputs to take out."""
Rows = Mapping[str, Tensor]
"""Of layers by name: (out,), bool."""


def live_rows(
    block: nn.Module,
    layers: Sequence[Layer],
    stream: Stream,
    device: torch.device,
    cut: Columns | None = None,
) -> Rows:
    """Say of each row of each layer whether it moves what comes out of the block.

    The block runs on the first batch of calibration text, and a random mixture of its outputs is
    differentiated with respect to the weights. Of a row that reaches nothing the derivative is
    exactly zero. Values are those of the whole block also where inputs are cut, so that all gates
    and units open and close as they did.

    Parameters
    ----------
    block : nn.Module
        The block.
    layers : sequence of Layer
        Its linear layers.
    stream : Stream
        Before the block; it stays there.
    device : torch.device
        Where the block is.
    cut : mapping, optional
        Inputs of layers that pass no derivative on.

    Returns
    -------
    mapping
        For each layer, (out,), bool.
    """
    cut = cut or {}

    def arrive(layer: Layer, value: Tensor) -> Tensor:
        taken = cut.get(layer.name)
        return value if taken is None else torch.where(taken.to(device), value.detach(), value)

    weights = list({id(w): w for w in (_parameter(layer) for layer in layers)}.values())
    with (
        _wanting_gradients(weights),
        watching([layer for layer in layers if layer.name in cut], arrive) as see,
        stream.seen(see),
    ):
        out = stream.differentiable(block, device)
        mixture = torch.randn(out.shape, generator=torch.Generator().manual_seed(0)).to(out)
        found = torch.autograd.grad((out * mixture).sum(), weights, allow_unused=True)
    gradients = {id(weight): gradient for weight, gradient in zip(weights, found, strict=True)}
    return {layer.name: _moves(layer, gradients[id(_parameter(layer))]) for layer in layers}


def dead_rows(
    block: nn.Module,
    layers: Sequence[Layer],
    stream: Stream,
    device: torch.device,
    cut: Columns,
    before: Rows,
) -> Rows:
    """Say which rows reach nothing once some inputs are taken out, and did before.

    A row that is silent on this text for another reason (a unit that never fires, an expert that
    no token reaches) is not dead.

    Parameters
    ----------
    block, layers, stream, device, cut
        As for :func:`live_rows`.
    before : mapping
        What :func:`live_rows` says of the block as it is.

    Returns
    -------
    mapping
        For each layer, (out,), bool.
    """
    after = live_rows(block, layers, stream, device, cut)
    return {name: before[name] & ~after[name] for name in before}


def _parameter(layer: Layer) -> Tensor:
    weight = getattr(layer.module, layer.parameter)
    assert isinstance(weight, Tensor)
    return weight


def _moves(layer: Layer, gradient: Tensor | None) -> Tensor:
    if gradient is None:
        return torch.zeros(layer.shape[0], dtype=torch.bool)
    if layer.is_slice:
        assert layer.expert is not None
        gradient = gradient[layer.expert.index]
    matrix = gradient.T if layer.transposed else gradient
    return (matrix != 0).any(1).cpu()


@contextmanager
def _wanting_gradients(weights: Sequence[Tensor]) -> Iterator[None]:
    before = [weight.requires_grad for weight in weights]
    try:
        for weight in weights:
            weight.requires_grad_(True)
        yield
    finally:
        for weight, wanted in zip(weights, before, strict=True):
            weight.requires_grad_(wanted)
