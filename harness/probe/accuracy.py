"""From right and wrong answers to accuracies by task and category.

Minimal pairs, the predictions of SyntaxGym and multiple choice are counted in one way, so that
their scores have one layout and join on a board.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.errors import ScoreError
from harness.probe.proportion import effective_trials, wilson

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class CountedTask:
    """A task whose answers are counted.

    Parameters
    ----------
    name : str
    category : str
        morphology, syntax, semantics, reasoning or discourse.
    phenomenon : str
        A finer name for what is tested.
    """

    name: str
    category: str
    phenomenon: str = ""


def count_accuracy(
    tasks: Sequence[CountedTask],
    member: npt.ArrayLike,
    right: npt.ArrayLike,
    counted: str = "items",
) -> xr.Dataset:
    """Count right answers.

    A task's accuracy is the mean over its items, with Wilson's interval; the value is the mean over
    tasks, whatever their sizes, with Wilson's interval at the effective number of items. Tasks are
    taken as given, not as a sample of possible tasks.

    Parameters
    ----------
    tasks : sequence of CountedTask
    member : array (n_items,)
        Number of the task of each item.
    right : array (n_items,)
        How right each answer is, in [0, 1]: 1, 0, or a share where answers tie.
    counted : str
        What an item is called: the name of the variables that hold how many there are.

    Returns
    -------
    Dataset
        ``value``, ``low``, ``high``; over dim ``task``: ``accuracy``, ``accuracy_low``,
        ``accuracy_high`` and the count, with coordinates ``task``, ``task_category``,
        ``phenomenon``; over dim ``category``: ``category_accuracy`` (mean over its tasks),
        ``category_low``, ``category_high``, ``category_tasks`` and the count.

    Raises
    ------
    ScoreError
        A task has no item, or an answer is no share.
    """
    import xarray as xr

    at, share = np.asarray(member, np.int64), np.asarray(right, np.float64)
    counts = np.bincount(at, minlength=len(tasks))
    if len(counts) != len(tasks) or not counts.all():
        empty = [task.name for task, n in zip(tasks, counts, strict=False) if n == 0]
        raise ScoreError(f"{len(tasks)} tasks, items of {len(counts)}; without an item: {empty}")
    if not ((share >= 0) & (share <= 1)).all():
        raise ScoreError("an answer is neither right nor wrong nor a share of the two")
    accuracy = np.bincount(at, share, minlength=len(tasks)) / counts
    low, high = wilson(accuracy, counts)
    value = accuracy.mean()
    value_low, value_high = wilson(value, effective_trials(counts))
    score = xr.Dataset(
        {
            "value": value,
            "low": value_low,
            "high": value_high,
            "accuracy": ("task", accuracy),
            "accuracy_low": ("task", low),
            "accuracy_high": ("task", high),
            counted: ("task", counts),
        },
        coords={
            "task": [task.name for task in tasks],
            "task_category": ("task", [task.category for task in tasks]),
            "phenomenon": ("task", [task.phenomenon for task in tasks]),
        },
    )
    return score.merge(_by_category(score, counted))


def _by_category(score: xr.Dataset, counted: str) -> xr.Dataset:
    import xarray as xr

    of_task = score["task_category"].values
    names = tuple(dict.fromkeys(of_task.tolist()))
    rows = []
    for name in names:
        inside = of_task == name
        counts = score[counted].values[inside]
        value = score["accuracy"].values[inside].mean()
        low, high = wilson(value, effective_trials(counts))
        rows.append((value, float(low), float(high), len(counts), int(counts.sum())))
    columns = zip(
        ("accuracy", "low", "high", "tasks", counted), zip(*rows, strict=True), strict=True
    )
    return xr.Dataset(
        {f"category_{column}": ("category", list(values)) for column, values in columns},
        coords={"category": list(names)},
    )
