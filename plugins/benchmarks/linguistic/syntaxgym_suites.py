"""Suites of SyntaxGym: reading them, asking for their regions, scoring their predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import DataError, ScoreError, StimulusError
from harness.numeric.arrays import Bools, Doubles
from harness.probe.accuracy import CountedTask, count_accuracy
from harness.probe.formula import Formula
from harness.probe.regions import Regions, Spacing, region_passage
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.stimuli.passages import Passage, Stimuli

if TYPE_CHECKING:
    import xarray as xr


#: The circuits of Hu et al. (2020, section 3.2), by the beginning of a suite's name.
CIRCUITS = {
    "center_embed": "center embedding",
    "cleft": "long-distance dependencies",
    "fgd": "long-distance dependencies",
    "mvrr": "garden-path effects",
    "npz": "garden-path effects",
    "npi": "licensing",
    "reflexive": "licensing",
    "number": "agreement",
    "subordination": "gross syntactic state",
}

#: All of it is syntax in Holmes's sense. Agreement and polarity items without distance are
#: morphology and semantics there, but every suite of these here puts a phrase with a distractor in
#: between: Holmes's zorro-agreement_subject_verb-across_*, blimp-*_npi_scope and binding tasks.
CATEGORY = "syntax"

DRAWS = 2**16


@dataclass(frozen=True)
class Suite:
    """One suite.

    Parameters
    ----------
    name : str
    conditions : tuple of str
        In the order of the file; every item has them all.
    items : tuple of mapping
        By condition, the texts of the regions.
    predictions : tuple of Formula
        What is scored: an item passes when all of them hold. A prediction that two surprisals are
        equal is not among them.
    regions : int
        Regions of a sentence.
    """

    name: str
    conditions: tuple[str, ...]
    items: tuple[Mapping[str, tuple[str, ...]], ...]
    predictions: tuple[Formula, ...]
    regions: int

    @property
    def circuit(self) -> str:
        """Circuit of Hu et al.; empty for a suite that is not theirs."""
        return next((c for head, c in CIRCUITS.items() if self.name.startswith(head)), "")

    def passes(self, surprisals: Mapping[str, Doubles]) -> Bools:
        """Say which items pass, (n_items,), from tables (n_items, n_regions) in bits."""
        held: Bools = np.logical_and.reduce([p.holds(surprisals) for p in self.predictions])
        return held

    def chance(self) -> float:
        """Share of items that pass when surprisals are independent draws from one distribution."""
        rng = np.random.default_rng(0)
        shape = (DRAWS, self.regions)
        drawn = {condition: rng.standard_normal(shape) for condition in self.conditions}
        return float(self.passes(drawn).mean())


def read_suite(path: Path) -> Suite:
    """Read a suite in the JSON format of SyntaxGym.

    Raises
    ------
    DataError
        The file is not a suite; its regions or conditions do not match; its metric is not ``sum``;
        a formula cannot be read, looks at a region that is not there, or none can be scored.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        metric, name = said["meta"]["metric"], said["meta"]["name"]
        written = [p["formula"] for p in said["predictions"] if p["type"] == "formula"]
        items = tuple(_item(item) for item in said["items"])
        conditions = tuple(items[0])
        regions = len(items[0][conditions[0]])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(
            f"{path} is not a suite of SyntaxGym: {type(error).__name__} {error}",
            "https://cpllab.github.io/syntaxgym-core describes the format",
        ) from error
    if metric != "sum":
        raise DataError(f"{path}: regions are combined by {metric!r}, and only 'sum' is known")
    for number, item in enumerate(items, start=1):
        sizes = {len(contents) for contents in item.values()}
        if set(item) != set(conditions) or sizes != {regions}:
            raise DataError(f"{path}: item {number} has other conditions or regions than item 1")
    try:
        formulas = [Formula.parse(text) for text in written]
    except StimulusError as error:
        raise DataError(f"{path}: {error.message}", error.hint) from error
    for formula in formulas:
        for region in formula.regions:
            if region.condition not in conditions or region.number > regions:
                raise DataError(
                    f"{path}: {formula.text!r} looks at region {region.number} of"
                    f" {region.condition!r}; there are {regions} regions and {list(conditions)}"
                )
    scored = tuple(f for f in formulas if not f.claims_equality)
    if not scored:
        raise DataError(f"{path} has no prediction that can be scored")
    return Suite(name, conditions, items, scored, regions)


