"""Calibration text on its way through the blocks of a model, one block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from harness.compress.layers.calls import Call, moved, state_of
from harness.numeric.fast_products import FastProducts, See


class Enough(Exception):
    """Raised by a hook that has seen what it wants of a pass through a block."""


class Stream:
    """The hidden states of all calibration text before some block.

    Hidden states and what goes with them stay on the CPU and visit the device batch by batch.

    Parameters
    ----------
    hidden : list of Tensor
        (..., batch, length, unit), one a batch.
    calls : sequence of sequence
        For each block and each batch, how the model calls the block.
    short : Tensor
        (..., 1, length, unit): hidden states before the first block of a few tokens, on which every
        block can be looked at for little.
    short_calls : sequence of Call
        For each block, how it is called with these.
    """

    def __init__(
        self,
        hidden: list[Tensor],
        calls: Sequence[Sequence[Call]],
        short: Tensor,
        short_calls: Sequence[Call],
    ) -> None:
        self._hidden = hidden
        self._calls = calls
        self._short = short
        self._short_calls = short_calls
        self._block = 0
        self._see: See | None = None

    def twin(self) -> Stream:
        """Return a stream of the same text at the same place that goes its own way from here.

        Tensors are not copied, as no pass changes one. Mappings that blocks fill for those after
        them (keys and values that are shared) are, so that neither stream reads the other's.
        """
        own: dict[int, Any] = {}
        calls = [[call.with_own_mappings(own) for call in batches] for batches in self._calls]
        short = [call.with_own_mappings(own) for call in self._short_calls]
        twin = Stream(list(self._hidden), calls, self._short, short)
        twin._block = self._block
        return twin

    @property
    def width(self) -> int:
        """Units of the hidden states."""
        return self._short.shape[-1]

    @contextmanager
    def seen(self, see: See) -> Iterator[None]:
        """Show the products that a block makes to somebody for a while."""
        self._see = see
        try:
            yield
        finally:
            self._see = None

    def looking(self, block: nn.Module, device: torch.device) -> Iterator[None]:
        """Run the next block on every batch for the sake of its hooks, and stay before it.

        A pass ends where a hook raises :class:`Enough`.
        """
        for place in range(len(self._hidden)):
            with suppress(Enough):
                self._run(block, self._hidden[place], self._calls[self._block][place], device)
            yield

    def glance(self, block: nn.Module, device: torch.device) -> Iterator[None]:
        """Run the next block once on a few tokens for the sake of its hooks, and stay before it.

        The block is glanced at behind no other, so one that takes what earlier blocks made of the
        same text (keys and values that are shared) is looked at on the first batch instead.
        """
        call = self._short_calls[self._block]
        try:
            self._run(block, self._short, call, device)
        except KeyError:
            self._run(block, self._hidden[0], self._calls[self._block][0], device)
        yield

    def differentiable(self, block: nn.Module, device: torch.device) -> Tensor:
        """Run the next block on the first batch with a graph for derivatives, and stay before it.

        Returns
        -------
        Tensor
            (..., batch, length, unit): what came out, on the device.
        """
        call = self._calls[self._block][0]
        keywords: dict[str, Any] = {k: moved(device, v) for k, v in call.keywords.items()}
        arguments = [moved(device, value) for value in call.arguments]
        with torch.enable_grad(), FastProducts(self._see, plain=True):
            return state_of(block(self._hidden[0].to(device), *arguments, **keywords))

    def passing(self, block: nn.Module, device: torch.device) -> Iterator[Tensor]:
        """Run the next block on every batch, and stand behind it at the end.

        Yields
        ------
        Tensor
            (..., batch, length, unit): what came out, on the device.
        """
        for place in range(len(self._hidden)):
            yield self._pass(block, place, device)
        self._block += 1

    def advance(self, block: nn.Module, device: torch.device) -> None:
        """Run the next block on every batch, and stand behind it."""
        for _ in self.passing(block, device):
            pass

    def parts(self, block: nn.Module, device: torch.device) -> list[Callable[[], object]]:
        """Return the runs of the next block on every batch, to be made by the caller.

        The stream stands behind the block when :meth:`step` is called after all have been made.
        """
        return [partial(self._pass, block, place, device) for place in range(len(self._hidden))]

    def step(self) -> None:
        """Stand behind the block whose :meth:`parts` have been run."""
        self._block += 1

    def _pass(self, block: nn.Module, place: int, device: torch.device) -> Tensor:
        call = self._calls[self._block][place]
        out = self._run(block, self._hidden[place], call, device)
        self._hidden[place] = out.to(self._hidden[place].device)
        return out

    @torch.no_grad()
    def _run(self, block: nn.Module, hidden: Tensor, call: Call, device: torch.device) -> Tensor:
        keywords: dict[str, Any] = {k: moved(device, v) for k, v in call.keywords.items()}
        arguments = [moved(device, value) for value in call.arguments]
        with FastProducts(self._see):
            return state_of(block(hidden.to(device), *arguments, **keywords))
