"""How a model calls its blocks: the hidden states, and what goes with them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import CompressionError

_ALIKE = 4
"""Tensors of one shape that later batches are compared with."""


@dataclass(frozen=True)
class Call:
    """What one batch gives a block beside its hidden states: masks, positions, and its own text.

    Parameters
    ----------
    arguments : tuple
        Positional arguments after the hidden states.
    keywords : mapping
        Keyword arguments.
    """

    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]

    def with_own_mappings(self, own: dict[int, Any]) -> Call:
        """Return the call with a copy of every mapping that blocks may fill.

        Parameters
        ----------
        own : dict
            Copies by the identity of what they are of: calls of several blocks that hold one
            mapping hold one copy of it.
        """

        def copied(value: Any) -> Any:
            if isinstance(value, MutableMapping):
                return own.setdefault(id(value), copy.copy(value))
            if type(value) in (tuple, list):
                return type(value)(copied(entry) for entry in value)
            return value

        keywords = {name: copied(value) for name, value in self.keywords.items()}
        return Call(tuple(copied(value) for value in self.arguments), keywords)


@dataclass
class Kept:
    """Arguments of many calls, each tensor kept once however many batches it is the same for.

    Masks and rotary embeddings are the same for all batches of one shape; embeddings of the text
    are not, and stay with their batch.
    """

    alike: dict[tuple[object, ...], list[Tensor]] = field(default_factory=dict)

    def call(self, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> Call:
        """Return a call with what was kept already in place of what equals it."""
        kept = _replaced(keywords, self._tensor)
        return Call(_replaced(arguments, self._tensor), kept)

    def _tensor(self, value: Tensor) -> Tensor:
        found = self.alike.setdefault((value.shape, value.dtype, value.device), [])
        for other in found:
            if other is value or torch.equal(other, value):
                return other
        if len(found) < _ALIKE:
            found.append(value)
        return value


def split_call(
    name: str, arguments: tuple[Any, ...], keywords: Mapping[str, Any]
) -> tuple[Tensor, tuple[Any, ...], dict[str, Any]]:
    """Take the hidden states out of a block's arguments.

    Parameters
    ----------
    name : str
        Path of the block, for the message.
    arguments, keywords
        What the block was called with.

    Returns
    -------
    state : Tensor
        (..., batch, length, unit).
    arguments, keywords
        The rest.

    Raises
    ------
    CompressionError
        The block was not called with hidden states.
    """
    rest = dict(keywords)
    if arguments:
        state, arguments = arguments[0], arguments[1:]
    else:
        state = rest.pop("hidden_states", None)
    if not isinstance(state, Tensor):
        raise CompressionError(
            f"{name} is not called with hidden states: looked for a first argument, or "
            f"hidden_states=, and found {type(state).__name__}"
        )
    return state, arguments, rest


def state_of(out: Any) -> Tensor:
    """Return the hidden states among what a block returns."""
    found: Tensor = out[0] if isinstance(out, tuple | list) else out
    return found


def like(out: tuple[Any, ...] | list[Any], state: Tensor) -> Any:
    """Return hidden states in the form in which a block returns its own.

    Parameters
    ----------
    out : tuple or list
        Of None, as long as what the block returns; empty for a block that returns them alone.
    state : Tensor
        The hidden states.


    A loop over blocks takes ``outputs[0]`` of a block that returns a tuple, and the whole of what
    another returns; so what stands in for a block has to return the same kind.
    """
    return type(out)([state, *out[1:]]) if out else state


def moved(device: torch.device, value: Any) -> Any:
    """Move the tensors in nested arguments to a device.

    A mapping that the blocks fill for those after them (keys and values that later blocks share)
    stays the same object; its tensors are moved in place.
    """
    if isinstance(value, MutableMapping):
        for key, entry in value.items():
            there = moved(device, entry)
            if there is not entry:
                value[key] = there
        return value
    return _replaced(value, lambda tensor: tensor.to(device))


def _replaced(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Change the tensors in nested tuples, lists and mappings of arguments."""
    if isinstance(value, Tensor):
        return change(value)
    if type(value) is dict and value:
        return {key: _replaced(entry, change) for key, entry in value.items()}
    if type(value) in (tuple, list):
        entries = [_replaced(entry, change) for entry in value]
        same = all(new is old for new, old in zip(entries, value, strict=True))
        return value if same else type(value)(entries)
    return value


@contextmanager
def forwards(replaced: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Give modules another forward for a while."""
    before: dict[nn.Module, Any] = {m: m.__dict__.get("forward") for m in replaced}
    try:
        for module, forward in replaced.items():
            module.__dict__["forward"] = forward
        yield
    finally:
        for module, own in before.items():
            module.__dict__.pop("forward")
            if own is not None:
                module.__dict__["forward"] = own
