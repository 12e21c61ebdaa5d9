"""EWoK and entity tracking: items made up here, in the formats of theirs that users download."""

import csv
import json

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.linguistic.entity_tracking import EntityTracking
from brainpress_plugins.benchmarks.linguistic.entity_tracking import read_file as read_questions
from brainpress_plugins.benchmarks.linguistic.ewok import Ewok, read_file

from harness.errors import DataError

ITEM = {
    "Domain": "made-up",
    "Context1": "The cup is full, they said.",
    "Context2": "The cup is dry, they said.",
    "Target1": "There is water in it.",
    "Target2": "There is nothing in it.",
    "ContextType": "direct",
}
QUESTION = {
    "input_prefix": "Box 0 contains the key, Box 1 contains the pen. Box 1 contains",
    "options": [" the pen", " the key", " nothing"],
    "numops": 0,
}


@pytest.fixture
def folder(tmp_path):
    with (tmp_path / "testsuite-made-up.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["", *ITEM])
        writer.writeheader()
        writer.writerows([{"": 0, **ITEM}, {"": 1, **ITEM, "Target1": "It is wet."}])
    (tmp_path / "others.jsonl").write_text(json.dumps({**ITEM, "Domain": "another"}) + "\n")
    (tmp_path / "README.md").write_text("not read")
    return tmp_path


def answered(rows):
    return xr.DataArray(np.reshape(rows, (-1, 1, 1)), dims=("sample", "layer", "unit"))


def test_an_item_is_two_contrasts(folder):
    one, two, *_ = read_file(folder / "testsuite-made-up.csv")
    assert (one.text, one.good, one.bad) == (ITEM["Target1"], ITEM["Context1"], ITEM["Context2"])
    assert (two.text, two.good, two.bad) == (ITEM["Target2"], ITEM["Context2"], ITEM["Context1"])
    assert (one.paradigm, one.phenomenon, one.category) == ("made-up", "direct", "semantics")
    assert len({c.identifier for c in Ewok(str(folder)).contrasts}) == 6


def test_ewok_is_scored_as_its_authors_count(folder):
    """Half an item for each target that is more probable after its own context."""
    bench = Ewok(str(folder))
    rng = np.random.default_rng(2)
    target = rng.normal(size=(3, 2, 2))  # item, target, context
    items = [(np.diff(t[0])[0] < 0) / 2 + (np.diff(t[1])[0] > 0) / 2 for t in target]
    rows = []
    for first, second in target:
        for value in (first[0], first[1], second[1], second[0]):
            rows += [-9.0, value]
    score = bench.score({bench.request: answered(rows)})
    by_domain = {"another": items[0], "made-up": np.mean(items[1:])}
    assert dict(zip(score["task"].values, score["accuracy"].values, strict=True)) == by_domain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"Domain": "a"}\n', "line 1 is no item of EWoK: KeyError 'Context1'"),
        (json.dumps({**ITEM, "Context2": ITEM["Context1"]}), "line 1 is no item of EWoK: Stim"),
        ("[1]\n", "line 1 is no item of EWoK: TypeError"),
        ("{\n", "line 1 is not JSON"),
    ],
)
def test_a_bad_item_is_named(tmp_path, text, message):
    (tmp_path / "items.jsonl").write_text(text)
    with pytest.raises(DataError, match=message):
        Ewok(str(tmp_path))


def test_folders_without_items_say_where_to_get_them(tmp_path):
    with pytest.raises(DataError, match="no item in") as caught:
        Ewok(str(tmp_path))
    assert "terms" in caught.value.hint
    with pytest.raises(DataError, match="no question in") as caught:
        EntityTracking(str(tmp_path))
    assert "osf.io" in caught.value.hint
    with pytest.raises(DataError, match="there is no folder"):
        EntityTracking(str(tmp_path / "nowhere"))


def test_the_right_option_is_known_wherever_it_stands(tmp_path):
    rows = [QUESTION, {**QUESTION, "numops": 2}, {**QUESTION, "numops": 2, "options": [" a", " b"]}]
    (tmp_path / "regular.jsonl").write_text("\n".join(map(json.dumps, rows)))
    bench = EntityTracking(str(tmp_path))
    one, *_ = bench.questions
    assert one.prompt == QUESTION["input_prefix"]
    assert one.choices == ("nothing", "the key", "the pen")
    assert one.choices[one.answer] == "the pen"
    # the loop of the published evaluation: the first option of each has the highest sum
    rng = np.random.default_rng(3)
    wanted: dict[str, list[bool]] = {}
    recorded = []
    for row, question in zip(rows, bench.questions, strict=True):
        sums = {option.strip(): rng.normal() for option in row["options"]}
        first = row["options"][0].strip()
        wanted.setdefault(f"regular_{row['numops']}_ops", []).append(
            max(sums, key=sums.__getitem__) == first
        )
        recorded += [v for choice in question.choices for v in (-7.0, sums[choice])]
    score = bench.score({bench.request: answered(recorded)})
    assert dict(zip(score["task"].values, score["accuracy"].values, strict=True)) == {
        task: np.mean(found) for task, found in wanted.items()
    }
    assert score["chance"].values.tolist() == pytest.approx([1 / 3, (1 / 3 + 1 / 2) / 2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": ["the pen", " the key"]}, "one space stands"),
        ({"options": [" the pen", " the pen"]}, "two or more different texts"),
        ({"options": []}, "IndexError"),
        ({"numops": None}, "KeyError 'numops'"),
    ],
)
def test_a_bad_question_is_named(tmp_path, changes, message):
    row = {k: v for k, v in {**QUESTION, **changes}.items() if v is not None}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    with pytest.raises(DataError, match=message):
        list(read_questions(tmp_path / "a.jsonl"))
