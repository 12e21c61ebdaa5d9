"""Task scores that another program made: read, kept beside the store's own, put on boards.

lm-eval measures what a variant can do, on hundreds of tasks; this program measures how it aligns
with brains. What is imported is marked so: nobody here computed it.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.stimuli.decoding import read_text

PREFERRED = ("acc", "exact_match", "mcc", "f1", "acc_norm")
"""Metrics in the order in which one is taken of a task, where none is asked for."""
UNSORTED = "tasks"
"""Category of a task that no table and no group of lm-eval places."""


@dataclass(frozen=True)
class TaskScore:
    """One task.

    Parameters
    ----------
    task, metric : str
    value, stderr : float
        Standard error NaN where the file has none.
    n, shots : int
        Items; examples before each.
    version : str
        Of the task.
    category : str
    chance : float
        Score of a guess; NaN where nobody said.
    """

    task: str
    metric: str
    value: float
    stderr: float
    n: int
    shots: int
    version: str
    category: str = UNSORTED
    chance: float = math.nan


@dataclass(frozen=True)
class Imported:
    """What a program found of a variant.

    Parameters
    ----------
    model, compressor : str
        Of the variant, as boards call it.
    source : str
        Program and version.
    read : str
        What the program read: its model arguments.
    model_sha : str
        As the file says; empty for a folder.
    sha256 : str
        Of the files.
    tasks : tuple of TaskScore
    skipped : mapping
        Tasks without a score that can be taken, and why.
    """

    model: str
    compressor: str
    source: str
    read: str
    model_sha: str
    sha256: str
    tasks: tuple[TaskScore, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def program(self) -> str:
        """Name without the version: what the benchmark is called on boards."""
        return self.source.partition(" ")[0]

    def to_json(self) -> str:
        """Return what is kept in the store."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Imported:
        """Read what was kept."""
        said = json.loads(text)
        return cls(**{**said, "tasks": tuple(TaskScore(**task) for task in said["tasks"])})


@dataclass(frozen=True)
class Placing:
    """Rows of a table: which tasks are of which category, and the score of a guess.

    Parameters
    ----------
    rows : tuple of (str, str, float)
        Glob of tasks, category, chance.
    """

    rows: tuple[tuple[str, str, float], ...] = ()

    def of(self, task: str, group: str) -> tuple[str, float]:
        """Return category and chance of a task."""
        for glob, category, chance in self.rows:
            if fnmatchcase(task, glob):
                return category, chance
        return group or UNSORTED, math.nan


def read_placing(path: Path) -> Placing:
    """Read a table of tasks: columns ``task`` (globs), ``category`` and, if known, ``chance``.

    Raises
    ------
    DataError
        A column is missing, or a chance is no share.
    """
    rows = list(csv.DictReader(read_text(path).splitlines(), delimiter="\t"))
    if not rows or not {"task", "category"} <= set(rows[0]):
        raise DataError(f"{path} lacks the columns task and category", "a table with tabs")
    found = []
    for number, row in enumerate(rows, start=2):
        try:
            chance = float(row.get("chance") or math.nan)
        except ValueError:
            chance = -1.0
        if not math.isnan(chance) and not 0 <= chance < 1:
            raise DataError(f"{path}, line {number}: chance is {row['chance']!r}", "a share, .25")
        found.append((str(row["task"]), str(row["category"]), chance))
    return Placing(tuple(found))


