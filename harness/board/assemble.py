"""From the scores in a store to a board."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from harness.board.profile import with_profile
from harness.errors import CorruptError, HarnessError
from harness.runner.cells import Cell, Variant
from harness.runner.options import Overwrite
from harness.runner.plan import Plan
from harness.runner.status import NOT_ASKED, Status
from harness.spec.direction import CALIBRATED, LOWER
from harness.spec.layout import NUMBERS
from harness.spec.measures import HEADLINE, WHY, ScoreMeasure
from harness.spec.specs import BenchmarkSpec, CompressorSpec, ModelSpec
from harness.store.store import Kind, Store

SCHEMA = 1
"""Version of the board's layout."""

WIDTH = "width"
"""Of a model, units of a hidden state."""
TIMINGS = ("record_seconds", "score_seconds", "peak_memory")
COMPRESSION = (
    "bits_per_weight",
    "bits_per_weight_model",
    "coverage",
    "sparsity",
    "sparsity_model",
    "bytes_base",
    "bytes_packed",
    "ratio",
    "weight_error",
    "output_error",
    "perplexity_before",
    "perplexity",
    "bits_per_byte_before",
    "bits_per_byte",
    "parameters",
    "seconds",
    "peak_memory",
)
MEASURED = ("tokens_per_second",)
"""What is in ``/compression`` only where somebody measured it."""


def read_scores(
    plan: Plan, cells: Sequence[Cell], store: Store
) -> tuple[tuple[Cell, ...], dict[str, xr.Dataset]]:
    """Read the scores of cells that are done, and see that the reports of their variants are there.

    Returns
    -------
    cells : tuple of Cell
        As given; those whose score, or whose variant's report, is damaged or gone are to do again.
    scores : dict
        Scores by key.
    """
    scores: dict[str, xr.Dataset] = {}
    sound: list[Cell] = []
    reported: set[str] = set()
    for cell in cells:
        if cell.status is Status.DONE:
            try:
                scores[cell.key] = store.read(Kind.SCORE, cell.key)
                if plan.options.overwrite is not Overwrite.NEVER:
                    _see_report(plan, cell, store, reported)
            except CorruptError as error:
                cell = replace(cell, status=Status.TODO, reason=error.message)
        sound.append(cell)
    return tuple(sound), scores


def _see_report(plan: Plan, cell: Cell, store: Store, seen: set[str]) -> None:
    """Hold the report of a cell's variant against its seal, once; one that is gone is damaged."""
    key = plan.keys(cell.variant).variant
    if key in seen:
        return
    if not store.has(Kind.COMPRESSION, key):
        raise CorruptError(f"the report of {cell.variant.name} is not in the store")
    store.check(Kind.COMPRESSION, key)
    seen.add(key)


def assemble(
    plan: Plan, cells: Sequence[Cell], store: Store, stored: Mapping[str, xr.Dataset]
) -> xr.DataTree:
    """Put the cells of a run on a board.

    Parameters
    ----------
    plan : Plan
    cells : sequence of Cell
        The cells as they ended.
    store : Store
        Where the reports of compressors are.
    stored : mapping
        Scores by key, from :func:`read_scores`.

    Returns
    -------
    DataTree
        ``/cells`` (model, compressor, benchmark): value, interval, ceiling, status, reason,
        provenance; ``/models``, ``/compressors``, ``/benchmarks``: what is known of each;
        ``/compression`` (model, compressor): what each compressor did, and ``tokens_per_second``
        (tokens through the model over the wall time of its forward passes, all its recordings
        together, on the machine that made them); ``/neural/NAME``
        (variant, participant, roi, layer) and ``/linguistic/NAME`` (variant, task): the detail;
        ``/profile`` (linguistic, category, model, compressor): what every variant can do.
    """
    models = _unique(c.variant.model for c in cells)
    compressors = _unique(c.variant.compressor for c in cells)
    benchmarks = _unique(c.benchmark for c in cells)
    scores: dict[str, list[tuple[Cell, xr.Dataset]]] = {b.name: [] for b in benchmarks}
    frame = _Frame(models, compressors, benchmarks)
    speeds = _Speeds({}, {})
    for cell in cells:
        score = stored.get(cell.key) if cell.status is Status.DONE else None
        frame.put(cell, score)
        speeds.add(cell, score)
        if score is not None:
            scores[cell.benchmark.name].append((cell, score))
    groups: dict[str, xr.Dataset] = {
        "/": xr.Dataset(attrs={"title": "brainpress board", "schema": SCHEMA}),
        "/cells": frame.dataset(),
        "/models": _models(models, plan),
        "/compressors": _compressors(compressors),
        "/benchmarks": _benchmarks(benchmarks),
        "/compression": _compression(models, compressors, plan, store, speeds),
    }
    for benchmark in benchmarks:
        if scores[benchmark.name]:
            groups[f"/{benchmark.kind}/{benchmark.name}"] = _detail(scores[benchmark.name])
    return with_profile(xr.DataTree.from_dict(groups))


