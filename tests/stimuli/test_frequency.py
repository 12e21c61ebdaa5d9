"""Frequencies on the Zipf scale: log10 of occurrences in 10^9 words."""

from __future__ import annotations

import math

import pytest
import wordfreq

from harness.errors import DataError
from harness.stimuli.frequency import unfamiliar, zipf_frequencies


def test_english_is_wordfreqs_own_scale() -> None:
    words = ["the", "ferry", "xqzvk"]
    found = zipf_frequencies(words, "en")
    assert found == [wordfreq.zipf_frequency(word, "en") for word in words]
    assert found[0] > 7 > found[1] > 3 > found[2] == 0


def test_chinese_words_are_looked_up_as_they_are_on_the_same_scale() -> None:
    known = wordfreq.get_frequency_dict("zh")
    found = zipf_frequencies(["的", "飞机", "咕噜啪"], "zh")
    assert found[0] == pytest.approx(math.log10(known["的"]) + 9)
    assert 7 < found[0] < 8.5
    assert 3 < found[1] < 6
    assert found[2] == 0


def test_a_language_that_is_not_there_and_words_of_another() -> None:
    with pytest.raises(DataError, match="no word frequencies of language 'xx'"):
        zipf_frequencies(["a"], "xx")
    assert unfamiliar(["the", "ferry"], "en") == ""
    assert "0% of the words" in unfamiliar(["猫", "飞机"], "en")
