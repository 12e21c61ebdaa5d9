"""What any story does to a brain, whatever it means: rate, length and frequency of its words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.numeric.arrays import Doubles
from harness.stimuli.frequency import zipf_frequencies
from harness.stimuli.lanczos import lanczos_matrix
from harness.stimuli.passages import Passage

LEXICAL = ("word rate", "word length", "log frequency")


def lexical_nuisance(passage: Passage, times: Sequence[float], language: str = "en") -> Doubles:
    """Word rate, word length and log word frequency on the clock of the volumes.

    Parameters
    ----------
    passage : Passage
        With onsets.
    times : sequence of float, length n_times
        Times of the volumes, in s.
    language : str
        Code of the language of the frequencies.

    Returns
    -------
    array (n_times, 3)
        Columns ``LEXICAL``: Lanczos-filtered sums over words of 1, of the number of letters, and of
        the Zipf frequency (log10 of occurrences per 10^9 words; 0 for unknown words) of wordfreq
        (Speer 2022), see :mod:`harness.stimuli.frequency`.
    """
    words = [w.strip() for w in passage.items]
    frequencies = zipf_frequencies(words, language)
    letters = [sum(c.isalpha() for c in w) for w in words]
    events = np.column_stack([np.ones(len(words)), letters, frequencies])
    onto = lanczos_matrix(np.asarray(passage.midpoints), np.asarray(times, float))
    filtered: Doubles = onto @ events
    return filtered
