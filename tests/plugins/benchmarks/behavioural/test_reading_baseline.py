"""The baseline of reading times: its smooth terms, its lags, and what it holds already."""

from __future__ import annotations

import numpy as np
import pytest
from brainpress_plugins.benchmarks.behavioural.reading_baseline import (
    AT_EACH_WORD,
    BASELINE,
    FREQUENCY,
    LENGTH,
    SPILL,
    Smooth,
    baseline,
    lexical,
)

WORDS = ("The", "old", "mill,", "long", "silent,", "turned.", "Nobody", "xqzzt", "knew", "why.")
TOKENS = np.array([1, 1, 2, 1, 2, 2, 1, 5, 1, 2], float)
UNIGRAM = 2.0 + 3.0 * TOKENS + np.arange(10)


def de_boor(x: float, i: int, k: int, t: list[float]) -> float:
    """Basis function by the recursion of Cox and de Boor."""
    if k == 0:
        last = t[i + 1] == t[-1] and x == t[-1]
        return float(t[i] <= x < t[i + 1] or (last and t[i] < t[i + 1]))
    left = right = 0.0
    if t[i + k] > t[i]:
        left = (x - t[i]) / (t[i + k] - t[i]) * de_boor(x, i, k - 1, t)
    if t[i + k + 1] > t[i + 1]:
        right = (t[i + k + 1] - x) / (t[i + k + 1] - t[i + 1]) * de_boor(x, i + 1, k - 1, t)
    return left + right


@pytest.mark.parametrize("term", [FREQUENCY, LENGTH, Smooth((-1.0, 1.0), (0.0,))])
def test_smooth_terms_are_the_recursion_of_de_boor(term: Smooth) -> None:
    low, high = term.ends
    knots = [low] * 4 + list(term.knots) + [high] * 4
    x = np.linspace(low, high, 17)
    expected = [[de_boor(v, i, 3, knots) for i in range(1, len(knots) - 4)] for v in x]
    np.testing.assert_allclose(term.columns(x), expected, atol=1e-12)
    assert term.columns(x).shape[1] == term.n_columns
    outside = term.columns(np.array([low - 5, high + 5]))
    np.testing.assert_array_equal(outside, term.columns(np.array([low, high])))


def test_smooth_terms_hold_curves() -> None:
    """A straight line and a parabola are sums of the columns and a constant."""
    zipf = np.linspace(1, 7.5, 40)
    design = np.column_stack([np.ones(40), FREQUENCY.columns(zipf)])
    for curve in (zipf, zipf**2, zipf**3):
        rest = curve - design @ np.linalg.lstsq(design, curve, rcond=None)[0]
        assert np.abs(rest).max() < 1e-9 * np.abs(curve).max()


def test_columns_are_of_the_word_and_the_two_before_it() -> None:
    rows = np.arange(SPILL, len(WORDS))
    found = baseline(WORDS, TOKENS, UNIGRAM, rows)
    assert found.shape == (len(rows), len(BASELINE))
    for name, each in (
        ("number of tokens", TOKENS),
        ("unigram surprisal", UNIGRAM),
        ("punctuation", np.array([0, 0, 1, 0, 1, 2, 0, 0, 0, 2.0])),
    ):
        for lag in range(SPILL + 1):
            column = found[:, BASELINE.index(f"{name} {lag}")]
            np.testing.assert_array_equal(column, each[rows - lag])
    assert len(BASELINE) == 3 * len(AT_EACH_WORD) + 3


def test_place_in_story_and_sentence() -> None:
    rows = np.arange(SPILL, len(WORDS))
    found = baseline(WORDS, TOKENS, UNIGRAM, rows)
    np.testing.assert_allclose(found[:, -3], rows / 10)
    np.testing.assert_allclose(found[:, -2], np.log1p(rows))
    np.testing.assert_allclose(found[:, -1], np.log1p([2, 3, 4, 5, 0, 1, 2, 3]))


def test_letters_and_marks() -> None:
    known = lexical(("The", "mill,", '"Why?"', "long-lost", "end)", "it's"))
    assert known[:, 1].tolist() == [3, 4, 3, 8, 3, 3]
    assert known[:, 2].tolist() == [0, 1, 2, 0, 0, 0]
    assert known[0, 0] > 7
