"""Place of words in story, sentence and phrase, on the clock of the volumes."""

from __future__ import annotations

import numpy as np

from harness.stimuli.lanczos import lanczos_matrix
from harness.stimuli.passages import Passage
from harness.stimuli.position import LEXICAL_BAND, POSITION_BAND, bands, stretches, vowel_groups

WORDS = ["the", "old", "mill", "turned", "nobody", "knew"]
ONSETS = [0.0, 0.5, 1.0, 1.6, 3.0, 3.7]
OFFSETS = [0.4, 0.9, 1.5, 2.5, 3.65, 4.2]
TIMES = [0.0, 1.0, 2.0, 3.0, 4.0]


def filtered(values: list[float]) -> np.ndarray:
    middles = (np.array(ONSETS) + OFFSETS) / 2
    return np.asarray(lanczos_matrix(middles, np.array(TIMES)) @ np.array(values, float))


def test_phrases_are_parted_by_pauses_between_words() -> None:
    """.5 s from the end of ``turned`` to ``nobody``; between all others .1 s and less."""
    passage = Passage.from_words("p", WORDS, ONSETS, OFFSETS)
    assert stretches(passage) == ("phrase", [0, 0, 0, 0, 1, 1])
    found = bands(passage, TIMES)
    place = found[POSITION_BAND]
    np.testing.assert_allclose(place["position in phrase"], filtered([0, 1, 2, 3, 0, 1]))
    np.testing.assert_allclose(place["words of the phrase"], filtered([4, 4, 4, 4, 2, 2]))
    np.testing.assert_allclose(place["position in story"], filtered([0, 0.2, 0.4, 0.6, 0.8, 1]))
    groups = [vowel_groups(word) for word in WORDS]
    assert groups == [1, 1, 1, 2, 3, 1]
    np.testing.assert_allclose(found[LEXICAL_BAND]["vowel groups"], filtered(groups))


def test_sentences_are_parted_by_punctuation() -> None:
    words = ["The", "mill", "turned.", "Nobody", "knew", "why."]
    assert stretches(Passage.from_words("p", words)) == ("sentence", [0, 0, 0, 1, 1, 1])
