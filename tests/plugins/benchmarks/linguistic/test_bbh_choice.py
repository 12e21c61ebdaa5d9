"""BIG-Bench-Hard as multiple choice: files written here, and the real ones."""

import json
from collections import Counter

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.linguistic.bbh_choice import (
    WORDS,
    Answers,
    BbhChoice,
    brainpress_benchmarks,
    read_task,
)
from places import offline

from harness.errors import DataError, OfflineError
from harness.spec.specs import load_target

OPTIONS = "Which?\nOptions:\n(A) the first\n(B) the second, (C) not an option\n(C) the third"


@pytest.fixture
def written(tmp_path):
    def write(*examples):
        path = tmp_path / "made.json"
        rows = [{"input": text, "target": target} for text, target in examples]
        path.write_text(json.dumps({"canary": "", "examples": rows}))
        return path

    return write


def test_options_are_the_choices(written):
    (question,) = read_task(written((OPTIONS, "(B)")), "made")
    assert question.choices == ("(A)", "(B)", "(C)")
    assert question.answer == 1
    assert question.prompt == f"Q: {OPTIONS}\nA:"
    assert (question.task, question.category) == ("made", "reasoning")
    (question,) = read_task(written((OPTIONS, "(B)")), "made", Answers.TEXT)
    assert question.choices == ("the first", "the second, (C) not an option", "the third")
    assert question.answer == 1


def test_words_are_the_choices(written):
    first, second = read_task(written(("Is it so?", "Yes"), ("Is it?", "No")), "navigate")
    assert first.choices == ("Yes", "No")
    assert (first.answer, second.answer) == (0, 1)


def test_shots_come_before_and_are_not_asked(written):
    path = written((OPTIONS, "the second"), (OPTIONS, "(B)"), ("Is it so?\n(A) x\n(B) y", "(A)"))
    (question,) = read_task(path, "made", shots=1)
    shown = f"Q: {OPTIONS}\nA: (B)\n\n"
    assert question.prompt == f"{shown}Q: Is it so?\n(A) x\n(B) y\nA:"
    assert question.neutral == f"{shown}Q: N/A\nA:"
    assert question.identifier == "made/2"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (OPTIONS, "the second"),
        ("Which?\nOptions:\n(A) one", "(A)"),
        ("Which?\nOptions:\n(A) one\n(B) one", "(A)"),
        ("How many?", "3"),
    ],
)
def test_a_broken_question_is_left_out_and_numbers_stay(written, text, target):
    (kept,) = read_task(written((text, target), (OPTIONS, "(A)")), "made")
    assert kept.identifier == "made/1"


@pytest.mark.parametrize("text", ["[1, 2]", '{"examples": [{"input": "a"}]}', "{", '{"a": 1}'])
def test_a_bad_file_is_named(tmp_path, text):
    (tmp_path / "made.json").write_text(text)
    with pytest.raises(DataError, match=r"made\.json is not a task"):
        list(read_task(tmp_path / "made.json", "made"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"first": 0}, "first=0"),
        ({"longest": 0}, "longest=0"),
        ({"answers": "number"}, "no answers 'number'"),
        ({"choose": "luck"}, "no rule 'luck'"),
        ({"shots": -1}, "shots=-1"),
    ],
)
def test_options_that_are_nonsense(options, message):
    with pytest.raises(DataError, match=message):
        BbhChoice(**options)


def test_missing_while_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    with offline(), pytest.raises(OfflineError, match=r"boolean_expressions\.json"):
        BbhChoice()


@pytest.mark.needs_data("bbh")
class TestReal:
    """The published files."""

    @pytest.mark.parametrize("spec", brainpress_benchmarks(), ids=lambda s: s.name)
    def test_chance_is_what_the_spec_says(self, spec):
        with offline():
            questions = load_target(spec).questions
        chance: dict[str, list[float]] = {}
        for q in questions:
            chance.setdefault(q.task, []).append(1 / len(q.choices))
        assert np.mean([np.mean(c) for c in chance.values()]) == pytest.approx(
            spec.chance, abs=0.001
        )
        assert spec.data.startswith(f"{len(chance)} tasks")

    def test_five_broken_questions_are_left_out(self):
        with offline():
            questions = BbhChoice().questions
        counts = Counter(q.task for q in questions)
        assert len(questions) == 5506
        assert set(WORDS) <= set(counts)
        assert counts["movie_recommendation"] == 249
        assert counts["ruin_names"] == 248
        assert counts["snarks"] == 176

    def test_a_scorer_that_likes_the_first_letter(self):
        with offline():
            bench = BbhChoice(first=30)
        bench_rows = [
            [[0.0, -1.0 - (choice != q.choices[0])] for choice in q.choices]
            for q in bench.questions
        ]
        n_rows = sum(len(p.spans) for p in bench.request.stimuli.passages)
        values = np.concatenate([np.ravel(r) for r in bench_rows])
        # The same of every answer after a question that says nothing.
        values = np.pad(values, (0, n_rows - len(values))).reshape(-1, 1, 1)
        answer = xr.DataArray(values, dims=("sample", "layer", "unit"))
        score = bench.score({bench.request: answer})
        mine = [q.answer == 0 for q in bench.questions if q.task == "disambiguation_qa"]
        assert float(score["accuracy"].sel(task="disambiguation_qa")) == np.mean(mine)
        assert (score["majority"] >= score["chance"] - 0.2).all()
        assert score["category"].values.tolist() == ["reasoning"]
