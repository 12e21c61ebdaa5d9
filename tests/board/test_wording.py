"""Sentences of answers: one unit a claim, and two tests that agree or of which one decides."""

import re
from pathlib import Path

import pytest

import harness
from harness.board.answers.against_controls import _tests_said
from harness.board.answers.units import mebibytes, unit_of
from harness.spec.measures import ScoreMeasure

BOARD = Path(__file__).parents[2] / "leaderboard" / "board.nc"


@pytest.fixture(scope="module")
def board():
    return harness.open_board(BOARD)


def main_clauses(said):
    return [str(sentence).partition("; ")[0] for sentence in said["sentence"].values]


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("Pearson r, mean over 6 regions and participants", "r"),
        ("accuracy, mean over 30 paradigms", "in accuracy"),
        ("bits per UTF-8 byte, lower is better", "bits/byte"),
        ("log-likelihood per word beyond frequency (nats), surprisal", "nats"),
        ("macro-F1 or Pearson r of linear probes, mean over tasks", ""),
        ("", ""),
    ],
)
def test_units(metric, unit):
    assert unit_of(metric) == unit
    assert unit_of(metric, ScoreMeasure.UNIQUE) == "R2"
    assert unit_of(metric, ScoreMeasure.NORMALISED) == "of the ceiling"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0.4964e6, "0.473 MiB"), (57.2 * 2**20, "57.2 MiB"), (3387.4 * 2**20, "3,387 MiB")],
)
def test_bytes_are_written_without_powers_of_ten(count, text):
    assert mebibytes(count) == text


def test_two_tests_that_disagree_say_which_decides():
    assert "decides" not in _tests_said("participants", 0.01, 0.02, 0.05)
    assert "decides" not in _tests_said("participants", 0.3, 0.2, 0.05)
    yes = "p = .039 by t, which decides; p = .081 by Wilcoxon over participants does not show it"
    assert _tests_said("participants", 0.039, 0.081, 0.05) == f"{yes} (Holm)"
    no = "p = .081 by t, which decides; p = .039 by Wilcoxon over stories would show it"
    assert _tests_said("stories", 0.081, 0.039, 0.05) == f"{no} (Holm)"


def test_no_pair_of_tests_on_the_real_board_disagrees_in_silence(board):
    """Read the two p-values back from each sentence, and hold them against its verdict."""
    said = harness.answer(board, "controls")
    seen = 0
    for sentence, verdict in zip(said["sentence"].values, said["verdict"].values, strict=True):
        found = re.search(r"p [=<] (\S+) by t.*?p [=<] (\S+) by Wilcoxon", str(sentence))
        if not found:
            continue
        seen += 1
        t, wilcoxon = (float(p) for p in found.groups())
        assert (t <= 0.05) == (verdict == "yes")
        assert ((t <= 0.05) != (wilcoxon <= 0.05)) == ("which decides" in sentence)
    assert seen


@pytest.mark.parametrize("question", ["robustness", "saturation"])
def test_a_margin_and_its_interval_are_of_one_named_unit(board, question):
    said = harness.answer(board, question, benchmarks="brennan2016-alice", draws=50)
    claims = [c for c in main_clauses(said) if "equivalent within" in c]
    assert claims
    assert all(re.search(r"equivalent within \.\d+ (r|R2): ", claim) for claim in claims)


def test_a_dissociation_speaks_of_shares_in_per_cent_alone(board):
    said = harness.answer(
        board, "dissociation", benchmarks=["naturalstories", "syntaxgym"], draws=50
    )
    claims = main_clauses(said)
    assert claims
    for claim in claims:
        assert re.search(r"degrades while alignment is preserved: (yes|no|undecided), ", claim)
        assert claim.count(" % [") == 2
        assert "margin" not in claim  # which is in another unit


def test_compare_says_first_which_is_better(board):
    said = harness.answer(board, "compare", "smollm2-135m+rtn-int3", "smollm2-135m", draws=50)
    by_benchmark = {}
    for subject, clause in zip(said["subject"].values, main_clauses(said), strict=True):
        by_benchmark.setdefault(str(subject), []).append(clause)
    assert by_benchmark
    for first, *rest in by_benchmark.values():
        assert " is better: yes, " in first or first.startswith("neither is shown to be better, ")
        assert re.search(r"p [=<] \S+ \(Holm\)", first)
        assert all(clause.startswith("equivalent within ") for clause in rest)


def test_lower_is_better_turns_who_is_better(board):
    said = harness.answer(board, "compare", "smollm2-135m+rtn-int3", "smollm2-135m", draws=50)
    row = said.sel(benchmark="bits-per-byte")
    assert float(row["difference"]) > 0  # more bits: worse
    own = [
        str(sentence)
        for subject, sentence in zip(said["subject"].values, said["sentence"].values, strict=True)
        if subject == "bits-per-byte"
    ]
    if own and "is better" in own[0] and own[0].startswith("smollm2"):
        assert own[0].startswith("smollm2-135m is better: yes")
