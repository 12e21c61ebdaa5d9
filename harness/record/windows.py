"""Windows: the stretches of tokens a model is shown, and the tokens read in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.errors import ContextTooLong, RecordingError
from harness.record.context import Context
from harness.record.tokens import Tokens
from harness.stimuli.passages import Passage


@dataclass(frozen=True)
class Window:
    """Tokens ``start:stop`` are shown, tokens ``read:read_stop`` are read. Token numbers."""

    start: int
    stop: int
    read: int
    read_stop: int


def windows(
    context: Context, tokens: Tokens, passage: Passage, limit: int | None
) -> tuple[Window, ...]:
    """Cut a passage into windows so that every token is read exactly once.

    Parameters
    ----------
    limit : int, optional
        Most tokens of text the model can see at once.

    Raises
    ------
    ContextTooLong
        A window is longer than ``limit``.
    RecordingError
        The policy needs items, and the passage has none or they overlap.
    """
    made = tuple(_CUTS[context.kind](context, tokens, passage))
    longest = max(w.stop - w.start for w in made)
    if limit is not None and longest > limit:
        raise ContextTooLong(
            f"passage {passage.name!r} needs a window of {longest:,} tokens under {context},"
            f" and the model can see {limit:,}",
            f"choose a policy with shorter windows, such as strided({limit},{max(1, limit // 4)})",
        )
    return made


def _prefix(context: Context, tokens: Tokens, passage: Passage) -> Iterator[Window]:
    yield Window(0, len(tokens), 0, len(tokens))


def _strided(context: Context, tokens: Tokens, passage: Passage) -> Iterator[Window]:
    n, size, stride = len(tokens), context.size, context.stride
    yield Window(0, min(size, n), 0, min(size, n))
    for stop in range(size + stride, n + stride, stride):
        # Only the last `stride` tokens are new: the others had more left context before.
        yield Window(stop - size, min(stop, n), stop - stride, min(stop, n))


def _sentence(context: Context, tokens: Tokens, passage: Passage) -> Iterator[Window]:
    starts = [start for start, _ in passage.sentences] or [0]
    cuts = np.searchsorted(tokens.spans[:, 0], starts, side="left")
    # Tokens before the first sentence and between sentences go with what precedes them.
    edges = np.unique(np.concatenate([[0], cuts[1:], [len(tokens)]]))
    for a, b in pairwise(edges):
        yield Window(int(a), int(b), int(a), int(b))


def _words(context: Context, tokens: Tokens, passage: Passage) -> Iterator[Window]:
    stops = _read_stops(context, tokens, passage)
    for i in range(len(stops) - 1):
        # A punctuation token between two words goes with the word after it.
        yield Window(stops[max(0, i + 1 - context.size)], stops[i + 1], stops[i], stops[i + 1])


def _tokens(context: Context, tokens: Tokens, passage: Passage) -> Iterator[Window]:
    stops = _read_stops(context, tokens, passage)
    for i, (read, stop) in enumerate(pairwise(stops)):
        if stop - read > context.size:
            raise RecordingError(
                f"passage {passage.name!r}: item {i} ({passage.item(i)!r}) has {stop - read}"
                f" tokens, more than {context}"
            )
        yield Window(max(0, stop - context.size), stop, read, stop)


def _read_stops(context: Context, tokens: Tokens, passage: Passage) -> list[int]:
    if not passage.spans:
        raise RecordingError(f"passage {passage.name!r} has no items, and {context} reads by item")
    stops = tokens.item_stops
    if np.any(np.diff(stops) < 1):
        i = int(np.argmax(np.diff(stops) < 1))
        raise RecordingError(
            f"passage {passage.name!r}: items {i} ({passage.item(i)!r}) and {i + 1}"
            f" ({passage.item(i + 1)!r}) end in the same token, and {context} reads them apart",
            "use strided, prefix or sentence, which read every token in one place",
        )
    # Tokens after the last item (a final full stop) go with it.
    return [0, *(int(s) for s in stops[:-1]), len(tokens)]


_CUTS: dict[str, Callable[[Context, Tokens, Passage], Iterator[Window]]] = {
    "prefix": _prefix,
    "strided": _strided,
    "sentence": _sentence,
    "words": _words,
    "tokens": _tokens,
}