def _item(said: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    item = {}
    for condition in said["conditions"]:
        regions = condition["regions"]
        if [r["region_number"] for r in regions] != list(range(1, len(regions) + 1)):
            raise ValueError(
                f"regions of {condition['condition_name']!r} are not numbered in order"
            )
        item[str(condition["condition_name"])] = tuple(str(r["content"]) for r in regions)
    return item


def _passages(
    suites: tuple[Suite, ...], spacing: Spacing
) -> tuple[tuple[Passage, tuple[int, ...]], ...]:
    return tuple(
        region_passage(f"{suite.name}/{number}/{condition}", item[condition], spacing)
        for suite in suites
        for number, item in enumerate(suite.items, start=1)
        for condition in suite.conditions
    )


def region_request(suites: tuple[Suite, ...], spacing: Spacing = Spacing.PUBLISHED) -> Request:
    """Ask for the log-probability of every region.

    Returns
    -------
    Request
        Its rows are the regions that have text, by suite, item, condition and region; each sentence
        is read by itself after a beginning-of-sequence token.
    """
    passages = tuple(passage for passage, _ in _passages(suites, spacing))
    context = Context("sentence", start=Start.BOS)
    return Request(Stimuli("syntaxgym", passages), Measure.LOGPROB, context, Regions())


def score_suites(
    suites: tuple[Suite, ...], spacing: Spacing, recording: xr.DataArray
) -> xr.Dataset:
    """Turn region log-probabilities into accuracies.

    Parameters
    ----------
    suites : tuple of Suite
    spacing : Spacing
        As they were given to :func:`region_request`.
    recording : DataArray
        Dims (sample, layer, unit), (regions with text, 1, 1): the answer to that request.

    Returns
    -------
    Dataset
        As of :func:`harness.probe.accuracy.count_accuracy`, the circuit as ``phenomenon``; with
        ``chance`` over ``task``, ``circuit_accuracy`` over dim ``circuit`` with its interval, and
        ``passed`` over dim ``item`` with coordinate ``item_task``.

    Raises
    ------
    ScoreError
        The recording has another shape than the suites ask for, or is not finite.
    """
    tables = region_surprisals(suites, spacing, recording)
    passed = [s.passes(table) for s, table in zip(suites, tables, strict=True)]
    member = np.repeat(np.arange(len(suites)), [len(p) for p in passed])
    right = np.concatenate(passed).astype(np.float64)
    tasks = [CountedTask(s.name, CATEGORY, s.circuit) for s in suites]
    by_circuit = count_accuracy([CountedTask(s.name, s.circuit) for s in suites], member, right)
    names = {f"category_{x}": f"circuit_{x}" for x in ("accuracy", "low", "high", "tasks", "items")}
    circuits = by_circuit[list(names)].rename({**names, "category": "circuit"})
    circuits = circuits.drop_vars(("task", "task_category", "phenomenon"), errors="ignore")
    score = count_accuracy(tasks, member, right).merge(circuits)
    return score.assign(
        chance=("task", [suite.chance() for suite in suites]),
        passed=("item", right.astype(np.int8)),
    ).assign_coords(item_task=("item", member))


def region_surprisals(
    suites: tuple[Suite, ...], spacing: Spacing, recording: xr.DataArray
) -> list[dict[str, Doubles]]:
    """Return surprisals in bits, for each suite by condition, (n_items, n_regions).

    A region without text has surprisal 0, the sum over none of its tokens.
    """
    made = _passages(suites, spacing)
    rows = sum(len(passage.spans) for passage, _ in made)
    if recording.shape != (rows, 1, 1):
        raise ScoreError(
            f"{len(suites)} suites need a recording of shape ({rows}, 1, 1), not {recording.shape}",
            "the recording answers another request: make it from the request of these suites",
        )
    bits = -recording.values.reshape(-1).astype(np.float64) / np.log(2)
    if not np.isfinite(bits).all():
        raise ScoreError(
            "a log-probability is not finite",
            "record again in float32; a compressed model that gives NaN is broken",
        )
    bits = np.append(bits, 0.0)  # what item -1 finds
    tables, row, at = [], 0, 0
    for suite in suites:
        table = np.empty((len(suite.items), len(suite.conditions), suite.regions))
        for cell in np.ndindex(table.shape[:2]):
            passage, items = made[at]
            table[cell] = [bits[row + item if item >= 0 else -1] for item in items]
            row, at = row + len(passage.spans), at + 1
        tables.append({c: table[:, i] for i, c in enumerate(suite.conditions)})
    return tables
