import numpy as np
import pytest

from harness.errors import StimulusError
from harness.record.tokens import tokenise
from harness.stimuli.passages import Passage


@pytest.fixture
def tokenizer(speaker):
    return speaker().tokenizer


def texts(passage, tokens, item):
    own = tokens.owners[tokens.owners[:, 0] == item, 1]
    return [passage.text[a:b] for a, b in tokens.spans[own]]


def test_each_word_owns_the_tokens_it_is_made_of(tokenizer):
    passage = Passage.from_words("run", ["other", "on", "a", "thorn"])
    tokens = tokenise(passage, tokenizer)
    for i, word in enumerate(passage.items):
        assert "".join(texts(passage, tokens, i)) == word
    assert np.array_equal(
        tokens.item_stops,
        np.cumsum([len(texts(passage, tokens, i)) for i in range(len(passage.spans))]),
    )


def test_punctuation_between_words_belongs_to_nobody(tokenizer):
    passage = Passage("run", "on a , ton", ((0, 2), (3, 4), (7, 10)))
    tokens = tokenise(passage, tokenizer)
    owned = set(tokens.owners[:, 1].tolist())
    loose = [passage.text[a:b] for i, (a, b) in enumerate(tokens.spans) if i not in owned]
    assert "," in loose


def test_spans_may_nest(tokenizer):
    passage = Passage("run", "on a thorn", ((0, 10), (3, 4)))
    tokens = tokenise(passage, tokenizer)
    assert len(texts(passage, tokens, 0)) == len(tokens)
    assert texts(passage, tokens, 1) == ["a"]


def test_an_item_without_a_token_is_named(tokenizer):
    passage = Passage("run", "on  a", ((0, 2), (2, 3), (4, 5)))
    with pytest.raises(StimulusError, match=r"item 1"):
        tokenise(passage, tokenizer)
