"""Where a word ends: surprisal of whole words, not of the beginnings of longer ones.

Most tokenizers put the space before a word into the word, so the probabilities of its tokens are
those of all words that begin with them, and whether it ends there is counted with the next word.
Pimentel & Meister (2024, EMNLP, section 4; also Oh & Schuler 2024) move it to where it belongs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from harness.errors import Unsupported
from harness.numeric.arrays import Doubles, Floats, Ints

_SPACES = ("\N{LOWER ONE EIGHTH BLOCK}", "Ġ", "Ċ", "ĉ", "č", " ", "\n", "\t", "\r")
"""How tokens that begin with white space are spelt: SentencePiece, then bytes as GPT-2 writes."""


def beginnings(tokenizer: Any, rows: int) -> Ints:
    """Return the tokens that a new word can begin with, and those that end a text.

    Raises
    ------
    Unsupported
        No token begins with a space: the tokenizer does not mark where words begin.
    """
    names = tokenizer.convert_ids_to_tokens(list(range(min(rows, len(tokenizer)))))
    found = [number for number, name in enumerate(names) if name and name.startswith(_SPACES)]
    if not found:
        raise Unsupported(
            f"{type(tokenizer).__name__} has no token that begins with a space, so a word's end "
            "cannot be told from its probabilities",
            "read surprisal without a correction for boundaries",
        )
    ends = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
    return np.unique(np.array([*found, *(number for number in ends if number < rows)], np.int64))


def whole_word_surprisal(
    logprobs: Floats,
    boundaries: Floats,
    passages: Sequence[Any],
) -> Doubles:
    """Return the surprisal of whole words (nats).

    Parameters
    ----------
    logprobs : array (word,)
        Sum of the log-probabilities of a word's tokens, its space included.
    boundaries : array (word,)
        Log-probability, behind the last token of a word, that it ends there.
    passages : sequence (word,)
        Passage of each word; the first of a passage has no word before it.

    Returns
    -------
    array (word,)
        ``-logprob - end of this word + end of the word before it``.
    """
    before = np.zeros(len(logprobs))
    for i, (last, name) in enumerate(pairwise(passages), start=1):
        before[i] = boundaries[i - 1] if last == name else 0.0
    surprisal: Doubles = -np.asarray(logprobs, np.float64) - boundaries + before
    return surprisal
