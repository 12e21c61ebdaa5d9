"""The tables behind a page's figures, taken from a board and its answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
import xarray as xr

from harness.board.answers import DRAWS, answer
from harness.board.answers.alignment import detail, mean_present, region_scores, selected
from harness.board.columns import beside_value
from harness.spec.direction import lower_is_better
from harness.spec.layout import CURVE, KINDS, NUMBERS
from harness.spec.measures import ScoreMeasure, headline_of
from harness.stats.replicates import replicate_of

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
    """

    benchmarks: tuple[str, ...]
    tables: Mapping[str, Mapping[str, pd.DataFrame]]
    answers: Mapping[str, xr.Dataset]
    metrics: Mapping[str, str]
    lower: Mapping[str, bool]
    headlines: Mapping[str, ScoreMeasure]
    notes: tuple[str, ...]


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
    tables = {
        "cells": _cells(board, names, lower),
        "layers": _by(names, lambda n: _layers(board, n)),
        "rois": _by(names, lambda n: _rois(board, n)),
        "robustness": _by(names, lambda n: _robustness(said["robustness"], n)),
        "categories": _by(names, lambda n: _categories(said["profile"], n)),
        "dissociation": _by(names, lambda n: _dissociation(said["dissociation"], n)),
    }
    headlines = {name: headline_of(about.sel(benchmark=name)) for name in names}
    return PageData(tuple(names), tables, said, metrics, lower, headlines, tuple(notes))


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
    frame = frame[np.isfinite(frame["value"])]
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


def _with_beside(board: xr.DataTree, frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Add the unique part, its interval and share of the ceiling, and what nuisance reaches."""
    beside = {name: beside_value(detail(board, name)) for name in names}
    for column in dict.fromkeys(c for of in beside.values() for c in of):
        frame[column] = [
            beside[benchmark].get(column, {}).get(variant, math.nan)
            for benchmark, variant in zip(frame["benchmark"], frame["variant"], strict=True)
        ]
    return frame


def _layers(board: xr.DataTree, name: str) -> pd.DataFrame:
    known = detail(board, name)
    if known is None or not CURVE.fits(known):
        return pd.DataFrame()
    curve = known[CURVE.name]
    over = [d for d in curve.dims if d not in ("variant", "layer")]
    values = curve.transpose("variant", "layer", *over).values
    curves = mean_present(values.reshape(*values.shape[:2], -1), axis=2)
    variant = np.repeat(known["variant"].values.astype(object), curves.shape[1])
    layer = np.tile(known["layer"].values, curves.shape[0])
    frame = pd.DataFrame({"variant": variant, "layer": layer, "score": curves.ravel()})
    return frame[np.isfinite(frame["score"])]


def _rois(board: xr.DataTree, name: str) -> pd.DataFrame:
    known = detail(board, name)
    replicate = replicate_of(known)
    if known is None or replicate is None:
        return pd.DataFrame()
    scores = region_scores(known, replicate)
    if scores is None:
        return pd.DataFrame()
    values = scores.transpose(replicate.dim, "variant", "roi").values
    n = len(values)
    mean = mean_present(values, axis=0)
    half = np.zeros_like(mean)
    if n > 1:
        half = scipy.stats.t.ppf(0.975, n - 1) * np.nanstd(values, axis=0, ddof=1) / math.sqrt(n)
    ceiling = np.full_like(mean, math.nan)
    if replicate.ceilings in known:
        each = known[replicate.ceilings].transpose(replicate.dim, "variant", "roi").values
        ceiling = mean_present(each, axis=0)
    variants, rois = known["variant"].values.astype(object), known["roi"].values.astype(object)
    return pd.DataFrame(
        {
            "variant": np.repeat(variants, len(rois)),
            "roi": np.tile(rois, len(variants)),
            "mean": mean.ravel(),
            "low": (mean - half).ravel(),
            "high": (mean + half).ravel(),
            "ceiling": ceiling.ravel(),
        }
    )


def _robustness(said: xr.Dataset, name: str) -> pd.DataFrame:
    if "benchmark" not in said.dims or name not in said["benchmark"].values:
        return pd.DataFrame()
    columns = ["difference", "low90", "high90", "p_holm", "p_equivalence_holm", "dz", "n"]
    frame = said[[*columns, "outcome"]].sel(benchmark=name).to_dataframe().reset_index()
    frame = frame[np.isfinite(frame["difference"])].drop(columns="benchmark")
    frame["variant"] = frame["model"] + "+" + frame["compressor"]
    order = frame.groupby("compressor")["difference"].transform("mean")
    return frame.loc[order.sort_values(ascending=False, kind="stable").index]


def _categories(said: xr.Dataset, name: str) -> pd.DataFrame:
    if "linguistic" not in said.dims or name not in said["linguistic"].values:
        return pd.DataFrame()
    columns = ["score", "low", "high", "change", "change_low", "change_high", "standardised", "p"]
    own = said[columns].sel(linguistic=name)
    own = own.transpose("model", "compressor", "category")
    frame = own.to_dataframe().reset_index().drop(columns="linguistic")
    frame = frame[np.isfinite(frame["score"])]
    frame["variant"] = frame["model"] + "+" + frame["compressor"]
    mean = frame.groupby("variant")["score"].transform("mean")
    return frame.assign(mean=mean).sort_values("mean", ascending=False, kind="stable")


def _dissociation(said: xr.Dataset, name: str) -> pd.DataFrame:
    if "benchmark" not in said.dims or name not in said["benchmark"].values:
        return pd.DataFrame()
    columns = ["competence_change", "competence_low", "competence_high", "alignment_change"]
    columns += ["alignment_low", "alignment_high", "difference", "p", "dissociates"]
    frame = said[columns].sel(benchmark=name).to_dataframe().reset_index()
    frame = frame[np.isfinite(frame["difference"])].drop(columns="benchmark")
    frame["variant"] = frame["model"] + "+" + frame["compressor"]
    return frame
