"""Where the inputs of layers are seen: hooks on modules, and products of other weights."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from harness.compress.layers.linear import Layer
from harness.numeric.fast_products import See

Arrive = Callable[[Layer, Tensor], Tensor]
"""From a layer and its input to the input it should take."""


@contextmanager
def watching(layers: Sequence[Layer], arrive: Arrive) -> Iterator[See]:
    """Show somebody every input of some layers before the layer takes it.

    A layer that is a module of its own has a hook. One that is a slice of a parameter (an expert),
    or whose weight a model multiplies by itself (the time step of a state space), is known by its
    weight in the products that are made.

    Parameters
    ----------
    layers : sequence of Layer
        Of a block that is in memory.
    arrive : callable
        Is called with every input, and returns what the layer takes in its place.

    Yields
    ------
    callable
        For :class:`~harness.numeric.fast_products.FastProducts`: sees the products.
    """
    slices = {layer.address: layer for layer in layers if layer.is_slice}
    whole = {layer.address: layer for layer in layers if not layer.is_slice}

    # Layers whose own forward is running, and in which thread: what it multiplies has been seen.
    running: set[tuple[int, str]] = set()

    def before(layer: Layer) -> Any:
        def see(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
            running.add((threading.get_ident(), layer.name))
            return arrive(layer, arguments[0]), *arguments[1:]

        return see

    def after(layer: Layer) -> Any:
        def end(*_: Any) -> None:
            running.discard((threading.get_ident(), layer.name))

        return end

    def see(weight: Tensor, value: Tensor, linear: bool) -> Tensor:
        if weight.ndim != 2:
            return value
        layer = slices.get(weight.data_ptr())
        if layer is None and not linear:
            layer = whole.get(weight.data_ptr())
            if layer is not None and (threading.get_ident(), layer.name) in running:
                return value
        return value if layer is None else arrive(layer, value)

    handles = [layer.module.register_forward_pre_hook(before(layer)) for layer in whole.values()]
    handles += [
        layer.module.register_forward_hook(after(layer), always_call=True)
        for layer in whole.values()
    ]
    try:
        yield see
    finally:
        for handle in handles:
            handle.remove()
