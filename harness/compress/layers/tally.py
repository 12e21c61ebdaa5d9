"""The statistics of what layers see, and of experts that few tokens reach."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from harness.compress.layers.linear import Layer
from harness.compress.methods.moments import InputAccumulator, InputStatistics


@dataclass
class Tally:
    """Adds up what layers see, each for itself.

    An expert is measured on the tokens that are sent to it. If they are fewer than it has inputs
    (the *floor*), its second moments are filled up with white inputs: see
    :meth:`~harness.compress.methods.moments.InputStatistics.mixed_with_white`.
    """

    accumulators: dict[str, InputAccumulator] = field(default_factory=dict)
    pools: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict)

    def add(self, layer: Layer, value: Tensor, uncompressed: Tensor | None = None) -> None:
        """Count an input (..., in) of a layer, beside what it would be in the model as it was."""
        name = layer.name
        if name not in self.accumulators:
            self.accumulators[name] = InputAccumulator(value.shape[-1], value.device)
        self.accumulators[name].add(value, uncompressed)
        if layer.expert is not None:
            pool = layer.expert.mixture, layer.expert.role
            squares, numbers = self.pools.get(pool, (0.0, 0))
            added = float(value.detach().float().square().sum())
            self.pools[pool] = squares + added, numbers + value.numel()

    def statistics(self, layer: Layer) -> InputStatistics:
        """Return what a layer has seen, and forget it.

        Raises
        ------
        CompressionError
            It saw no token and is no expert, or saw values that are not finite.
        """
        seen = self.accumulators.pop(layer.name, None)
        width = layer.shape[1]
        if layer.expert is None:
            never = InputAccumulator(1, torch.device("cpu"))
            return (seen or never).statistics(layer.name)
        squares, numbers = self.pools.get((layer.expert.mixture, layer.expert.role), (0.0, 0))
        power = squares / numbers if numbers else 1.0
        if seen is None:
            return InputStatistics.white(width, power, layer.device)
        return seen.statistics(layer.name).mixed_with_white(width, power)
