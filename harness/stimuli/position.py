"""Where a word stands, and how long it is to say: bands beside rate, length and frequency.

Phonemes are not known of most texts and no pronouncing dictionary is at hand: groups of vowel
letters are counted instead, about the number of syllables of an English word, and named so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from harness.numeric.arrays import Doubles
from harness.stimuli.lanczos import lanczos_matrix
from harness.stimuli.passages import Passage

LEXICAL_BAND = "lexical"
POSITION_BAND = "position"
PAUSE = 0.3
"""Silence between two words that parts phrases where a text has no punctuation, s."""
_VOWELS = re.compile(r"[aeiouyáàâäãåæéèêëíìîïóòôöõøœúùûüýÿ]+", re.IGNORECASE)
_END = re.compile("[.!?\u3002\uff01\uff1f\u2026]")


def vowel_groups(word: str) -> int:
    """Count stretches of vowel letters, at least one a word with letters."""
    return max(len(_VOWELS.findall(word)), int(any(c.isalpha() for c in word)))


def stretches(passage: Passage) -> tuple[str, list[int]]:
    """Say what parts the words of a passage, and number its parts.

    Returns
    -------
    what : str
        ``sentence``: as the passage says, or by punctuation; ``phrase``: by pauses, where the text
        has no punctuation.
    number : list of int
        Of the part of each word.
    """
    spans = passage.spans
    if passage.sentences:
        ends = [end for _, end in passage.sentences]
        return "sentence", [int(np.searchsorted(ends, start, side="right")) for start, _ in spans]
    follows = [start for start, _ in spans[1:]] + [len(passage.text)]
    # Punctuation stands in the word or between it and the next.
    ends_here = [
        bool(_END.search(passage.text[start:nxt]))
        for (start, _), nxt in zip(spans, follows, strict=True)
    ]
    if any(ends_here):
        return "sentence", np.cumsum([0, *ends_here[:-1]]).tolist()
    if passage.onsets is None or passage.offsets is None:
        return "phrase", [0] * len(spans)
    silent = np.asarray(passage.onsets[1:]) - np.asarray(passage.offsets[:-1])
    return "phrase", np.cumsum([0, *(silent >= PAUSE)]).tolist()


def bands(passage: Passage, times: Sequence[float]) -> dict[str, dict[str, Doubles]]:
    """Make the regressors of two bands on the clock of the volumes.

    Parameters
    ----------
    passage : Passage
        With onsets.
    times : sequence of float, length n_times
        Times of the volumes, s.

    Returns
    -------
    dict
        ``lexical``: ``vowel groups``; ``position``: ``position in story`` (0 to 1), ``position in
        sentence`` and ``words of the sentence`` (or of the phrase); (n_times,) each,
        Lanczos-filtered sums over words.
    """
    words = [w.strip() for w in passage.items]
    what, number = stretches(passage)
    sizes = np.bincount(number)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    order = np.arange(len(words))
    part = np.asarray(number)
    onto = lanczos_matrix(np.asarray(passage.midpoints), np.asarray(times, float))

    def filtered(values: npt.ArrayLike) -> Doubles:
        return np.asarray(onto @ np.asarray(values, np.float64), np.float64)

    return {
        LEXICAL_BAND: {"vowel groups": filtered([vowel_groups(w) for w in words])},
        POSITION_BAND: {
            "position in story": filtered(order / max(len(words) - 1, 1)),
            f"position in {what}": filtered(order - starts[part]),
            f"words of the {what}": filtered(sizes[part]),
        },
    }


def joined(
    runs: Sequence[Mapping[str, Mapping[str, Doubles]]],
) -> dict[str, dict[str, Doubles]]:
    """Put the bands of runs one after the other; what a run has not is 0 there."""
    out: dict[str, dict[str, Doubles]] = {}
    for band in runs[0]:
        names = list(dict.fromkeys(name for run in runs for name in run[band]))
        out[band] = {
            name: np.concatenate(
                [run[band].get(name, np.zeros(len(next(iter(run[band].values()))))) for run in runs]
            )
            for name in names
        }
    return out
