import pytest

from harness.board.answers.claims import Verdict, equivalence, margin_text, probability, short


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0204, 3, ".020"),
        (-0.0111, 3, "-.011"),
        (1.5, 2, "1.50"),
        (-0.0001, 3, ".000"),
        (10.0, 1, "10.0"),
        (-10.04, 2, "-10.04"),
        (float("nan"), 3, "?"),
    ],
)
def test_numbers_are_written_as_journals_do(value, digits, text):
    assert short(value, digits) == text


def test_a_claim_reads_as_a_sentence():
    said = equivalence(0.02, Verdict.YES, (-0.011, 0.008), "27", 0.0123)
    assert said == (
        "equivalent within .02: yes, 90 % CI [-.011, .008], n = 27; "
        "smallest detectable difference .012"
    )
    # A difference that was found needs no account of what could have been.
    no = equivalence(0.02, Verdict.NO, (0.03, 0.04), "27", 0.0123, 4)
    assert no == "equivalent within .02: no, 90 % CI [.0300, .0400], n = 27"
    assert margin_text(0.1) == ".1"
    assert margin_text(1.0) == "1"
    assert probability(0.0004) == "p < .001"
    assert probability(0.04) == "p = .040"
