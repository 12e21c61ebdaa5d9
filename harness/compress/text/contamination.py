"""Whether calibration text shares a passage with what a model is tested on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.errors import CompressionError

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_APOSTROPHE = str.maketrans({"\N{RIGHT SINGLE QUOTATION MARK}": "'"})


@dataclass(frozen=True)
class SharedPassage:
    """A run of words that a calibration text and a stimulus have in common.

    Parameters
    ----------
    stimulus : str
        Name of the stimulus.
    word : int
        Place of its first word in the stimulus, from 0.
    text : str
        The words.
    """

    stimulus: str
    word: int
    text: str


def shared_ngrams(
    calibration: Iterable[str], stimuli: Mapping[str, str], n: int = 13
) -> tuple[SharedPassage, ...]:
    """Find every passage of at least n words that calibration text shares with a stimulus.

    Words are compared without case and punctuation (Brown et al. 2020, GPT-3, appendix C: 13-grams
    of words).

    Parameters
    ----------
    calibration : iterable of str
        Passages of calibration text.
    stimuli : mapping
        Name of a stimulus to its running text.
    n : int
        Shortest passage, in words.

    Returns
    -------
    tuple of SharedPassage
        Longest runs, in the order of the stimuli; empty when there is none.
    """
    seen = {gram for passage in calibration for gram in _grams(_words(passage), n)}
    return tuple(
        passage for name, text in stimuli.items() for passage in _runs(name, _words(text), seen, n)
    )


def check_contamination(calibration: Iterable[str], stimuli: Mapping[str, str]) -> None:
    """Raise CompressionError when calibration text shares 13 words in a row with a stimulus.

    A model calibrated on a benchmark's stimuli is tuned to what it is tested on.
    """
    shared = shared_ngrams(calibration, stimuli)
    if not shared:
        return
    first = shared[0]
    more = f" (and {len(shared) - 1} more passages)" if len(shared) > 1 else ""
    raise CompressionError(
        f"the calibration text shares a passage with {first.stimulus}, from word {first.word}: "
        f'"{first.text}"{more}',
        "calibrate on another text, or with another seed",
    )


def _words(text: str) -> list[str]:
    return _WORD.findall(text.translate(_APOSTROPHE).lower())


def _grams(words: list[str], n: int) -> Iterable[tuple[str, ...]]:
    return (tuple(words[at : at + n]) for at in range(len(words) - n + 1))


def _runs(
    name: str, words: list[str], seen: set[tuple[str, ...]], n: int
) -> Iterable[SharedPassage]:
    """Join shared n-grams that overlap or touch into runs."""
    start = stop = -1
    for at, gram in enumerate(_grams(words, n)):
        if gram not in seen:
            continue
        if at > stop:
            if start >= 0:
                yield SharedPassage(name, start, " ".join(words[start:stop]))
            start = at
        stop = at + n
    if start >= 0:
        yield SharedPassage(name, start, " ".join(words[start:stop]))
