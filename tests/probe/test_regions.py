"""Regions: exact whatever the tokenizer, and nothing is lost between them."""

import numpy as np
import pytest

from harness.errors import StimulusError
from harness.probe.regions import Regions, Spacing, region_passage
from harness.record.tokens import tokenise
from harness.stimuli.passages import Stimuli


def matrix(passage, tokens):
    stimuli = Stimuli("made", (passage,))
    return Regions().matrix(stimuli, 0, tokens.owners, len(tokens)).toarray()


class Offsets:
    """A tokenizer whose tokens are given."""

    def __init__(self, *spans):
        self.spans = spans

    def __call__(self, text, **options):
        return {"input_ids": list(range(len(self.spans))), "offset_mapping": list(self.spans)}


def test_regions_are_joined_by_spaces():
    passage, items = region_passage("p", ["As the man", "shot", ",", "the dog"])
    assert passage.text == "As the man shot , the dog"
    assert passage.items == ("As the man", "shot", ",", "the dog")
    assert items == (0, 1, 2, 3)


def test_an_empty_region_has_no_item():
    passage, items = region_passage("p", ["I know", "who", "", "  ", "left"])
    assert passage.text == "I know who left"
    assert items == (0, 1, -1, -1, 2)


@pytest.mark.parametrize(
    ("contents", "text", "regions"),
    [
        (
            ["He left", ", the dog barked"],
            "He left, the dog barked",
            ["He left", ", the dog barked"],
        ),
        (["A town 's man", "sat ."], "A town's man sat.", ["A town's man", "sat."]),
        (["He left", "."], "He left.", ["He left", "."]),
        (["What", "'s that"], "What's that", ["What", "'s that"]),
    ],
)
def test_punctuation_can_be_attached(contents, text, regions):
    passage, _ = region_passage("p", contents, Spacing.ATTACHED)
    assert passage.text == text
    assert list(passage.items) == regions


def test_a_leading_space_is_of_the_region_after_it(subword_tokenizer):
    passage, _ = region_passage("p", ["the other", "tone is", "odd"])
    tokens = tokenise(passage, subword_tokenizer())
    rows = matrix(passage, tokens)
    np.testing.assert_array_equal(rows.sum(axis=0), 1)
    text = passage.text
    for row, region in zip(rows, (" the other", " tone is", " odd"), strict=True):
        # spans leave out white space, so compare without it
        read = "".join(text[a:b] for a, b in tokens.spans[row > 0])
        assert read == region.replace(" ", "")


def test_a_token_of_white_space_alone_goes_with_what_follows():
    #         "the" " " "dog" " " "ran"; with a blank token before the first word as well
    passage, _ = region_passage("p", ["the", "dog ran"])
    tokens = tokenise(passage, Offsets((0, 0), (0, 3), (3, 4), (4, 7), (7, 8), (8, 11)))
    np.testing.assert_array_equal(matrix(passage, tokens), [[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 1]])


def test_a_letter_of_several_tokens():
    """Bytes of one letter share its offsets."""
    passage, _ = region_passage("p", ["né", "là"])
    tokens = tokenise(passage, Offsets((0, 1), (1, 2), (1, 2), (2, 4), (4, 5), (4, 5)))
    np.testing.assert_array_equal(matrix(passage, tokens), [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]])


def test_a_token_in_two_regions_is_refused():
    passage, _ = region_passage("p", ["He left", "."], Spacing.ATTACHED)
    with pytest.raises(StimulusError, match=r"one token is part of regions \['He left', '\.'\]"):
        matrix(passage, tokenise(passage, Offsets((0, 2), (2, 8))))