def _unique(specs: Any) -> list[Any]:
    return list({s.name: s for s in specs}.values())


class _Frame:
    """The dense part of a board: one number, text or key a cell."""

    def __init__(
        self,
        models: list[ModelSpec],
        compressors: list[CompressorSpec],
        benchmarks: list[BenchmarkSpec],
    ) -> None:
        self.coords = {
            "model": texts(s.name for s in models),
            "compressor": texts(s.name for s in compressors),
            "benchmark": texts(s.name for s in benchmarks),
        }
        shape = tuple(len(v) for v in self.coords.values())
        self.numbers = {name: np.full(shape, math.nan) for name in (*NUMBERS, *TIMINGS)}
        self.texts = {
            name: np.full(shape, "", object) for name in ("status", "reason", "key", "provenance")
        }
        self.texts["status"][...] = str(Status.TODO)  # of a suite in parts, not all is asked for
        self.texts["reason"][...] = NOT_ASKED

    def put(self, cell: Cell, score: xr.Dataset | None) -> None:
        names = (cell.variant.model.name, cell.variant.compressor.name, cell.benchmark.name)
        at = tuple(
            int(np.flatnonzero(v == n)[0]) for v, n in zip(self.coords.values(), names, strict=True)
        )
        self.texts["status"][at] = str(cell.status)
        self.texts["reason"][at] = cell.reason
        self.texts["key"][at] = cell.key
        if score is None:
            return
        for name in NUMBERS:
            if name in score:
                self.numbers[name][at] = float(score[name])
        for name in TIMINGS:
            self.numbers[name][at] = float(score.attrs.get(name, math.nan))
        said = {k: v.item() if hasattr(v, "item") else v for k, v in score.attrs.items()}
        self.texts["provenance"][at] = json.dumps(said, sort_keys=True)

    def dataset(self) -> xr.Dataset:
        dims = tuple(self.coords)
        values = {name: (dims, array) for name, array in (self.numbers | self.texts).items()}
        return xr.Dataset(values, coords=self.coords)


@dataclass(frozen=True)
class _Speeds:
    """Tokens that went through each variant, and the wall time (s) they took."""

    tokens: dict[tuple[str, str], float]
    seconds: dict[tuple[str, str], float]

    def add(self, cell: Cell, score: xr.Dataset | None) -> None:
        """Count what one score's recordings took, if that was measured."""
        said = {} if score is None else score.attrs
        if "forward_seconds" not in said:
            return
        at = (cell.variant.model.name, cell.variant.compressor.name)
        self.tokens[at] = self.tokens.get(at, 0.0) + float(said["tokens"])
        self.seconds[at] = self.seconds.get(at, 0.0) + float(said["forward_seconds"])

    def of(self, model: str, compressor: str) -> float:
        """Tokens a second; NaN where it was not measured."""
        at = (model, compressor)
        return self.tokens[at] / self.seconds[at] if at in self.tokens else math.nan


def compression_columns(
    models: Sequence[str], compressors: Sequence[str]
) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """Return empty columns of ``/compression``, for :func:`compression_dataset`."""
    shape = (len(models), len(compressors))
    return {name: np.full(shape, math.nan) for name in (*COMPRESSION, *MEASURED)}


def compression_dataset(
    columns: Mapping[str, np.ndarray[Any, np.dtype[np.float64]]],
    models: Sequence[str],
    compressors: Sequence[str],
) -> xr.Dataset:
    """Make the group ``/compression``; what nobody measured is not in it."""
    return xr.Dataset(
        {
            name: (("model", "compressor"), column)
            for name, column in columns.items()
            if name not in MEASURED or np.isfinite(column).any()
        },
        coords={"model": texts(models), "compressor": texts(compressors)},
    )


def _detail(scores: list[tuple[Cell, xr.Dataset]]) -> xr.Dataset:
    variants = [cell.variant for cell, _ in scores]
    names = [(variant.model.name, variant.compressor.name) for variant in variants]
    return join_variants([_bare(score) for _, score in scores], names)


def join_variants(parts: Sequence[xr.Dataset], variants: Sequence[tuple[str, str]]) -> xr.Dataset:
    """Join the details of one benchmark along ``variant``; layers a model lacks are NaN.

    Parameters
    ----------
    parts : sequence of Dataset
        One a variant.
    variants : sequence of (str, str)
        Model and compressor of each.

    Returns
    -------
    Dataset
        With coordinates ``model`` and ``compressor`` by variant.
    """
    names = [f"{model}+{compressor}" for model, compressor in variants]
    joined = xr.concat(
        parts,
        dim=pd.Index(names, name="variant"),
        join="outer",
        coords="minimal",
        compat="override",
        data_vars="all",
    )
    return joined.assign_coords(
        variant=("variant", texts(names)),
        model=("variant", texts(model for model, _ in variants)),
        compressor=("variant", texts(compressor for _, compressor in variants)),
    )


