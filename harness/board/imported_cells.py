"""Imported task scores as cells of a board."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr

from harness.board.answers.alignment import texts
from harness.board.assemble import join_variants
from harness.board.imported import Imported, TaskScore
from harness.board.profile import with_profile
from harness.numeric.arrays import Doubles

Z = 1.959963984540054
KIND = "linguistic"
"""Competence, as probes and pairs are: so answers set it against alignment."""
NOTE = "Imported: another program made these scores, and nothing here computed them again."


def with_imported(board: xr.DataTree, imported: Sequence[Imported]) -> xr.DataTree:
    """Put imported scores on a board, beside the variants that it has.

    Parameters
    ----------
    board : DataTree
    imported : sequence of Imported
        Those of variants that are not on the board are left out.

    Returns
    -------
    DataTree
        With a benchmark for each program: ``value``, the mean over tasks; by task ``score``,
        ``task_stderr``, ``task_n``, ``task_shots`` and ``task_category``; by category
        ``category_score`` with its interval from the tasks' standard errors. The answers
        ``profile`` and ``dissociation`` read it as they read probes. The status of its cells is
        *done*, their reason *imported from …*.
    """
    cells = board["cells"].to_dataset()
    models, compressors = set(cells["model"].values), set(cells["compressor"].values)
    here = [i for i in imported if i.model in models and i.compressor in compressors]
    for program in dict.fromkeys(i.program for i in here):
        own = [i for i in here if i.program == program]
        if program not in set(cells["benchmark"].values):
            board = _added(board, program, own)
    return board


def _added(board: xr.DataTree, program: str, own: list[Imported]) -> xr.DataTree:
    cells = _longer(board["cells"].to_dataset(), "benchmark", program)
    about = _longer(board["benchmarks"].to_dataset(), "benchmark", program)
    for name, text in (
        ("kind", KIND),
        ("metric", "accuracy as the program has it, mean over tasks"),
        ("data", f"{NOTE} Programs: {', '.join(sorted({i.source for i in own}))}."),
        ("notes", NOTE),
    ):
        about[name].loc[{"benchmark": program}] = text
    tasks = list(dict.fromkeys(t.task for i in own for t in i.tasks))
    for each in own:
        at = {"model": each.model, "compressor": each.compressor, "benchmark": program}
        value, error = _mean(list(each.tasks))
        for name, number in (
            ("value", value),
            ("low", value - Z * error),
            ("high", value + Z * error),
        ):
            cells[name].loc[at] = number
        provenance = {key: text for key, text in asdict(each).items() if key != "tasks"}
        for name, text in (
            ("status", "done"),
            ("reason", f"imported from {each.source}"),
            ("provenance", json.dumps({"imported": True, **provenance}, sort_keys=True)),
        ):
            cells[name].loc[at] = text
    categories = list(dict.fromkeys(t.category for i in own for t in i.tasks))
    detail = join_variants(
        [_detail(each, tasks, categories) for each in own],
        [(each.model, each.compressor) for each in own],
    )
    groups = {path: node.to_dataset() for path, node in board.subtree_with_keys}
    groups |= {"cells": cells, "benchmarks": about, f"{KIND}/{program}": detail}
    groups = {f"/{name.strip('./')}": dataset for name, dataset in groups.items()}
    return with_profile(xr.DataTree.from_dict(groups))


def _detail(imported: Imported, tasks: list[str], categories: list[str]) -> xr.Dataset:
    by_name = {t.task: t for t in imported.tasks}
    columns: dict[str, Doubles] = {}
    for name in ("value", "stderr", "n", "shots"):
        columns[name] = np.array(
            [float(getattr(by_name[t], name)) if t in by_name else math.nan for t in tasks]
        )
    rows: dict[str, list[float]] = {"score": [], "error": [], "chance": [], "tasks": []}
    for category in categories:
        own = [t for t in imported.tasks if t.category == category]
        score, error = _mean(own)
        rows["score"].append(score)
        rows["error"].append(error)
        # A guess of open answers is never right; where nobody said, the floor is 0.
        rows["chance"].append(
            float(np.mean([0.0 if math.isnan(t.chance) else t.chance for t in own]))
            if own
            else math.nan
        )
        # Answers take it for the number of observations: items, where the program says how many.
        rows["tasks"].append(float(sum(t.n for t in own) or len(own)) or math.nan)
    made = {name: np.array(values) for name, values in rows.items()}
    of_task = {t: by_name[t].category if t in by_name else "" for t in tasks}
    return xr.Dataset(
        {
            "score": ("task", columns["value"]),
            "task_stderr": ("task", columns["stderr"]),
            "task_n": ("task", columns["n"]),
            "task_shots": ("task", columns["shots"]),
            "category_score": ("category", made["score"]),
            "category_low": ("category", made["score"] - Z * made["error"]),
            "category_high": ("category", made["score"] + Z * made["error"]),
            "category_majority": ("category", made["chance"]),
            "category_tasks": ("category", made["tasks"]),
            "category_sd": ("category", np.full(len(categories), math.nan)),
        },
        coords={
            "task": texts(tasks),
            "category": texts(categories),
            "task_category": ("task", texts([of_task[t] for t in tasks])),
        },
    )


def _mean(tasks: list[TaskScore]) -> tuple[float, float]:
    """Mean over tasks, and its standard error: tasks are fixed, items are drawn."""
    if not tasks:
        return math.nan, math.nan
    errors = np.array([_error(t) for t in tasks])
    error = float(np.sqrt(np.square(errors).sum()) / len(tasks))
    return float(np.mean([t.value for t in tasks])), error


def _error(task: TaskScore) -> float:
    """Return the standard error; where all items agree, with two more right and two more wrong.

    A file says 0 then, and a score of 8 of 8 would be sure (Agresti & Coull 1998, The American
    Statistician 52, 119-126).
    """
    if task.stderr != 0 or not task.n:
        return task.stderr
    p = (task.value * task.n + 2) / (task.n + 4)
    return math.sqrt(p * (1 - p) / (task.n + 4))


def _longer(dataset: xr.Dataset, dim: str, name: str) -> xr.Dataset:
    """Add a label to a dimension; what is not known of it is NaN, or empty."""
    found: dict[str, Any] = {}
    for key, variable in dataset.data_vars.items():
        if dim not in variable.dims:
            found[str(key)] = variable
            continue
        values = variable.values
        shape = list(values.shape)
        shape[variable.dims.index(dim)] = 1
        text = values.dtype.kind in "OUT"
        extra = np.full(shape, "" if text else (math.nan if values.dtype.kind == "f" else 0))
        extra = extra.astype(object if text else values.dtype)
        joined = np.concatenate(
            [values.astype(object) if text else values, extra], axis=variable.dims.index(dim)
        )
        found[str(key)] = (variable.dims, joined)
    labels = texts([*(str(v) for v in dataset[dim].values), name])
    others = {str(k): v for k, v in dataset.coords.items() if dim not in v.dims}
    return xr.Dataset(found, coords={**others, dim: labels}, attrs=dataset.attrs)
