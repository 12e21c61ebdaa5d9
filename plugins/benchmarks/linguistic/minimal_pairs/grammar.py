"""What a paradigm is, and the two ways to build pairs that no bag of words can tell apart.

A sentence pair that differs in one word can be solved by preferring the more frequent word. Every
paradigm here is therefore made of *items* of one of two forms:

crossed
    two frames and two fillers that fit crosswise, giving two pairs. Whatever a scorer of single
    words gains on one pair it loses on the other.
reordered
    one pair whose sentences hold the same words in another order: a tie for such a scorer.

Either way a scorer that ignores word order is right on exactly half of a paradigm's pairs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

#: Pairs kept of each paradigm.
PAIRS = 40

#: Most pairs of an item: multiples of it can be filled with whole items.
WHOLE = 4

#: A good sentence and its bad twin.
Contrast = tuple[str, str]

#: Contrasts that are kept or left together: one (reordered), two (crossed), or two crossings.
Item = tuple[Contrast, ...]


@dataclass(frozen=True)
class Paradigm:
    """A family of pairs that test one thing.

    Parameters
    ----------
    name : str
        Short unique name.
    items : callable
        Returns every item its grammar allows, in any order.
    """

    name: str
    items: Callable[[], Iterable[Item]]

    def select(self, pairs: int = PAIRS) -> tuple[Item, ...]:
        """Draw the items that are used.

        The grammar usually allows many more items than are wanted. They are put in the order of the
        SHA-256 digest of the paradigm's name and their text, so that the draw is the same in every
        Python, on every machine, and does not depend on the order of the word lists.

        Parameters
        ----------
        pairs : int
            Number of contrasts wanted.

        Returns
        -------
        tuple of Item
            Items that hold exactly `pairs` contrasts together.

        Raises
        ------
        ValueError
            The grammar does not allow that many.
        """
        drawn: list[Item] = []
        seen: set[Contrast] = set()
        wanted = pairs
        for item in sorted(set(self.items()), key=self._digest):
            # Two crossings may share one of their contrasts.
            if len(item) <= wanted and seen.isdisjoint(item):
                drawn.append(item)
                seen.update(item)
                wanted -= len(item)
            if wanted == 0:
                return tuple(drawn)
        raise ValueError(f"paradigm {self.name} has {wanted} pairs fewer than {pairs}")

    def _digest(self, item: Item) -> bytes:
        text = "\n".join([self.name, *(sentence for contrast in item for sentence in contrast)])
        return hashlib.sha256(text.encode()).digest()


def crossed(frame_x: str, frame_y: str, x: str, y: str) -> Item:
    """Cross two frames with two fillers.

    Parameters
    ----------
    frame_x, frame_y : str
        Sentences with one ``{}``; `x` fits the first, `y` the second.
    x, y : str
        Fillers of as many words each.

    Returns
    -------
    Item
        ``(frame_x with x, frame_x with y)`` and ``(frame_y with y, frame_y with x)``.
    """
    return (
        (frame_x.format(x), frame_x.format(y)),
        (frame_y.format(y), frame_y.format(x)),
    )


def reordered(good: str, bad: str) -> Item:
    """Pair a sentence with another order of its words."""
    return ((good, bad),)


def turns(words: tuple[str, ...]) -> Iterator[str]:
    """Hand out words in turn, for ever."""
    while True:
        yield from words
