"""Counting right answers, by hand and against a loop."""

import numpy as np
import pytest

from harness.errors import ScoreError
from harness.probe.accuracy import CountedTask, count_accuracy
from harness.probe.proportion import wilson

TASKS = (
    CountedTask("one", "syntax", "islands"),
    CountedTask("two", "reasoning"),
    CountedTask("three", "syntax"),
)


def test_against_a_loop():
    rng = np.random.default_rng(0)
    member, right = rng.integers(0, 3, 60), rng.integers(0, 3, 60) / 2
    score = count_accuracy(TASKS, member, right)
    for number, task in enumerate(TASKS):
        mine = [r for r, m in zip(right, member, strict=True) if m == number]
        one = score.sel(task=task.name)
        assert float(one["accuracy"]) == pytest.approx(np.mean(mine))
        assert int(one["items"]) == len(mine)
        low, high = wilson(np.mean(mine), len(mine))
        assert float(one["accuracy_low"]) == pytest.approx(float(low))
        assert float(one["accuracy_high"]) == pytest.approx(float(high))
    assert float(score["value"]) == pytest.approx(score["accuracy"].mean())
    syntax = score.sel(category="syntax")
    assert float(syntax["category_accuracy"]) == pytest.approx(
        (float(score["accuracy"][0]) + float(score["accuracy"][2])) / 2
    )
    assert int(syntax["category_tasks"]) == 2
    assert list(score["phenomenon"].values) == ["islands", "", ""]


def test_what_is_counted_has_its_name():
    score = count_accuracy(TASKS, [0, 1, 2], [1, 0, 1], counted="pairs")
    assert {"pairs", "category_pairs"} <= set(score.data_vars)
    assert "items" not in score


def test_a_task_without_items_is_refused():
    with pytest.raises(ScoreError, match=r"without an item: \['two', 'three'\]"):
        count_accuracy(TASKS, [0, 0], [1, 0])


@pytest.mark.parametrize("share", [1.5, -0.1, np.nan])
def test_more_than_right_is_refused(share):
    with pytest.raises(ScoreError, match="neither right nor wrong"):
        count_accuracy(TASKS, [0, 1, 2], [1, 0, share])
