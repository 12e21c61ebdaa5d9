import pytest

from harness.errors import StimulusError
from harness.stimuli.passages import Passage, Stimuli


def test_words_are_joined_and_found_again():
    passage = Passage.from_words("run", ["the", "old", "ferry"], [0, 1, 2], [0.5, 1.5, 3])
    assert passage.text == "the old ferry"
    assert passage.items == ("the", "old", "ferry")
    assert passage.midpoints == (0.25, 1.25, 2.5)


@pytest.mark.parametrize(
    ("spans", "message"),
    [(((0, 0),), "span 0"), (((0, 99),), "span 0"), (((4, 7), (0, 3)), "span 1")],
)
def test_a_span_that_is_not_in_the_text_is_named(spans, message):
    with pytest.raises(StimulusError, match=message):
        Passage("run", "the old", spans)


@pytest.mark.parametrize(
    ("onsets", "offsets"),
    [([0, 1], [1, float("nan")]), ([1, 0], [2, 3]), ([0, 1], [0.5, 0.5]), ([0], [1])],
)
def test_times_that_make_no_sense_are_refused(onsets, offsets):
    with pytest.raises(StimulusError, match="run"):
        Passage.from_words("run", ["the", "old"], onsets, offsets)


def test_a_passage_without_times_says_so():
    with pytest.raises(StimulusError, match="no onsets"):
        _ = Passage.from_words("run", ["the"]).midpoints


def test_stimuli_refuse_nothing_and_namesakes():
    with pytest.raises(StimulusError, match="no passage"):
        Stimuli("s", ())
    one = Passage.from_words("run", ["the"])
    with pytest.raises(StimulusError, match="run"):
        Stimuli("s", (one, one))


def test_the_key_is_of_the_contents_and_not_of_the_name():
    def key(name, words, onset):
        return Stimuli(name, (Passage.from_words("run", words, [onset], [2.0]),)).key

    assert key("a", ["the"], 0.0) == key("b", ["the"], 0.0)
    assert key("a", ["the"], 0.0) != key("a", ["The"], 0.0)
    assert key("a", ["the"], 0.0) != key("a", ["the"], 1.0)
