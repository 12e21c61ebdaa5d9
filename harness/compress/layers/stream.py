"""Calibration text on its way through the blocks of a model, one block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import CompressionError
from harness.lm.anatomy import anatomy
from harness.numeric.fast_products import FastProducts

BATCH_TOKENS = 1024
"""Tokens that go through a block at once: few enough that what a small model makes of them stays in
the cache, and in memory that the process has already."""

_GLANCE = 16
"""Tokens from which one sees how a block calls its layers."""


class Enough(Exception):
    """Raised by a hook that has seen what it wants of a pass through a block."""


@dataclass(frozen=True)
class Call:
    """How a model calls a block, beside the hidden states: masks, positions, rotary embeddings.

    Parameters
    ----------
    arguments : tuple
        Positional arguments after the hidden states.
    keywords : mapping
        Keyword arguments.
    """

    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]


Size = tuple[int, int]
"""Batch and length of hidden states."""


class Stream:
    """The hidden states of all calibration text before some block.

    Hidden states stay on the CPU and visit the device batch by batch.

    Parameters
    ----------
    hidden : list of Tensor
        (batch, length, unit) each.
    calls : sequence of mapping
        For each block, from the batch and length of hidden states to how the block is called.
    short : Tensor
        (1, length, unit): hidden states before the first block of a few tokens, on which every
        block can be looked at for little.
    """

    def __init__(
        self, hidden: list[Tensor], calls: Sequence[Mapping[Size, Call]], short: Tensor
    ) -> None:
        self._hidden = hidden
        self._calls = calls
        self._short = short
        self._block = 0

    def looking(self, block: nn.Module, device: torch.device) -> Iterator[None]:
        """Run the next block on every batch for the sake of its hooks, and stay before it.

        A pass ends where a hook raises :class:`Enough`.
        """
        for place in range(len(self._hidden)):
            with suppress(Enough):
                self._run(block, self._hidden[place], device)
            yield

    def glance(self, block: nn.Module, device: torch.device) -> Iterator[None]:
        """Run the next block once on a few tokens for the sake of its hooks, and stay before it."""
        self._run(block, self._short, device)
        yield

    def passing(self, block: nn.Module, device: torch.device) -> Iterator[Tensor]:
        """Run the next block on every batch, and stand behind it at the end.

        Yields
        ------
        Tensor
            (batch, length, unit): what came out, on the device.
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
        out = self._run(block, self._hidden[place], device)
        self._hidden[place] = out.to(self._hidden[place].device)
        return out

    @torch.no_grad()
    def _run(self, block: nn.Module, hidden: Tensor, device: torch.device) -> Tensor:
        call = self._calls[self._block][_size(hidden)]
        keywords = _on(device, dict(call.keywords))
        with FastProducts():
            out = block(hidden.to(device), *_on(device, call.arguments), **keywords)
        found: Tensor = out[0] if isinstance(out, tuple) else out
        return found


@torch.no_grad()
def enter(model: nn.Module, tokens: Tensor) -> Stream:
    """Run what comes before the first block, and note how each block is called.

    The model runs with its blocks standing aside, so their weights may be anywhere. Each block's
    own call is kept, because some architectures give their blocks different masks and positions
    (Gemma's sliding windows).

    Parameters
    ----------
    model : nn.Module
        A decoder-only causal language model.
    tokens : Tensor
        (samples, length), int64.

    Returns
    -------
    Stream

    Raises
    ------
    CompressionError
        A block was not called, or not with hidden states.
    """
    parts = anatomy(model)
    backbone = getattr(model, "base_model", model)
    batch = max(1, BATCH_TOKENS // tokens.shape[1])
    device = next(parts.embedding.parameters()).device
    hidden: list[Tensor] = []
    calls: list[dict[Size, Call]] = [{} for _ in parts.blocks]

    def stand_in(index: int) -> Callable[..., Tensor]:
        def record(*arguments: Any, **keywords: Any) -> Tensor:
            state, arguments, keywords = _hidden_states(
                parts.block_names[index], arguments, keywords
            )
            if index == 0:
                hidden.append(state)
            calls[index].setdefault(_size(state), Call(arguments, keywords))
            return state

        return record

    with _forwards({block: stand_in(index) for index, block in enumerate(parts.blocks)}):
        batches = [tokens[start : start + batch] for start in range(0, len(tokens), batch)]
        for some in [*batches, tokens[:1, :_GLANCE]]:
            backbone(input_ids=some.to(device), use_cache=False)
    for name, seen in zip(parts.block_names, calls, strict=True):
        if not seen:
            raise CompressionError(
                f"{name} is a block of {type(model).__name__} but was not called: looked for calls "
                f"to the {len(parts.blocks)} blocks while the model read the calibration text",
                "decoder-only language models that run their blocks in order are supported",
            )
    *hidden, short = hidden
    return Stream(hidden, calls, short)


def _size(hidden: Tensor) -> Size:
    return hidden.shape[0], hidden.shape[1]


def _hidden_states(
    name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Tensor, tuple[Any, ...], dict[str, Any]]:
    """Take the hidden states out of a block's arguments."""
    if arguments:
        state, arguments = arguments[0], arguments[1:]
    else:
        keywords = dict(keywords)
        state = keywords.pop("hidden_states", None)
    if not isinstance(state, Tensor):
        raise CompressionError(
            f"{name} is not called with hidden states: looked for a first argument, or "
            f"hidden_states=, and found {type(state).__name__}"
        )
    return state, arguments, keywords


@contextmanager
def _forwards(forwards: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Give modules another forward for a while."""
    try:
        for module, forward in forwards.items():
            module.forward = forward
        yield
    finally:
        for module in forwards:
            module.__dict__.pop("forward", None)


def _on(device: torch.device, value: Any) -> Any:
    """Move the tensors in nested arguments to a device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {key: _on(device, entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_on(device, entry) for entry in value)
    return value
