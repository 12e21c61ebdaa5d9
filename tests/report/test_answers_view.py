"""Answers in the terminal: ten lines of 80 columns, verdict first; all of it on demand."""

import pytest
from rich.console import Console
from simulated_boards import Truth, simulate

import harness
from harness.board.answers.about import claims_about
from harness.errors import SelectionError
from harness.report.answers_view import answer_view

TRUTH = Truth(
    {f"m-{i}": ("m", 10.0 ** (7 + i), 0.2) for i in range(3)},
    {f"rtn-int{bits}": 0.002 * (8 - bits) for bits in range(2, 9)},
    falls={"rtn-int2": {"syntax": 0.3}},
    linguistic=2,
    noise=0.01,
)
QUESTIONS = ["smallest", "controls", "saturation", "robustness", "dissociation", "profile"]


@pytest.fixture(scope="module")
def board():
    return simulate(TRUTH)


def lines(answer, width=80, **options):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(answer_view(answer, **options))
    return console.export_text().splitlines()


@pytest.mark.parametrize("question", QUESTIONS)
def test_ten_lines_and_a_count_of_the_rest(board, question):
    answer = harness.answer(board, question, draws=50)
    found = lines(answer)
    assert len(found) <= 10
    assert all(len(line) <= 80 for line in found)
    assert found[0].startswith(f"{question}: ")
    assert any(word in found[0] for word in (" yes", " no", " undecided"))
    assert "--all" in found[-1]


def test_verdicts_are_counted_and_decided_ones_come_first(board):
    answer = harness.answer(board, "robustness", draws=50)
    counts = {v: int((answer["verdict"].values == v).sum()) for v in ("yes", "no", "undecided")}
    found = lines(answer)
    assert found[0] == "robustness: " + ", ".join(f"{n} {v}" for v, n in counts.items() if n)
    marks = [line[0] for line in found[1:-1] if line[0] in "+-?"]
    assert marks == sorted(marks, key=lambda mark: mark == "?")


def test_all_has_every_claim_and_gap(board):
    answer = harness.answer(board, "profile", draws=50)
    text = " ".join(" ".join(lines(answer, 4000, every=True)).split())
    for sentence in answer["sentence"].values:
        assert " ".join(str(sentence).split()) in text
    for gap in answer["missing"].values:
        assert str(gap) in text


def test_claims_about_some_variants_and_categories(board):
    answer = harness.answer(board, "profile", draws=50)
    found = claims_about(answer, ["m-1"], ["rtn-int2"], ["syn*"])
    assert found.sizes["claim"] == 2  # of each linguistic benchmark
    assert all("rtn-int2 on m-1" in s for s in found["subject"].values)
    assert all(s.startswith("syntax falls: ") for s in found["sentence"].values)
    with pytest.raises(SelectionError, match="no claim is about the compressor rtn-int99"):
        claims_about(answer, compressors=["rtn-int99"])
    assert claims_about(answer).sizes["claim"] == answer.sizes["claim"]
