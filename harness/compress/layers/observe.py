"""Watch what the linear layers of a block see."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from harness.compress.layers.linear import Layer
from harness.compress.layers.stream import Enough, Stream
from harness.compress.layers.tally import Tally
from harness.compress.layers.watch import watching
from harness.compress.methods.moments import InputStatistics


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
    block: nn.Module,
    layers: Sequence[Layer],
    stream: Stream,
    device: torch.device,
    *,
    advance: bool,
    to_the_end: bool = True,
    uncompressed: Stream | None = None,
) -> Iterator[SharedInput]:
    """Collect the statistics of the layers' inputs while a block runs on all calibration text.

    Which layers share an input is seen by the identity of the tensor they are called with, so
    nothing need be known of the architecture. The first of each group is watched alone.

    Parameters
    ----------
    block : nn.Module
        The block.
    layers : sequence of Layer
        Its linear layers.
    stream : Stream
        Before the block.
    device : torch.device
        Where the block is.
    advance : bool
        Whether the stream stands behind the block afterwards; else it stays before it.
    to_the_end : bool
        Whether the whole block has to run; else a pass ends once the last layer's input has been
        seen. A block with experts always runs to its end: who is called last is not known.
    uncompressed : Stream, optional
        The same text as the model before compression passes it on, before the same block; it stands
        behind it afterwards. Statistics then have a ``drift``, but for experts, to which the two
        streams may send different tokens.

    Yields
    ------
    SharedInput
        In the order of their first layers, when the block has run on everything.

    Raises
    ------
    CompressionError
        A layer saw no token, or values that are not finite.
    """
    routed = any(layer.expert is not None for layer in layers)
    watch = _Watch(list(layers), to_the_end or advance or routed)
    passes = stream.passing if advance else stream.looking
    if uncompressed is None:
        watch.through(block, [stream], passes(block, device))
    else:
        both = watch.beside(uncompressed.passing(block, device), passes(block, device))
        watch.through(block, [uncompressed, stream], both)
    for group in watch.groups():
        leader = next(layer for layer in group.layers if layer.name == group.leader)
        seen = watch.tally.statistics(leader)
        yield SharedInput(group.layers, seen, group.after_norm)


def sharing(
    block: nn.Module, layers: Sequence[Layer], stream: Stream, device: torch.device
) -> list[Sharing]:
    """Find out which layers of a block share an input, from a few tokens.

    Takes what :func:`observe` takes.

    Returns
    -------
    list of Sharing
        In the order in which the block calls them: experts of one mixture one after the other,
        those that no token reached too. Other layers that were not called are at the end.
    """
    watch = _Watch(list(layers), to_the_end=True)
    watch.through(block, [stream], stream.glance(block, device))
    called = {name: place for place, name in enumerate(watch.leaders)}
    mixtures: dict[str, int] = {}
    roles: dict[tuple[str, str], int] = {}
    for layer in layers:
        if layer.expert is not None and layer.name in called:
            place, kind = called[layer.name], (layer.expert.mixture, layer.expert.role)
            mixtures[kind[0]] = min(place, mixtures.get(kind[0], place))
            roles[kind] = min(place, roles.get(kind, place))

    def rank(group: Sharing) -> tuple[int, int, int]:
        layer = next(layer for layer in group.layers if layer.name == group.leader)
        expert = layer.expert
        if expert is None:
            return called.get(layer.name, len(called)), 0, 0
        role = roles.get((expert.mixture, expert.role), len(called))
        return mixtures.get(expert.mixture, len(called)), expert.index, role

    return sorted(watch.groups(), key=rank)


def _norms(block: nn.Module) -> list[nn.Module]:
    """Return the norms of a block that have a weight for a scale of each input to go into."""
    return [
        module
        for module in block.modules()
        if "norm" in type(module).__name__.lower()
        and isinstance(getattr(module, "weight", None), Tensor)
    ]


@dataclass
class _Watch:
    """What is seen of the layers of a block."""

    layers: list[Layer]
    to_the_end: bool
    tally: Tally = field(default_factory=Tally)
    leaders: dict[str, str] = field(default_factory=dict)
    after_norm: set[str] = field(default_factory=set)
    inputs: dict[int, tuple[str, Tensor]] = field(default_factory=dict)
    normed: dict[int, Tensor] = field(default_factory=dict)
    last: str = ""
    remembers: bool = False
    before: dict[str, deque[Tensor]] = field(default_factory=dict)

    def through(
        self, block: nn.Module, streams: Iterable[Stream], passes: Iterable[object]
    ) -> None:
        """Watch some passes of the streams through the block."""
        handles = [norm.register_forward_hook(self.see_norm) for norm in _norms(block)]
        try:
            with ExitStack() as stack:
                see = stack.enter_context(watching(self.layers, self.arrive))
                for stream in streams:
                    stack.enter_context(stream.seen(see))
                for _ in passes:
                    self.end_pass()
        finally:
            for handle in handles:
                handle.remove()

    def beside(self, before: Iterator[object], after: Iterator[object]) -> Iterator[None]:
        """Let each batch pass twice: as before compression, remembered, and then as it is now."""
        self.remembers = True
        for _ in before:
            self.end_pass()
            self.remembers = False
            next(after)
            yield
            self.remembers = True

    def arrive(self, layer: Layer, value: Tensor) -> Tensor:
        """Count an input, and end the pass where nothing more is wanted of it."""
        self.see(layer, value)
        if layer.name == self.last and not self.to_the_end and not self.remembers:
            raise Enough
        return value

    def see_norm(self, module: nn.Module, arguments: tuple[Any, ...], out: Any) -> None:
        """Remember what a norm puts out, until the pass ends."""
        del module, arguments
        if isinstance(out, Tensor) and not self.last:
            self.normed[id(out)] = out

    def see(self, layer: Layer, value: Tensor) -> None:
        """Count an input where the layer leads its group."""
        name = layer.name
        if name not in self.leaders:
            # The tensor is kept until the pass ends, so that its identity is not used again.
            leader, _ = self.inputs.setdefault(id(value), (name, value))
            self.leaders[name] = leader
            if id(value) in self.normed:
                self.after_norm.add(leader)
        if self.leaders[name] != name:
            return
        if self.remembers:
            if layer.expert is None:
                self.before.setdefault(name, deque()).append(value)
            return
        # A layer that is called twice sees its inputs in the same order in both passes.
        remembered = self.before.get(name)
        self.tally.add(layer, value, remembered.popleft() if remembered else None)

    def end_pass(self) -> None:
        """Let the inputs of the pass go, and note which layer was called last."""
        self.inputs.clear()
        self.normed.clear()
        if not self.remembers:
            self.before.clear()
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
