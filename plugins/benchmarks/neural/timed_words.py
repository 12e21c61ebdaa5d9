"""What is known of words without reading them: form and timing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from harness.numeric.arrays import Doubles

FORM_AND_TIMING = ("letters", "duration", "pause before", "time to the next")


def form_and_timing(
    items: Sequence[str], on: Doubles, off: Doubles, runs: npt.ArrayLike | None = None
) -> Doubles:
    """Return the columns ``FORM_AND_TIMING`` of words in the order of the text.

    Parameters
    ----------
    items : sequence of str
    on, off : array, shape (n_words,)
        Onsets and offsets, s, on the clock of a word's run.
    runs : array, shape (n_words,), optional
        Run of each word; one by default. Across runs there is no pause and no next word.

    Returns
    -------
    array, shape (n_words, 4)
    """
    labels = np.zeros(len(on)) if runs is None else np.asarray(runs)
    same = labels[1:] == labels[:-1]
    before = np.r_[0.0, np.where(same, on[1:] - off[:-1], 0.0)]
    after = np.r_[np.where(same, np.diff(on), 0.0), 0.0]
    letters = [float(sum(c.isalpha() for c in item)) for item in items]
    return np.column_stack([letters, off - on, before, after])
