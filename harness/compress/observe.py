"""Watch what the linear layers of a block see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from harness.compress.layers import Layer
from harness.compress.moments import InputAccumulator, InputStatistics


@dataclass(frozen=True)
class Group:
    """Layers of a block that read the same input: q, k and v; gate and up; most others alone.

    Parameters
    ----------
    layers : tuple of Layer
        In the order of the block.
    inputs : InputStatistics
        What they all see.
    """

    layers: tuple[Layer, ...]
    inputs: InputStatistics


def observe(layers: Sequence[Layer], passes: Iterable[Any]) -> list[Group]:
    """Collect the statistics of the layers' inputs while a block runs.

    Which layers share an input is seen in the first pass, by the identity of the tensor they are
    called with, so nothing need be known of the architecture. From then on the first of each group
    is watched alone.

    Parameters
    ----------
    layers : sequence of Layer
        The linear layers of the block.
    passes : iterable
        Runs the block once for each item that is taken from it.

    Returns
    -------
    list of Group
        In the order of their first layers.

    Raises
    ------
    CompressionError
        A layer saw no token, or values that are not finite.
    """
    watch = _Watch(list(layers))
    handles = [layer.module.register_forward_pre_hook(watch.hook(layer)) for layer in layers]
    try:
        for _ in passes:
            watch.end_pass()
    finally:
        for handle in handles:
            handle.remove()
    return watch.groups()


@dataclass
class _Watch:
    """Hooks, and what they have seen."""

    layers: list[Layer]
    leaders: dict[str, str] = field(default_factory=dict)
    accumulators: dict[str, InputAccumulator] = field(default_factory=dict)
    inputs: dict[int, tuple[str, Tensor]] = field(default_factory=dict)

    def hook(self, layer: Layer) -> Any:
        def see(module: nn.Module, arguments: tuple[Any, ...]) -> None:
            del module
            self.see(layer, arguments[0])

        return see

    def see(self, layer: Layer, value: Tensor) -> None:
        """Count an input where the layer leads its group."""
        if layer.name not in self.leaders:
            # The tensor is kept until the pass ends, so that its identity is not used again.
            leader, _ = self.inputs.setdefault(id(value), (layer.name, value))
            self.leaders[layer.name] = leader
        if self.leaders[layer.name] != layer.name:
            return
        if layer.name not in self.accumulators:
            self.accumulators[layer.name] = InputAccumulator(value.shape[-1], value.device)
        self.accumulators[layer.name].add(value)

    def end_pass(self) -> None:
        """Let the inputs of the pass go."""
        self.inputs.clear()

    def groups(self) -> list[Group]:
        """Put layers with one input together; one that was never called is an error."""
        members: dict[str, list[Layer]] = {}
        for layer in self.layers:
            members.setdefault(self.leaders.get(layer.name, layer.name), []).append(layer)
        return [Group(tuple(group), self._statistics(leader)) for leader, group in members.items()]

    def _statistics(self, leader: str) -> InputStatistics:
        never = InputAccumulator(1, torch.device("cpu"))
        return self.accumulators.pop(leader, never).statistics(leader)
