"""Words as forced aligners time them: some are not found, some overlap a little."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from harness.errors import DataError
from harness.numeric.arrays import Doubles

SLACK = 1.0
"""A word that starts earlier than the one before it by more than this, s, is no overlap."""


def settled(
    onsets: Sequence[float] | Doubles, offsets: Sequence[float] | Doubles, where: str
) -> tuple[Doubles, Doubles]:
    """Give every word a time, in the order of the text.

    Words that were not found (NaN) share the pause between their neighbours evenly; at the start of
    a text they get the onset of the first word that was found, at its end the last offset. A word
    that overlaps the one before it starts no earlier than that one.

    Parameters
    ----------
    onsets, offsets : array, shape (n_words,)
        In s.
    where : str
        What the words are of, for messages.

    Returns
    -------
    onsets, offsets : array, shape (n_words,)

    Raises
    ------
    DataError
        No word has a time, or words run backwards.
    """
    on, off = np.array(onsets, np.float64), np.array(offsets, np.float64)
    known = np.flatnonzero(np.isfinite(on) & np.isfinite(off))
    if not len(known):
        raise DataError(f"{where}: no word has a time", "the alignment is empty: get it again")
    steps = np.diff(on[known])
    if len(steps) and steps.min() < -SLACK:
        word = int(known[np.argmin(steps) + 1])
        raise DataError(
            f"{where}: word {word + 1} starts at {on[word]:g} s,"
            f" {-steps.min():g} s before the one that precedes it",
            "words must stand in the order in which they were spoken",
        )
    on[known] = np.maximum.accumulate(on[known])
    off[known] = np.maximum(off[known], on[known])
    edges = [-1, *known.tolist(), len(on)]
    for before, after in itertools.pairwise(edges):
        missing = after - before - 1
        if not missing:
            continue
        end = on[after] if after < len(on) else off[before]
        start = min(off[before], end) if before >= 0 else end
        shares = np.linspace(start, end, missing + 1)
        on[before + 1 : after], off[before + 1 : after] = shares[:-1], shares[1:]
    return on, np.maximum(off, on)
