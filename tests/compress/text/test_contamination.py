"""Passages that calibration text and stimuli share."""

from __future__ import annotations

import pytest

from harness.compress.text.contamination import check_contamination, shared_ngrams
from harness.compress.text.perplexity import TEXTS, embedded_text
from harness.errors import CompressionError

STORY = (
    "There were nine passengers that morning. A baker was taking bread to the hotel on the other "
    "side. Two brothers, who did not speak to each other, sat at opposite ends of the same bench."
)
WORDS = STORY.split()


def by_hand(calibration: str, stimulus: str, n: int) -> set[int]:
    """Places of shared n-grams, by comparing every pair."""
    a, b = calibration.lower().split(), stimulus.lower().split()
    return {
        j
        for i in range(len(a) - n + 1)
        for j in range(len(b) - n + 1)
        if a[i : i + n] == b[j : j + n]
    }


def test_thirteen_words_are_found_and_twelve_are_not() -> None:
    thirteen, twelve = " ".join(WORDS[5:18]), " ".join(WORDS[5:17])
    (found,) = shared_ngrams([f"And before this, {thirteen} and after"], {"ferry": STORY})
    assert (found.stimulus, found.word) == ("ferry", 5)
    assert found.text == "morning a baker was taking bread to the hotel on the other side"
    assert shared_ngrams([f"And before this, {twelve} and after"], {"ferry": STORY}) == ()


def test_a_long_run_is_one_passage() -> None:
    (found,) = shared_ngrams([STORY], {"ferry": "It began so. " + STORY + " It ended so."})
    assert found.word == 3
    assert len(found.text.split()) == len(WORDS)


def test_two_runs_are_two_passages() -> None:
    parts = [" ".join(WORDS[:14]), " ".join(WORDS[18:33])]
    found = shared_ngrams(parts, {"ferry": STORY})
    assert [(passage.word, len(passage.text.split())) for passage in found] == [(0, 14), (18, 15)]


def test_case_punctuation_and_apostrophes_do_not_matter() -> None:
    one = "\u201cI don\u2019t believe you,\u201d she said; and he looked away, to the far-off hill."
    two = "i don't believe YOU she said and he looked away to the far off hill"
    (found,) = shared_ngrams([one], {"dialogue": two})
    assert found.word == 0


def test_passages_do_not_run_from_one_window_into_the_next() -> None:
    halves = [" ".join(WORDS[:7]), " ".join(WORDS[7:16])]
    assert shared_ngrams(halves, {"ferry": STORY}) == ()


def test_agrees_with_comparing_every_pair() -> None:
    a = "a b a b c a b a b c d a b"
    b = "x a b a b c d a b y a b c a"
    found = shared_ngrams([a], {"s": b}, n=3)
    covered = {
        place
        for passage in found
        for place in range(passage.word, passage.word + len(passage.text.split()) - 2)
    }
    assert covered == by_hand(a, b, 3)


def test_short_and_empty_texts() -> None:
    assert shared_ngrams([], {"ferry": STORY}) == ()
    assert shared_ngrams(["", "one word"], {"ferry": STORY, "empty": ""}) == ()


def test_contaminated_text_is_refused_with_the_passage() -> None:
    with pytest.raises(CompressionError, match=r'with ferry, from word 0: "there were nine pass'):
        check_contamination([STORY], {"clean": "Nothing here.", "ferry": STORY})
    check_contamination([STORY], {"clean": "Nothing here."})


def test_the_embedded_texts_share_nothing() -> None:
    first, second = (embedded_text(name) for name in TEXTS)
    assert shared_ngrams([first], {"second": second}, n=6) == ()
