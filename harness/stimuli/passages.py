"""Stimuli: text as it was presented, with the places in it that a recording is read at."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING

from harness.errors import StimulusError

if TYPE_CHECKING:
    from harness.stimuli.sound import Sound

Span = tuple[int, int]


@dataclass(frozen=True)
class Passage:
    """One running text: a story run, a sentence, one member of a pair.

    Parameters
    ----------
    name : str
        What the passage is called in errors and in the recording (the run, the item).
    text : str
        The text exactly as the model reads it.
    spans : tuple of (int, int)
        Character range ``[start, end)`` of each item (a word, a phrase), in order of their starts.
    onsets, offsets : tuple of float, optional
        When each item was presented, in seconds from the start of the run's data clock.
    sentences : tuple of (int, int)
        Character ranges of the sentences, for the ``sentence`` context policy. Empty: the whole
        text is one.
    sound : Sound, optional
        What was heard, where it is there: speech models and sound features read it.

    Raises
    ------
    StimulusError
        A span is empty, out of order or outside the text; times are missing, not finite or run
        backwards.
    """

    name: str
    text: str
    spans: tuple[Span, ...]
    onsets: tuple[float, ...] | None = None
    offsets: tuple[float, ...] | None = None
    sentences: tuple[Span, ...] = ()
    sound: Sound | None = None

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise StimulusError(f"passage {self.name!r} has no text")
        previous = -1
        for i, (start, end) in enumerate(self.spans):
            if not 0 <= start < end <= len(self.text) or start < previous:
                raise StimulusError(
                    f"passage {self.name!r}: span {i} is ({start}, {end}) in a text of"
                    f" {len(self.text)} characters, after a span that starts at {previous}"
                )
            previous = start
        self._check_times()

    def _check_times(self) -> None:
        if self.onsets is None and self.offsets is None:
            return
        if self.onsets is None or self.offsets is None:
            raise StimulusError(f"passage {self.name!r} has onsets or offsets, not both")
        if not len(self.onsets) == len(self.offsets) == len(self.spans):
            raise StimulusError(
                f"passage {self.name!r} has {len(self.spans)} items, {len(self.onsets)} onsets and"
                f" {len(self.offsets)} offsets"
            )
        previous = -math.inf
        for i, (on, off) in enumerate(zip(self.onsets, self.offsets, strict=True)):
            if not (math.isfinite(on) and math.isfinite(off) and previous <= on <= off):
                raise StimulusError(
                    f"passage {self.name!r}: item {i} ({self.item(i)!r}) runs from {on} s to"
                    f" {off} s, after an item that starts at {previous} s"
                )
            previous = on

    @classmethod
    def from_words(
        cls,
        name: str,
        words: Sequence[str],
        onsets: Iterable[float] | None = None,
        offsets: Iterable[float] | None = None,
        after: str | Sequence[str] = " ",
    ) -> Passage:
        """Write words one after the other; each word is an item.

        Parameters
        ----------
        name : str
        words : sequence of str
        onsets, offsets : iterable of float, optional
            In s. A word whose times are both NaN (an aligner did not find it) stays in the text
            and is no item: a model reads it, and it weighs nothing on the clock.
        after : str, or sequence of str
            What follows each word but the last: a space, nothing in Chinese, or one text a word
            (nothing after a French ``l'``).
        """
        follows = [after] * len(words) if isinstance(after, str) else list(after)
        if len(follows) != len(words):
            raise StimulusError(
                f"passage {name!r} has {len(words)} words and {len(follows)} texts after them"
            )
        starts, text = [], ""
        for word, end in zip(words, follows, strict=True):
            starts.append(len(text))
            text += word + end
        text = text[: len(text) - len(follows[-1])] if follows else text
        spans = [(at, at + len(word)) for at, word in zip(starts, words, strict=True)]
        on = None if onsets is None else tuple(float(t) for t in onsets)
        off = None if offsets is None else tuple(float(t) for t in offsets)
        if on is not None and off is not None and len(on) == len(off) == len(spans):
            found = [not (math.isnan(a) and math.isnan(b)) for a, b in zip(on, off, strict=True)]
            spans = list(compress(spans, found))
            on, off = tuple(compress(on, found)), tuple(compress(off, found))
        return cls(name, text, tuple(spans), on, off)

    @classmethod
    def from_sentence(cls, name: str, text: str) -> Passage:
        """Take a sentence whole: its only item is the sentence itself."""
        return cls(name, text, ((0, len(text)),))

    def item(self, i: int) -> str:
        """Text of item ``i``."""
        start, end = self.spans[i]
        return self.text[start:end]

    @property
    def items(self) -> tuple[str, ...]:
        """Texts of all items, in order."""
        return tuple(self.text[a:b] for a, b in self.spans)

    @property
    def midpoints(self) -> tuple[float, ...]:
        """Middle of each item's presentation, in seconds.

        Raises
        ------
        StimulusError
            The passage has no times.
        """
        if self.onsets is None or self.offsets is None:
            raise StimulusError(
                f"passage {self.name!r} has no onsets: it cannot be read on a clock"
            )
        return tuple((a + b) / 2 for a, b in zip(self.onsets, self.offsets, strict=True))


@dataclass(frozen=True)
class Stimuli:
    """The passages of one experiment, in order.

    Raises
    ------
    StimulusError
        There are none, or two share a name.
    """

    name: str
    passages: tuple[Passage, ...]

    def __post_init__(self) -> None:
        if not self.passages:
            raise StimulusError(f"stimuli {self.name!r} hold no passage")
        names = [p.name for p in self.passages]
        if len(set(names)) < len(names):
            twice = sorted({n for n in names if names.count(n) > 1})[:3]
            raise StimulusError(f"stimuli {self.name!r}: passages share the names {twice}")

    @cached_property
    def key(self) -> str:
        """sha256 of everything in the stimuli but their name."""
        digest = hashlib.sha256()
        for p in self.passages:
            digest.update(
                repr((p.name, p.text, p.spans, p.onsets, p.offsets, p.sentences)).encode()
            )
            if p.sound is not None:  # keys of texts without sound stay what they were
                digest.update(repr(p.sound.key).encode())
        return digest.hexdigest()

    @property
    def words(self) -> int:
        """Number of whitespace-separated words, over all passages."""
        return sum(len(p.text.split()) for p in self.passages)
