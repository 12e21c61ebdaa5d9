"""The tables behind a page's figures, taken from a board and its answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from harness.board.answers import DRAWS, answer
from harness.board.answers.alignment import BASE, detail, selected
from harness.board.columns import beside_value
from harness.report.front_charts import COMPETENCE, SCORE
from harness.report.front_table import chosen_competence, front_table
from harness.report.page_tables import (
    categories_table,
    dissociation_table,
    layers_table,
    robustness_table,
    rois_table,
)
from harness.spec.direction import lower_is_better
from harness.spec.layout import KINDS, NUMBERS
from harness.spec.measures import ScoreMeasure, headline_of

MOST_POINTS = 20_000
"""Rows of a dissociation table, above which one linguistic benchmark is drawn: the largest."""


@dataclass(frozen=True, eq=False)
class PageData:
    """What a page shows.

    Parameters
    ----------
    benchmarks : tuple of str
    tables : mapping
        By name of the table, then of the benchmark: a data frame, without those that are empty.
    answers : mapping
        Answers by question.
    metrics : mapping
        What the value is, by benchmark.
    lower : mapping
        Whether a lower value is the better one, by benchmark.
    headlines : mapping
        The measure that each benchmark is read by.
    notes : tuple of str
        What is left out, and why.
    kinds : mapping
        Kind of every benchmark.
    below : mapping
        The linguistic benchmark that is drawn below a benchmark's front, or None.
    """

    benchmarks: tuple[str, ...]
    tables: Mapping[str, Mapping[str, pd.DataFrame]]
    answers: Mapping[str, xr.Dataset]
    metrics: Mapping[str, str]
    lower: Mapping[str, bool]
    headlines: Mapping[str, ScoreMeasure]
    notes: tuple[str, ...]
    kinds: Mapping[str, str]
    below: Mapping[str, str | None]


def page_data(
    board: xr.DataTree, benchmarks: Sequence[str] | None = None, draws: int = DRAWS, seed: int = 0
) -> PageData:
    """Collect the tables of a page.

    Parameters
    ----------
    board : DataTree
    benchmarks : sequence of str, optional
        Names and globs; all.
    draws, seed : int
        Of the answers' resamples.

    Raises
    ------
    SelectionError
        A pattern selects no benchmark.
    """
    names = _ordered(board, selected(board, benchmarks))
    said = {q: answer(board, q, benchmarks=names, draws=draws, seed=seed)
            for q in ("smallest", "controls", "saturation", "robustness", "profile")}  # fmt: skip
    about = board["benchmarks"].to_dataset()
    metrics = {name: str(about["metric"].sel(benchmark=name).item()) for name in names}
    lower = {name: lower_is_better(about.sel(benchmark=name)) for name in names}
    pairs, notes = _dissociation_selection(board, names)
    said["dissociation"] = answer(board, "dissociation", benchmarks=pairs, draws=draws, seed=seed)
    headlines = {name: headline_of(about.sel(benchmark=name)) for name in names}
    cells = _with_answers(_cells(board, names, lower), said)
    kinds = {name: str(about["kind"].sel(benchmark=name).item()) for name in names}
    below = {name: chosen_competence(cells, kinds, lower, name) for name in names}
    tables = {
        "cells": cells,
        "front": {
            name: front_table(
                cells[name],
                headlines[name],
                about.sel(benchmark=name),
                cells.get(below[name] or ""),
                lower=lower[name],
            )
            for name in cells
        },
        "layers": _by(names, lambda n: layers_table(board, n)),
        "rois": _by(names, lambda n: rois_table(board, n)),
        "robustness": _by(
            names, lambda n: robustness_table(said["robustness"], n, said["smallest"])
        ),
        "categories": _by(names, lambda n: categories_table(said["profile"], n)),
        "dissociation": _by(names, lambda n: dissociation_table(said["dissociation"], n)),
    }
    return PageData(
        tuple(names), tables, said, metrics, lower, headlines, tuple(notes), kinds, below
    )


def axis_titles(data: PageData, name: str) -> dict[str, str]:
    """Return what the axes of a benchmark's front are of: units in words."""
    measure = data.headlines[name]
    own = {
        ScoreMeasure.UNIQUE: "unique R\u00b2",
        ScoreMeasure.NORMALISED: "share of the ceiling",
    }.get(measure, data.metrics[name].partition(",")[0])
    below = data.below.get(name)
    language = below or COMPETENCE
    return {SCORE: own, COMPETENCE: language}


def _ordered(board: xr.DataTree, names: Sequence[str]) -> list[str]:
    """Put brains first, which most figures are of, and what is simulated last of its kind."""
    about = board["benchmarks"].to_dataset()

    def place(name: str) -> tuple[int, int]:
        at = about.sel(benchmark=name)
        return KINDS.index(str(at["kind"].item())), int(at["simulated"].item())

    return sorted(names, key=place)


