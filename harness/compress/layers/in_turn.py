"""Watch what the linear layers of a block see, each behind the compressed ones before it.

A block runs once. Every batch of calibration text goes into it as a
:class:`~harness.compress.layers.course.Course` of its own, and is held at the first layer of a
group that
shares an input. When all batches have come that far, the group's statistics are whole: it is
compressed, the batches go on through its new weights, and are held at the next. So no layer is
ever run with weights that are not to stay.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from harness.compress.layers.course import Course
from harness.compress.layers.linear import Layer
from harness.compress.layers.observe import SharedInput, Sharing, sharing
from harness.compress.layers.stream import Stream
from harness.compress.layers.tally import Tally
from harness.compress.layers.watch import watching
from harness.compress.methods.activations import RoundedInput
from harness.errors import CompressionError


def observe_in_turn(
    block: nn.Module,
    layers: Sequence[Layer],
    stream: Stream,
    device: torch.device,
    *,
    to_the_end: bool = True,
    uncompressed: Stream | None = None,
) -> Generator[SharedInput]:
    """Collect the statistics of a block's layers, group after group, in one run of the block.

    Parameters
    ----------
    block : nn.Module
        The block.
    layers : sequence of Layer
        Its linear layers.
    stream : Stream
        The calibration text before the block; behind it when the generator has ended.
    device : torch.device
        Where the block is. Between two groups it also holds what the block has made of all
        calibration text so far.
    to_the_end : bool
        Whether what comes out of the block is wanted; else it stops at its last layer.
    uncompressed : Stream, optional
        As for :func:`~harness.compress.layers.observe.observe`. What it gives the layers of the
        block stays on the CPU until they are compressed.

    Yields
    ------
    SharedInput
        In the order in which the block calls its layers, measured behind the groups before it as
        they are now: the caller gives the layers their new weights before it takes the next.

    Raises
    ------
    CompressionError
        A layer saw no token or values that are not finite, or is called again once it is
        compressed, so that it cannot be measured on all its inputs.
    """
    turns = _Turns(sharing(block, layers, stream, device))
    if uncompressed is not None:
        turns.remember(block, layers, uncompressed, device)
    with (
        watching(layers, turns.arrive) as see,
        stream.seen(see),
        _courses(stream.parts(block, device)) as courses,
    ):
        turns.batches = {course: batch for batch, course in enumerate(courses)}
        # Where each course is held.
        held = {course: course.resume() for course in courses}
        while any(held.values()):
            # Batches need not all come to the same layers (experts): the first in the order of
            # the block is next, and whoever is not held there has passed it by.
            place = min(filter(None, held.values()), key=turns.rank)
            yield turns.statistics(place)
            if turns.all_done and not to_the_end:
                return
            held |= {course: course.resume() for course in courses if held[course] == place}
        stream.step()
    for never in turns.open():
        yield turns.statistics(never)


@contextmanager
def _courses(parts: Sequence[Callable[[], object]]) -> Iterator[list[Course]]:
    """Make courses, and end those that have not ended."""
    courses = [Course(part) for part in parts]
    try:
        yield courses
    finally:
        for course in courses:
            course.close()


def _rounded(layer: Layer, value: Tensor) -> Tensor:
    """Round what an expert multiplies, if its module rounds it from the next call on.

    What has been rounded already is left as it is by rounding it again.
    """
    if not layer.takes_input:
        return value
    for hook in layer.module._forward_pre_hooks.values():
        if isinstance(hook, RoundedInput):
            rounded: Tensor = hook(layer.module, (value,))[0]
            return rounded
    return value


@dataclass
class _Turns:
    """Holds a batch at each group of layers that has not been compressed yet."""

    groups: Sequence[Sharing]
    tally: Tally = field(default_factory=Tally)
    done: set[str] = field(default_factory=set)
    batches: dict[Course, int] = field(default_factory=dict)
    before: dict[str, list[Tensor]] = field(default_factory=dict)

    def remember(
        self, block: nn.Module, layers: Sequence[Layer], stream: Stream, device: torch.device
    ) -> None:
        """Keep what the block gives the first layer of each group, batch by batch, as it is."""

        def keep(layer: Layer, value: Tensor) -> Tensor:
            if layer.expert is None and self.leaders[layer.name] == layer.name:
                self.before.setdefault(layer.name, []).append(value.to("cpu"))
            return value

        with watching(layers, keep) as see, stream.seen(see):
            stream.advance(block, device)

    @cached_property
    def leaders(self) -> dict[str, str]:
        """For each layer, the one that is called first with its input."""
        return {layer.name: group.leader for group in self.groups for layer in group.layers}

    def arrive(self, layer: Layer, value: Tensor) -> Tensor:
        """Count an input of the first layer of a group, and wait until the group is compressed."""
        leader = self.leaders[layer.name]
        if (layer.name == leader) == (leader in self.done):
            raise CompressionError(
                f"{layer.name}: the block calls this layer more than once, or in changing order, "
                "so it cannot be compressed before the layers behind it run",
                "walk in the order 'sequential'",
            )
        if layer.name != leader:
            return value
        course = threading.current_thread()
        assert isinstance(course, Course)
        before = None
        if layer.name in self.before:
            before = self.before[layer.name][self.batches[course]].to(value.device)
        self.tally.add(layer, value, before)
        module = layer.module
        hooks = set(module._forward_pre_hooks)
        course.pause(layer.name)
        if layer.is_slice:
            return _rounded(layer, value)
        # torch has chosen the hooks of this call already: one that compression has added (rounding
        # of inputs) has to be called here.
        arguments: tuple[Any, ...] = (value,)
        for key, hook in module._forward_pre_hooks.items():
            if key not in hooks:
                arguments = hook(module, arguments)
        return arguments[0]  # type: ignore[no-any-return]

    def rank(self, leader: str) -> int:
        """Return the place of a group in the order of the block."""
        return [group.leader for group in self.groups].index(leader)

    def statistics(self, leader: str) -> SharedInput:
        """Return what a group has seen; from now on it counts as compressed."""
        group = self.groups[self.rank(leader)]
        self.done.add(leader)
        self.before.pop(leader, None)
        layer = next(layer for layer in group.layers if layer.name == leader)
        return SharedInput(group.layers, self.tally.statistics(layer), group.after_norm)

    def open(self) -> list[str]:
        """Return the groups that no batch came to."""
        return [group.leader for group in self.groups if group.leader not in self.done]

    @property
    def all_done(self) -> bool:
        """Whether every group is compressed."""
        return not self.open()
