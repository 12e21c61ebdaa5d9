"""What any account of reading times must beat: form, frequency and place of words, and tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.numeric.arrays import Doubles, Ints

SPILL = 2
"""Words before the current one whose properties still matter: lags 0, 1, 2."""
CUBIC = 3


@dataclass(frozen=True)
class Smooth:
    """A cubic B-spline (de Boor 1978) on knots that do not depend on the text.

    Parameters
    ----------
    ends : tuple of float
        Values beyond them are taken as the nearest end.
    knots : tuple of float
        Between the ends.
    """

    ends: tuple[float, float]
    knots: tuple[float, ...]

    @property
    def n_columns(self) -> int:
        """Columns of the basis but one: all of them add up to 1, and responses are centred."""
        return len(self.knots) + CUBIC

    def columns(self, values: Doubles) -> Doubles:
        """Return the basis at values, (n_values, n_columns)."""
        from scipy.interpolate import BSpline

        low, high = self.ends
        knots = np.r_[[low] * (CUBIC + 1), self.knots, [high] * (CUBIC + 1)]
        basis = BSpline.design_matrix(np.clip(values, low, high), knots, CUBIC)
        return np.asarray(basis.toarray()[:, 1:], np.float64)


FREQUENCY = Smooth((0.0, 8.0), (3.0, 4.5, 6.0))
"""Of the Zipf frequency: of 10^9 words 1 to 10^8; quarters of running English."""
LENGTH = Smooth((0.0, 16.0), (3.0, 5.0, 8.0))
"""Of the number of letters and digits."""
AT_EACH_WORD = (
    *(f"log frequency ({n})" for n in range(1, FREQUENCY.n_columns + 1)),
    *(f"length ({n})" for n in range(1, LENGTH.n_columns + 1)),
    "punctuation",
    "unigram surprisal",
    "number of tokens",
)
OF_PLACE = ("position in story", "log position in story", "log position in sentence")
BASELINE = (*(f"{name} {lag}" for name in AT_EACH_WORD for lag in range(SPILL + 1)), *OF_PLACE)
SAID = (
    "smooth terms of log frequency and length, punctuation, unigram surprisal and number of the"
    f" model's tokens, of the word and the {SPILL} before it; {', '.join(OF_PLACE)}"
)


def lexical(words: tuple[str, ...]) -> Doubles:
    """Log frequency (Zipf), letters, punctuation after it (0 none, 1 within, 2 at the end)."""
    import wordfreq

    rows = []
    for word in words:
        bare = word.strip(".,;:!?'\"()-")
        tail = word.rstrip("'\")")
        end = 2.0 if tail.endswith((".", "!", "?")) else float(tail.endswith((",", ";", ":", "-")))
        rows.append((wordfreq.zipf_frequency(bare, "en"), sum(c.isalnum() for c in word), end))
    return np.array(rows)


def baseline(
    words: tuple[str, ...],
    tokens: Doubles,
    unigram: Doubles,
    rows: Ints,
) -> Doubles:
    """Return regressors of some words of a text.

    Parameters
    ----------
    words : tuple of str
        All words of the text.
    tokens : array, shape (n_words,)
        How many tokens the model makes of each: what its tokenizer counts is not what it knows.
    unigram : array, shape (n_words,)
        Their surprisal to a model without context (nats).
    rows : array of int, shape (n_rows,)
        Words to return, each with two before it.

    Returns
    -------
    array, shape (n_rows, len(BASELINE))
    """
    known = lexical(words)
    zipf, letters, marks = known.T
    each = np.column_stack(
        [
            FREQUENCY.columns(zipf),
            LENGTH.columns(letters),
            marks,
            np.asarray(unigram, np.float64),
            np.asarray(tokens, np.float64),
        ]
    )
    lagged = np.stack([each[rows - lag] for lag in range(SPILL + 1)], axis=2)
    start = np.r_[True, marks[:-1] == 2]
    numbers = np.arange(len(words))
    in_sentence = numbers - np.maximum.accumulate(np.where(start, numbers, 0))
    place = [rows / len(words), np.log1p(rows), np.log1p(in_sentence[rows])]
    return np.column_stack([lagged.reshape(len(rows), -1), *place])