def read_lm_eval(
    path: Path,
    model: str,
    compressor: str,
    placing: Placing | None = None,
    metric: str = "",
) -> Imported:
    """Read a results file of lm-evaluation-harness, or all below a folder.

    Parameters
    ----------
    path : Path
        ``results_….json``, or a folder; of a task that is in several files, the newest counts.
    model, compressor : str
        Of the variant that was measured.
    placing : Placing, optional
        Categories; else lm-eval's own groups.
    metric : str
        Of every task that has it: ``acc_norm``. Default: :data:`PREFERRED`.

    Raises
    ------
    DataError
        It is no such file, or holds no score between 0 and 1 of which more is better.
    """
    files = sorted(path.rglob("results*.json")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path} holds no results*.json", "lm_eval writes them with --output_path")
    opened = [(file, *_opened(file)) for file in files]
    opened.sort(key=lambda each: float(each[2].get("date") or 0))
    tasks: dict[str, TaskScore] = {}
    skipped: dict[str, str] = {}
    for _, _, said in opened:
        groups = _groups(said)
        for name, values in said["results"].items():
            if said.get("group_subtasks", {}).get(name):
                continue  # an aggregate of tasks that are here themselves
            taken = _metric(values, said.get("higher_is_better", {}).get(name, {}), metric)
            if taken is None:
                skipped[name] = "no score between 0 and 1 of which more is better"
                continue
            category, chance = (placing or Placing()).of(name, groups.get(name, ""))
            tasks[name] = _task(name, taken, values, said, category, chance)
            skipped.pop(name, None)
    if not tasks:
        raise DataError(
            f"{path} holds no task score", f"skipped: {', '.join(skipped) or 'nothing'}"
        )
    newest = opened[-1][2]
    config = newest.get("config", {})
    version = newest.get("lm_eval_version") or newest.get("git_hash") or "of unknown version"
    return Imported(
        model,
        compressor,
        f"lm-eval {version}",
        json.dumps(config.get("model_args", ""), sort_keys=True),
        str(config.get("model_sha", "")),
        hashlib.sha256(b"".join(raw for _, raw, _ in opened)).hexdigest(),
        tuple(tasks[name] for name in sorted(tasks)),
        skipped,
    )


def _opened(path: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        raw = path.read_bytes()
        said = json.loads(raw)
    except OSError as error:
        raise DataError(f"no results at {path}", "give a results_….json of lm_eval") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    results = said.get("results") if isinstance(said, dict) else None
    if not isinstance(results, dict) or not all(isinstance(v, dict) for v in results.values()):
        raise DataError(f"{path} is no results file of lm_eval", "it has no table `results`")
    return raw, said


def _groups(said: Mapping[str, Any]) -> dict[str, str]:
    """Return the group of each task, where lm-eval has one."""
    found: dict[str, str] = {}
    for group, members in said.get("group_subtasks", {}).items():
        for name in members:
            found.setdefault(name, group)
    return found


def _metric(
    values: Mapping[str, Any], higher: Mapping[str, Any], asked: str
) -> tuple[str, str] | None:
    """Choose a metric: its name, and its key with the filter."""
    known: dict[str, str] = {}
    for key, value in values.items():
        name = key.partition(",")[0]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or name.endswith("_stderr") or name in ("alias", "sample_len"):
            continue
        if 0 <= value <= 1 and higher.get(name, True):
            known.setdefault(name, key)
    for name in (asked, *PREFERRED, *known):
        if name in known:
            return name, known[name]
    return None


def _task(
    name: str,
    taken: tuple[str, str],
    values: Mapping[str, Any],
    said: Mapping[str, Any],
    category: str,
    chance: float,
) -> TaskScore:
    metric, key = taken
    _, comma, chosen = key.partition(",")
    stderr = values.get(f"{metric}_stderr{comma}{chosen}")
    counts = said.get("n-samples", {}).get(name, {})
    return TaskScore(
        name,
        metric,
        float(values[key]),
        float(stderr) if isinstance(stderr, int | float) else math.nan,
        int(counts.get("effective", values.get("sample_len", 0)) or 0),
        int(said.get("n-shot", {}).get(name, 0) or 0),
        str(said.get("versions", {}).get(name, "")),
        category,
        chance,
    )


def keep(imported: Imported, store: Path) -> Path:
    """Keep scores in a store; those of the same variant and program are replaced.

    Returns
    -------
    Path
    """
    from harness.store.atomic import writing
    from harness.store.keys import content_key

    key = content_key(
        stage="imported",
        model=imported.model,
        compressor=imported.compressor,
        program=imported.program,
    )
    path = store / "imported" / f"{key}.json"
    with writing(path) as beside:
        beside.write_text(imported.to_json(), encoding="utf-8")
    return path


def kept(store: Path) -> Sequence[Imported]:
    """Read all that was imported into a store, by program and variant.

    Raises
    ------
    DataError
        A file is damaged.
    """
    found = []
    for path in sorted((store / "imported").glob("*.json")):
        try:
            found.append(Imported.from_json(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is damaged: {error}", "remove it, and import again") from error
    return sorted(found, key=lambda i: (i.program, i.model, i.compressor))
