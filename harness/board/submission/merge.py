"""From accepted entries to one board: the same entries are the same board, in whatever order."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from harness.board.assemble import (
    SCHEMA,
    WIDTH,
    compression_columns,
    compression_dataset,
    join_variants,
    texts,
)
from harness.board.profile import with_profile
from harness.board.submission.entry import Entry
from harness.board.submission.schema import BENCHMARK, COMPRESSOR, MODEL, NUMBERS
from harness.errors import SubmissionError
from harness.runner.status import Status
from harness.spec.direction import CALIBRATED, LOWER, lower_is_better, was_calibrated
from harness.spec.layout import NUMBERS as VALUES
from harness.spec.measures import MARGIN_FIELDS, UNSAID

Verified = Callable[[Entry, str], str]
"""Says of a cell, by entry and compressor: ``verified``, ``unverified`` or ``failed``."""

_NUMERIC = ("parameters", WIDTH, "chance", "margin", *MARGIN_FIELDS, "version", "simulated")


@dataclass(frozen=True)
class _Place:
    """A cell of the merged board."""

    model: str
    compressor: str
    benchmark: str
    entry: Entry
    cell: Mapping[str, Any]


def merge(entries: Sequence[Entry], verified: Verified = lambda *_: "unverified") -> xr.DataTree:
    """Put entries on one board.

    A cell that several entries have is that of the highest revision. Where two revisions of a model
    are on the board, each is named with its revision; an older version of a benchmark is named with
    its version.

    Parameters
    ----------
    entries : sequence of Entry
        Accepted ones, in any order.
    verified : callable
        What is known of a cell.

    Returns
    -------
    DataTree
        As :func:`harness.board.assemble.assemble` makes it, with three more variables in
        ``/cells``: ``verified``, ``submitter`` and ``entry``.

    Raises
    ------
    SubmissionError
        There are no entries.
    """
    if not entries:
        raise SubmissionError(
            "there is nothing to build a board from", "`brainpress board add BUNDLE` accepts some"
        )
    places = _places(entries)
    axes = {
        "model": sorted({p.model for p in places}),
        "compressor": sorted({p.compressor for p in places}, key=lambda c: (c != "none", c)),
        "benchmark": sorted({p.benchmark for p in places}),
    }
    about = {(p.model, p.benchmark): p.entry.record for p in places}
    models = {m: {WIDTH: None, **record["model"]} for (m, _), record in sorted(about.items())}
    benchmarks = {
        name: {
            **UNSAID,
            **record["benchmark"],
            LOWER: int(lower_is_better(record["benchmark"])),
        }
        for (_, name), record in sorted(about.items())
    }
    compressors = {
        p.compressor: {
            **p.cell["compressor"],
            CALIBRATED: int(was_calibrated(p.cell["compressor"])),
        }
        for p in places
    }
    groups: dict[str, xr.Dataset] = {
        "/": xr.Dataset(attrs={"title": "brainpress leaderboard", "schema": SCHEMA}),
        "/cells": _cells(places, axes, verified),
        "/models": _facts("model", axes["model"], models, MODEL),
        "/compressors": _facts("compressor", axes["compressor"], compressors, COMPRESSOR),
        "/benchmarks": _facts("benchmark", axes["benchmark"], benchmarks, BENCHMARK),
        "/compression": _compression(places, axes),
    }
    for name in axes["benchmark"]:
        detail = _detail([p for p in places if p.benchmark == name])
        if detail is not None:
            groups[f"/{benchmarks[name]['kind']}/{name}"] = detail
    return with_profile(xr.DataTree.from_dict(groups))


def _places(entries: Sequence[Entry]) -> list[_Place]:
    """Choose the entry of every cell, and name models and benchmarks."""
    best: dict[tuple[str, str], tuple[Entry, Mapping[str, Any]]] = {}
    for entry in sorted(entries, key=lambda e: (e.record["revision"], e.id)):
        for cell in entry.record["cells"]:
            best[entry.folder, cell["compressor"]["name"]] = (entry, cell)
    models = _distinct(
        ((e.record["model"]["name"], e.record["model"]["revision"]) for e, _ in best.values())
    )
    newest: dict[str, int] = {}
    for entry, _ in best.values():
        said = entry.record["benchmark"]
        newest[said["name"]] = max(said["version"], newest.get(said["name"], 0))
    places = []
    for (_, compressor), (entry, cell) in best.items():
        model, measured = entry.record["model"], entry.record["benchmark"]
        old = measured["version"] != newest[measured["name"]]
        places.append(
            _Place(
                models[model["name"], model["revision"]],
                compressor,
                measured["name"] + (f"@{measured['version']}" if old else ""),
                entry,
                cell,
            )
        )
    return sorted(places, key=lambda p: (p.benchmark, p.model, p.compressor))


def _distinct(names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Name models: by name, and with their revision where there are several."""
    pairs = sorted(set(names))
    count: dict[str, int] = {}
    for name, _ in pairs:
        count[name] = count.get(name, 0) + 1
    return {
        (name, revision): name if count[name] == 1 else f"{name}@{revision[:12]}"
        for name, revision in pairs
    }


