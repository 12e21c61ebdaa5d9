import numpy as np
import pytest

from harness.errors import ContextTooLong, RecordingError
from harness.record.context import Context
from harness.record.tokens import tokenise
from harness.record.windows import windows
from harness.stimuli.passages import Passage

WORDS = ["other", "on", "a", "thorn", "her", "tone", "is", "odd"]
POLICIES = [
    "words(1)",
    "words(3)",
    "tokens(6)",
    "strided(8,3)",
    "strided(5,5)",
    "prefix",
    "sentence",
]


@pytest.fixture
def passage():
    return Passage.from_words("run", WORDS)


@pytest.fixture
def tokens(passage, speaker):
    return tokenise(passage, speaker().tokenizer)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_token_is_read_exactly_once_inside_its_window(policy, passage, tokens):
    cut = windows(Context.parse(policy), tokens, passage, None)
    read = np.concatenate([np.arange(w.read, w.read_stop) for w in cut])
    assert np.array_equal(np.sort(read), np.arange(len(tokens)))
    assert all(w.start <= w.read < w.read_stop <= w.stop for w in cut)


def test_words_end_in_the_word_that_is_read(passage, tokens):
    cut = windows(Context.parse("words(3)"), tokens, passage, None)
    stops = [0, *tokens.item_stops]
    for i, w in enumerate(cut):
        assert w.stop == w.read_stop == stops[i + 1]
        assert w.start == stops[max(0, i - 2)]


def test_tokens_end_in_the_item_and_have_the_size(passage, tokens):
    for w in windows(Context.parse("tokens(6)"), tokens, passage, None):
        assert w.stop - w.start == min(6, w.stop)


@pytest.mark.parametrize(("size", "stride"), [(8, 3), (8, 8), (6, 1), (4, 3)])
def test_strided_reads_each_token_where_it_sees_most(size, stride, passage, tokens):
    cut = windows(Context("strided", size, stride), tokens, passage, None)
    for w in cut:
        for token in range(w.read, w.read_stop):
            # windows start at every multiple of the stride: the earliest that holds the token
            starts = range(0, len(tokens), stride)
            most = max(token - s for s in starts if s <= token < s + size)
            assert token - w.start == most


def test_sentences_start_anew(speaker):
    text = "on a thorn. her tone is odd."
    passage = Passage("run", text, ((0, 2), (12, 15)), sentences=((0, 11), (12, 28)))
    tokens = tokenise(passage, speaker().tokenizer)
    first, second = windows(Context.parse("sentence"), tokens, passage, None)
    assert first.stop == second.start
    assert text[tokens.spans[second.start, 0] :].startswith("her")


def test_too_long_a_story_says_what_to_do(passage, tokens):
    with pytest.raises(ContextTooLong, match=r"prefix.*can see 9") as error:
        windows(Context.parse("prefix"), tokens, passage, 9)
    assert "strided(9,2)" in error.value.hint


def test_a_word_longer_than_the_window_is_named(passage, tokens):
    with pytest.raises(RecordingError, match="other"):
        windows(Context.parse("tokens(1)"), tokens, passage, None)


@pytest.mark.parametrize(
    "text", ["words", "words(0)", "words(x)", "strided(4,5)", "strided(4)", "all"]
)
def test_policies_that_make_no_sense_are_refused(text):
    with pytest.raises(RecordingError):
        Context.parse(text)


@pytest.mark.parametrize("policy", POLICIES)
def test_policies_read_back(policy):
    assert str(Context.parse(policy)) == policy
