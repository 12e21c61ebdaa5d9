"""Watch what the linear layers of a block see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from harness.compress.layers.linear import Layer
from harness.compress.layers.stream import Enough
from harness.compress.methods.moments import InputAccumulator, InputStatistics


@dataclass(frozen=True)
class SharedInput:
    """Layers of a block that read one input: q, k and v; gate and up; most others alone.

    Parameters
    ----------
    layers : tuple of Layer
        In the order of the block.
    statistics : InputStatistics
        What they all see.
    after_norm : bool
        Whether the input is what a norm of the block puts out, as it is: a scale per input can then
        be folded into the norm's weight.
    """

    layers: tuple[Layer, ...]
    statistics: InputStatistics
    after_norm: bool = False


@dataclass(frozen=True)
class Sharing:
    """Layers of a block that read one input, before anything is known of it.

    Parameters
    ----------
    leader : str
        The layer that is called first.
    layers : tuple of Layer
        In the order of the block.
    after_norm : bool
        As for :class:`SharedInput`.
    """

    leader: str
    layers: tuple[Layer, ...]
    after_norm: bool


def observe(
    block: nn.Module, layers: Sequence[Layer], passes: Iterable[Any], *, to_the_end: bool = True
) -> list[SharedInput]:
    """Collect the statistics of the layers' inputs while a block runs.

    Which layers share an input is seen in the first pass, by the identity of the tensor they are
    called with, so nothing need be known of the architecture. From then on the first of each group
    is watched alone.

    Parameters
    ----------
    block : nn.Module
        The block.
    layers : sequence of Layer
        Its linear layers.
    passes : iterable
        Runs the block once for each item that is taken from it.
    to_the_end : bool
        Whether what comes out of the block is wanted; else
        :class:`~harness.compress.layers.stream.Enough`
        is raised once the last layer's input has been seen.

    Returns
    -------
    list of SharedInput
        In the order of their first layers.

    Raises
    ------
    CompressionError
        A layer saw no token, or values that are not finite.
    """
    watch = _watched(block, layers, passes, to_the_end=to_the_end)
    return [
        SharedInput(group.layers, watch.statistics(group.leader), group.after_norm)
        for group in watch.groups()
    ]


def sharing(block: nn.Module, layers: Sequence[Layer], passes: Iterable[Any]) -> list[Sharing]:
    """Find out which layers of a block share an input.

    Takes what :func:`observe` takes.

    Returns
    -------
    list of Sharing
        In the order in which the block calls them; a layer that was not called is by itself, at the
        end.
    """
    watch = _watched(block, layers, passes, to_the_end=True)
    called = list(watch.leaders)
    return sorted(
        watch.groups(),
        key=lambda group: called.index(group.leader) if group.leader in called else len(called),
    )


def _watched(
    block: nn.Module, layers: Sequence[Layer], passes: Iterable[Any], *, to_the_end: bool
) -> _Watch:
    watch = _Watch(list(layers), to_the_end)
    handles = [layer.module.register_forward_pre_hook(watch.hook(layer)) for layer in layers]
    handles += [norm.register_forward_hook(watch.see_norm) for norm in _norms(block)]
    try:
        for _ in passes:
            watch.end_pass()
    finally:
        for handle in handles:
            handle.remove()
    return watch


def _norms(block: nn.Module) -> list[nn.Module]:
    return [module for module in block.modules() if "norm" in type(module).__name__.lower()]


@dataclass
class _Watch:
    """Hooks, and what they have seen."""

    layers: list[Layer]
    to_the_end: bool
    leaders: dict[str, str] = field(default_factory=dict)
    accumulators: dict[str, InputAccumulator] = field(default_factory=dict)
    after_norm: set[str] = field(default_factory=set)
    inputs: dict[int, tuple[str, Tensor]] = field(default_factory=dict)
    normed: dict[int, Tensor] = field(default_factory=dict)
    last: str = ""

    def hook(self, layer: Layer) -> Any:
        def see(module: nn.Module, arguments: tuple[Any, ...]) -> None:
            del module
            self.see(layer.name, arguments[0])
            if layer.name == self.last and not self.to_the_end:
                raise Enough

        return see

    def see_norm(self, module: nn.Module, arguments: tuple[Any, ...], out: Any) -> None:
        """Remember what a norm puts out, until the pass ends."""
        del module, arguments
        if isinstance(out, Tensor) and not self.last:
            self.normed[id(out)] = out

    def see(self, name: str, value: Tensor) -> None:
        """Count an input where the layer leads its group."""
        if name not in self.leaders:
            # The tensor is kept until the pass ends, so that its identity is not used again.
            leader, _ = self.inputs.setdefault(id(value), (name, value))
            self.leaders[name] = leader
            if id(value) in self.normed:
                self.after_norm.add(leader)
        if self.leaders[name] != name:
            return
        if name not in self.accumulators:
            self.accumulators[name] = InputAccumulator(value.shape[-1], value.device)
        self.accumulators[name].add(value)

    def end_pass(self) -> None:
        """Let the inputs of the pass go, and note which layer was called last."""
        self.inputs.clear()
        self.normed.clear()
        self.last = self.last or next(reversed(self.leaders), "")

    def groups(self) -> list[Sharing]:
        """Put layers with one input together, in the order of their first layers."""
        members: dict[str, list[Layer]] = {}
        for layer in self.layers:
            members.setdefault(self.leaders.get(layer.name, layer.name), []).append(layer)
        return [
            Sharing(leader, tuple(layers), leader in self.after_norm)
            for leader, layers in members.items()
        ]

    def statistics(self, leader: str) -> InputStatistics:
        """Return what a group has seen; one that was never called is an error."""
        never = InputAccumulator(1, torch.device("cpu"))
        return self.accumulators.pop(leader, never).statistics(leader)