def _bare(score: xr.Dataset) -> xr.Dataset:
    """Return what is not in ``/cells``, without attributes (``drop_attrs`` takes 40 ms a score)."""
    bare = score.drop_vars(NUMBERS, errors="ignore").copy(deep=False)
    bare.attrs = {}
    for variable in bare.variables.values():
        variable.attrs = {}
    return bare


def _models(models: list[ModelSpec], plan: Plan) -> xr.Dataset:
    def stored(spec: ModelSpec) -> float:
        files = plan.files.get(spec.name)
        return float(spec.parameters or (files.parameters if files else 0) or math.nan)

    fields = ("family", "source", "revision", "control", "base", "licence", "citation", "notes")
    return xr.Dataset(
        {
            "parameters": ("model", np.array([stored(s) for s in models])),
            WIDTH: ("model", np.array([_width(s, plan) for s in models])),
            "tags": ("model", texts(" ".join(s.tags) for s in models)),
        }
        | {name: ("model", texts(getattr(s, name) for s in models)) for name in fields},
        coords={"model": texts(s.name for s in models)},
    )


def _width(spec: ModelSpec, plan: Plan) -> float:
    """Units of a hidden state, as the model's configuration says; NaN where it is not known."""
    files = plan.files.get(spec.name)
    if files is None:
        return math.nan
    try:
        config = files.config
    except HarnessError:  # of a run that computed nothing: its files have gone
        return math.nan
    config = config.get("text_config") or config
    names = ("hidden_size", "n_embd", "d_model", "dim")
    return float(next((config[name] for name in names if config.get(name)), math.nan))


def _compressors(specs: list[CompressorSpec]) -> xr.Dataset:
    return xr.Dataset(
        {
            "method": ("compressor", texts(s.method for s in specs)),
            "options": (
                "compressor",
                texts(json.dumps(dict(s.options), sort_keys=True, default=str) for s in specs),
            ),
            CALIBRATED: ("compressor", np.array([int(s.calibrated) for s in specs])),
            "tags": ("compressor", texts(" ".join(s.tags) for s in specs)),
            "citation": ("compressor", texts(s.citation for s in specs)),
        },
        coords={"compressor": texts(s.name for s in specs)},
    )


def _benchmarks(specs: list[BenchmarkSpec]) -> xr.Dataset:
    fields = ("kind", "metric", "licence", "citation", "data", "notes", HEADLINE, WHY)
    return xr.Dataset(
        {
            "version": ("benchmark", np.array([s.version for s in specs])),
            "chance": ("benchmark", np.array([s.chance for s in specs], float)),
            "simulated": ("benchmark", np.array([int(s.simulated) for s in specs])),
            LOWER: ("benchmark", np.array([int(s.lower_is_better) for s in specs])),
        }
        | {m.margin_field: ("benchmark", _margins(specs, m)) for m in ScoreMeasure}
        | {name: ("benchmark", texts(getattr(s, name) for s in specs)) for name in fields},
        coords={"benchmark": texts(s.name for s in specs)},
    )


def _margins(
    specs: list[BenchmarkSpec], measure: ScoreMeasure
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Margins of equivalence; NaN where a benchmark states none."""
    stated = [spec.margin_of(measure) for spec in specs]
    return np.array([math.nan if margin is None else margin for margin in stated], np.float64)


def _compression(
    models: list[ModelSpec],
    compressors: list[CompressorSpec],
    plan: Plan,
    store: Store,
    speeds: _Speeds,
) -> xr.Dataset:
    names = [s.name for s in models], [s.name for s in compressors]
    columns = compression_columns(*names)
    for i, model in enumerate(models):
        if model.name not in plan.files:
            continue
        for j, compressor in enumerate(compressors):
            key = plan.keys(Variant(model, compressor)).variant
            if not store.has(Kind.COMPRESSION, key):
                continue
            try:
                said = store.read(Kind.COMPRESSION, key).attrs
            except CorruptError:  # of a run that was to compute nothing: it stays unknown
                continue
            for name in COMPRESSION:
                columns[name][i, j] = float(said.get(name, math.nan))
            columns["tokens_per_second"][i, j] = speeds.of(model.name, compressor.name)
    return compression_dataset(columns, *names)


def texts(values: Iterable[Any]) -> np.ndarray[Any, np.dtype[Any]]:
    """Texts as xarray stores them."""
    return np.array(list(values), dtype=object)