def _cells(
    places: Sequence[_Place], axes: Mapping[str, list[str]], verified: Verified
) -> xr.Dataset:
    shape = tuple(map(len, axes.values()))
    numbers = {name: np.full(shape, math.nan) for name in NUMBERS}
    words = {
        name: np.full(shape, "", object)
        for name in ("status", "reason", "key", "provenance", "verified", "submitter", "entry")
    }
    words["status"][...] = str(Status.TODO)
    words["reason"][...] = "nobody has handed it in"
    index = {axis: {name: i for i, name in enumerate(names)} for axis, names in axes.items()}
    for p in places:
        names = zip(axes, (p.model, p.compressor, p.benchmark), strict=True)
        at = tuple(index[axis][name] for axis, name in names)
        for name in NUMBERS:
            if p.cell[name] is not None:
                numbers[name][at] = p.cell[name]
        said = {
            **{name: p.cell[name] for name in ("status", "reason", "key")},
            "provenance": json.dumps(p.cell["provenance"], sort_keys=True),
            "verified": verified(p.entry, p.cell["compressor"]["name"])
            if Status(p.cell["status"]).has_score
            else "",
            "submitter": p.entry.record["submitter"]["name"],
            "entry": p.entry.id,
        }
        for name, value in said.items():
            words[name][at] = value
    dims = tuple(axes)
    return xr.Dataset(
        {name: (dims, array) for name, array in (numbers | words).items()},
        coords={axis: texts(names) for axis, names in axes.items()},
    )


def _verified(place: _Place, verified: Verified) -> str:
    if not Status(place.cell["status"]).has_score:
        return ""
    return verified(place.entry, place.cell["compressor"]["name"])


def _facts(
    axis: str, names: list[str], about: Mapping[str, Mapping[str, Any]], fields: Iterable[str]
) -> xr.Dataset:
    columns: dict[str, Any] = {}
    for field in fields:
        found = [about[name][field] for name in names]
        if field == "name":
            continue
        if field in ("version", "simulated", LOWER, CALIBRATED):
            columns[field] = (axis, np.array(found, int))
        elif field in _NUMERIC:
            columns[field] = (axis, np.array([math.nan if v is None else v for v in found], float))
        else:
            columns[field] = (axis, texts(found))
    return xr.Dataset(columns, coords={axis: texts(names)})


def _compression(places: Sequence[_Place], axes: Mapping[str, list[str]]) -> xr.Dataset:
    """Return what each compressor did; of several benchmarks' reports, the first by name."""
    models, compressors = axes["model"], axes["compressor"]
    columns = compression_columns(models, compressors)
    for p in reversed(places):
        at = (models.index(p.model), compressors.index(p.compressor))
        for name, value in p.cell["compression"].items():
            if name in columns and isinstance(value, int | float):
                columns[name][at] = value
    return compression_dataset(columns, models, compressors)


def _detail(places: Sequence[_Place]) -> xr.Dataset | None:
    """Join the details of one benchmark along ``variant``; layers a model lacks are NaN."""
    parts, variants = [], []
    read = {p.entry.id: p.entry.dataset() for p in places}
    for p in places:
        dataset = read[p.entry.id]
        if dataset is None or not Status(p.cell["status"]).has_score:
            continue
        part = dataset.sel(compressor=p.compressor).drop_vars(
            ["compressor", *VALUES], errors="ignore"
        )
        parts.append(part)
        variants.append((p.model, p.compressor))
    if not parts:
        return None
    return join_variants(parts, variants)
