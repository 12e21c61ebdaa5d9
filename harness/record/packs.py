"""Packs: windows laid out for a forward pass, what they have in common read once.

Sentences of a minimal pair differ in their last words; thousands of test sentences begin alike.
A causal model computes the same states for the same beginning, so windows of one pack form a tree:
a token that several windows share stands in the pack once, and each token sees its own ancestors
and nothing else. The states are those of the windows one by one (a test holds that).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.numeric.arrays import Bools, Ints
from harness.record.windows import Window

PACK_TOKENS = 256
"""Most tokens of a tree: attention in a pack costs its square."""
WORTH = 0.8
"""Trees are used where they leave fewer than this share of the tokens."""


@dataclass(frozen=True)
class Shown:
    """One window of one passage, as token numbers.

    Parameters
    ----------
    passage : int
        Index of the passage.
    window : Window
    ids : array (n_tokens,)
        What the model is fed: start tokens, then the tokens of the window.
    lead : int
        Number of start tokens.
    """

    passage: int
    window: Window
    ids: Ints
    lead: int


@dataclass(frozen=True)
class Pack:
    """Windows in one row of a batch.

    Parameters
    ----------
    shown : tuple of Shown
    ids : array (n_nodes,)
        Token numbers.
    parents : array (n_nodes,)
        Index of the token before each; -1 at a beginning. Parents come before their children.
    places : tuple of array
        For each window, the node of each of its tokens.
    """

    shown: tuple[Shown, ...]
    ids: Ints
    parents: Ints
    places: tuple[Ints, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_chain(self) -> bool:
        """Whether it is one plain text, which needs no mask."""
        return len(self.shown) == 1

    @property
    def depths(self) -> Ints:
        """Position of each node in its text, (n_nodes,)."""
        depths = np.zeros(len(self), np.int64)
        for node, parent in enumerate(self.parents):
            depths[node] = depths[parent] + 1 if parent >= 0 else 0
        return depths

    @property
    def visible(self) -> Bools:
        """Which node (row) sees which (column): itself and its ancestors, (n_nodes, n_nodes)."""
        sees = np.eye(len(self), dtype=np.bool_)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                sees[node] |= sees[parent]
        return sees


def chains(shown: Sequence[Shown]) -> list[Pack]:
    """Put every window in a pack of its own."""
    packs = []
    for item in shown:
        places = np.arange(len(item.ids))
        packs.append(Pack((item,), item.ids, places - 1, (places,)))
    return packs


def trees(shown: Sequence[Shown], most: int = PACK_TOKENS) -> list[Pack]:
    """Pack windows that begin alike, at most ``most`` tokens a pack.

    Windows are taken in the order of their token numbers, so those that begin alike are neighbours.
    """
    order = sorted(range(len(shown)), key=lambda i: shown[i].ids.tolist())
    packs: list[Pack] = []
    grown = _Tree()
    for i in order:
        item = shown[i]
        if grown.shown and len(grown.ids) + len(item.ids) - grown.shared(item) > most:
            packs.append(grown.pack())
            grown = _Tree()
        grown.add(item)
    if grown.shown:
        packs.append(grown.pack())
    return packs


class _Tree:
    """A pack as it grows; ``path`` is the newest window's way from the root."""

    def __init__(self) -> None:
        self.shown: list[Shown] = []
        self.ids: list[int] = []
        self.parents: list[int] = []
        self.places: list[Ints] = []
        self.path: list[int] = []

    def shared(self, item: Shown) -> int:
        """Tokens that a window has in common with the newest one, from their beginnings on."""
        count = 0
        for node, token in zip(self.path, item.ids, strict=False):
            if self.ids[node] != token:
                break
            count += 1
        return count

    def add(self, item: Shown) -> None:
        self.path = self.path[: self.shared(item)]
        for token in item.ids[len(self.path) :].tolist():
            self.parents.append(self.path[-1] if self.path else -1)
            self.path.append(len(self.ids))
            self.ids.append(token)
        self.shown.append(item)
        self.places.append(np.array(self.path, np.int64))

    def pack(self) -> Pack:
        return Pack(
            tuple(self.shown),
            np.array(self.ids, np.int64),
            np.array(self.parents, np.int64),
            tuple(self.places),
        )


def batches(
    packs: Sequence[Pack], batch_tokens: int, batch_size: int | None = None
) -> Iterator[list[Pack]]:
    """Group packs of like length, longest first.

    Padding stands on the right, where nothing before it can see it, so results do not depend on
    the grouping. Longest first: a batch that does not fit in memory fails at once.

    Parameters
    ----------
    batch_tokens : int
        Most tokens of a batch, padding included; a longer pack makes a batch of its own.
    batch_size : int, optional
        Most packs of a batch.
    """
    batch: list[Pack] = []
    for pack in sorted(packs, key=lambda p: (p.is_chain, -len(p))):
        full = batch and (
            (len(batch) + 1) * len(batch[0]) > batch_tokens
            or len(batch) == batch_size
            or batch[0].is_chain != pack.is_chain
        )
        if full:
            yield batch
            batch = []
        batch.append(pack)
    if batch:
        yield batch