def _by(names: Sequence[str], make: Any) -> dict[str, pd.DataFrame]:
    made = {name: make(name) for name in names}
    return {name: frame for name, frame in made.items() if len(frame)}


def _dissociation_selection(board: xr.DataTree, names: list[str]) -> tuple[list[str], list[str]]:
    """Leave out the smaller linguistic benchmarks where all would be more points than are drawn."""
    kinds = board["benchmarks"].to_dataset()["kind"]
    kind = {name: str(kinds.sel(benchmark=name).item()) for name in names}
    language = {}
    for name in names:
        known = detail(board, name)
        if kind[name] == "linguistic" and known is not None and "pair" in known.dims:
            language[name] = known.sizes["pair"] * 1000 + known.sizes["variant"]
    others = [n for n in names if kind[n] != "linguistic"]
    variants = board["cells"].sizes["model"] * board["cells"].sizes["compressor"]
    if len(language) < 2 or len(others) * len(language) * variants * 5 <= MOST_POINTS:
        return names, []
    largest = max(language, key=lambda n: language[n])
    note = f"dissociation is drawn for {largest}, the largest of {len(language)} sets of pairs"
    return [*others, largest], [note]


def _cells(
    board: xr.DataTree, names: Sequence[str], lower: Mapping[str, bool]
) -> dict[str, pd.DataFrame]:
    cells = board["cells"].to_dataset()
    models = board["models"].to_dataset().to_dataframe()
    kept = [v for v in (*NUMBERS, "status", "verified") if v in cells]
    frame = cells[kept].to_dataframe().reset_index()
    frame = frame[np.isfinite(frame["value"]) & frame["benchmark"].isin(names)]
    size = board["compression"].to_dataset()
    wanted = {
        "bits_per_weight_model": "bits",
        "bytes_packed": "bytes",
        "sparsity_model": "sparsity",
        "coverage": "coverage",
        "perplexity": "perplexity",
    }
    known = size[[v for v in wanted if v in size]].to_dataframe().rename(columns=wanted)
    frame = frame.merge(known.reset_index(), on=["model", "compressor"], how="left")
    frame["variant"] = frame["model"] + "+" + frame["compressor"]
    frame = _with_beside(board, frame, names)
    frame["family"] = frame["model"].map(models["family"])
    frame["parameters"] = frame["model"].map(models["parameters"])
    control = frame["model"].map(models["control"])
    compressed = np.where(frame["compressor"] == "none", "base", "compressed")
    # What was not measured is taken as 16 bits a weight, which controls and bases have.
    weights = frame.get("bytes", math.nan)
    frame["mebibytes"] = np.where(np.isfinite(weights), weights, 2 * frame["parameters"]) / 2**20
    frame["kind"] = np.where(control != "", "control", compressed)
    frame["group"] = np.where(control != "", control, compressed)
    grouped = dict(iter(frame.drop(columns="status").groupby("benchmark", sort=False)))
    return {
        name: grouped[name].drop(columns="benchmark").sort_values("value", ascending=lower[name])
        for name in names
        if name in grouped
    }


def _with_answers(
    cells: Mapping[str, pd.DataFrame], said: Mapping[str, xr.Dataset]
) -> dict[str, pd.DataFrame]:
    """Add the change from the base with its outcome, and where a variant stands to the best."""
    found = {}
    for name, frame in cells.items():
        base = frame[frame["compressor"] == BASE].set_index("model")["value"]
        change = frame["value"] - frame["model"].map(base)
        frame = frame.assign(
            change=change.where(frame["compressor"] != BASE),
            change_low=math.nan,
            change_high=math.nan,
            outcome="",
            standing="",
        )
        # Draws of a calibration text are tested together.
        pooled = frame["compressor"].str.partition("#")[0]
        at = pd.MultiIndex.from_arrays([frame["model"], pooled])
        robust = robustness_table(said["robustness"], name, said["smallest"])
        if len(robust):
            known = robust.set_index(["model", "compressor"])
            for column, source in (
                ("change", "difference"), ("change_low", "low90"), ("change_high", "high90"),
            ):  # fmt: skip
                frame[column] = known[source].reindex(at).to_numpy()
            frame["outcome"] = known["outcome"].reindex(at).fillna("").to_numpy()
        smallest = said["smallest"]
        if "benchmark" in smallest.dims and name in smallest["benchmark"].values:
            own = smallest["standing"].sel(benchmark=name).to_series()
            frame["standing"] = own.reindex(at).fillna("").to_numpy()
        found[name] = frame
    return found


def _with_beside(board: xr.DataTree, frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Add the unique part, its interval and share of the ceiling, and what nuisance reaches."""
    beside = {name: beside_value(detail(board, name)) for name in names}
    for column in dict.fromkeys(c for of in beside.values() for c in of):
        frame[column] = [
            beside[benchmark].get(column, {}).get(variant, math.nan)
            for benchmark, variant in zip(frame["benchmark"], frame["variant"], strict=True)
        ]
    return frame
