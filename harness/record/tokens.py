"""From the characters of a passage to tokens, and which token belongs to which item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import StimulusError
from harness.numeric.arrays import Doubles, Ints
from harness.record.request import Measure
from harness.stimuli.passages import Passage


@dataclass(frozen=True)
class Tokens:
    """A passage as a model reads it.

    Parameters
    ----------
    ids : array (n_tokens,)
        Token numbers of the running text, without special tokens.
    spans : array (n_tokens, 2)
        Character range of each token, white space at its ends left out.
    owners : array (pairs, 2)
        Columns item, token: the tokens that overlap each item, and white space with what follows
        it. Sorted.
    """

    ids: Ints
    spans: Ints
    owners: Ints

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def item_stops(self) -> Ints:
        """One past the last token of each item, (n_items,)."""
        item, token = self.owners.T
        last = np.append(item[1:] != item[:-1], True)
        stops: Ints = token[last] + 1
        return stops


def tokenise(passage: Passage, tokenizer: Any) -> Tokens:
    """Tokenise a passage as one running text.

    Raises
    ------
    StimulusError
        An item has no token of its own (it is white space, or the tokenizer drops it).
    """
    encoded = tokenizer(passage.text, add_special_tokens=False, return_offsets_mapping=True)
    ids = np.asarray(encoded["input_ids"], np.int64)
    if len(ids) == 0:
        raise StimulusError(f"passage {passage.name!r}: the tokenizer makes no token of its text")
    offsets = whole_characters(passage.text, encoded["offset_mapping"])
    spans = np.array([_trim(passage.text, a, b) for a, b in offsets], np.int64)
    return Tokens(ids, spans, _owners(passage, spans))


def of_tokens(measure: Measure, texts: Sequence[Tokens], n_vocabulary: int) -> list[Doubles]:
    """Return what tokens say without a model, (n_tokens,) for each text.

    Parameters
    ----------
    measure : Measure
        ``TOKENS``: 1. ``UNIGRAM``: minus the log of ``(count + 1) / (n_tokens + n_vocabulary)``,
        counted over all texts (Laplace 1814).
    texts : sequence of Tokens
    n_vocabulary : int
    """
    if measure is Measure.TOKENS:
        return [np.ones(len(text)) for text in texts]
    ids = np.concatenate([text.ids for text in texts])
    counts = np.bincount(ids, minlength=n_vocabulary)
    surprisal = -np.log((counts + 1) / (len(ids) + n_vocabulary))
    return [surprisal[text.ids] for text in texts]


def whole_characters(text: str, offsets: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Give each part of a character that character's range.

    A character that is several tokens (its bytes) has its range on one of them; the others are
    empty ranges, at its start or behind it.
    """
    made: list[tuple[int, int]] = []
    for start, end in offsets:
        if start == end and start > 0 and not text[start - 1].isspace():
            made.append(made[-1] if made and made[-1][1] == start else (start - 1, start))
        else:
            made.append((start, end))
    return made


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    bare = piece.strip()
    if not bare:
        return end, end
    lead = len(piece) - len(piece.lstrip())
    return start + lead, start + lead + len(bare)


def _owners(passage: Passage, spans: Ints) -> Ints:
    """Which token belongs to which item.

    A token of visible characters belongs to each item that it overlaps. One of white space alone
    (a lone space before digits) belongs to the items of the next visible token, as a space that is
    part of a token does: words then partition their text.
    """
    if not passage.spans:
        return np.empty((0, 2), np.int64)
    starts, ends = spans.T
    visible = np.flatnonzero(ends > starts)
    item_starts, item_ends = np.asarray(passage.spans, np.int64).T
    # Token starts and ends never decrease along the text, so overlaps are ranges.
    first = np.searchsorted(ends[visible], item_starts, side="right")
    stop = np.searchsorted(starts[visible], item_ends, side="left")
    counts = stop - first
    if np.any(counts < 1):
        i = int(np.argmax(counts < 1))
        raise StimulusError(
            f"passage {passage.name!r}: item {i} ({passage.item(i)!r}) has no token of its own",
            "drop the item, or merge it with its neighbour",
        )
    item = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    last = visible[np.repeat(first, counts) + within]
    # A visible token brings the white space before it: tokens after the visible one before it.
    before = np.concatenate([[-1], visible[:-1]])[np.repeat(first, counts) + within]
    sizes = last - before
    tokens = np.repeat(last, sizes) - _countdown(sizes)
    return np.stack([np.repeat(item, sizes), tokens], axis=1)


def _countdown(sizes: Ints) -> Ints:
    """For sizes (2, 3): 1, 0, 2, 1, 0."""
    counts: Ints = np.repeat(np.cumsum(sizes), sizes) - 1 - np.arange(sizes.sum())
    return counts
