"""From a board to the entries that are handed in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import PurePath
from typing import Any

import numpy as np
import xarray as xr

from harness.board.submission.detail import without_raw
from harness.board.submission.entry import Entry
from harness.board.submission.schema import BENCHMARK, COMPRESSOR, MODEL, NUMBERS
from harness.errors import SubmissionError
from harness.runner.status import Status
from harness.spec.names import nearest, split_settings
from harness.spec.registry import Registry, Shelf


@dataclass(frozen=True)
class Offer:
    """Who hands in what.

    Parameters
    ----------
    name, contact : str
        Of the submitter.
    note : str
        What a maintainer should know; what a correction corrects.
    revision : int
        1; more for results that take the place of accepted ones.
    models, benchmarks : tuple of str
        Names and globs; none: all.
    maps : bool
        Whether voxel maps are handed in.
    """

    name: str
    contact: str
    note: str = ""
    revision: int = 1
    models: tuple[str, ...] = ()
    benchmarks: tuple[str, ...] = ()
    maps: bool = False


def entries_of(board: xr.DataTree, offer: Offer, registry: Registry) -> list[Entry]:
    """Cut a board into entries, one for each model on each benchmark that has a result.

    Parameters
    ----------
    board : DataTree
        See :func:`harness.board.assemble.assemble`.
    offer : Offer
    registry : Registry
        Says where each plugin comes from.

    Raises
    ------
    SubmissionError
        There is nothing to hand in, or a pattern matches nothing.
    """
    cells = board["cells"].to_dataset()
    found = []
    for benchmark in _chosen(cells["benchmark"], offer.benchmarks):
        for model in _chosen(cells["model"], offer.models):
            entry = _entry(board, cells, model, benchmark, offer, registry)
            if entry is not None:
                found.append(entry)
    if not found:
        raise SubmissionError(
            "the board has no finished cell to hand in",
            "`brainpress board` shows what it has; -m and -b choose models and benchmarks",
        )
    return found


def _chosen(axis: xr.DataArray, patterns: Sequence[str]) -> list[str]:
    names = [str(name) for name in axis.values]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            near = nearest(pattern, names)
            raise SubmissionError(
                f"the board has no {axis.name} {pattern!r}",
                f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(names)}",
            )
    return [n for n in names if not patterns or any(fnmatchcase(n, p) for p in patterns)]


def _entry(
    board: xr.DataTree,
    cells: xr.Dataset,
    model: str,
    benchmark: str,
    offer: Offer,
    registry: Registry,
) -> Entry | None:
    rows = [
        _cell(board, cells.sel(model=model, benchmark=benchmark, compressor=compressor))
        for compressor in cells["compressor"].values
    ]
    kept = sorted((r for r in rows if r is not None), key=lambda r: str(r["compressor"]["name"]))
    done = [row for row in kept if Status(row["status"]).has_score]
    if not done:
        return None
    about = _row(board["models"].to_dataset().sel(model=model), MODEL)
    about |= {"name": model, "source": public_source(str(about["source"]))}
    about["revision"] = str(done[0]["provenance"].get("revision", about["revision"]))
    # A score is found by its content: one that was computed under another name of the same weights
    # names that one. What is handed in is the model as this board calls it.
    for row in done:
        named = {name: about[name] for name in ("source", "revision")}
        row["provenance"] |= named | {"model": model, "compressor": row["compressor"]["name"]}
    measured = _row(board["benchmarks"].to_dataset().sel(benchmark=benchmark), BENCHMARK)
    measured["name"] = benchmark
    said: dict[str, Any] = {
        "submitter": {"name": offer.name, "contact": offer.contact},
        "note": offer.note,
        "revision": offer.revision,
        "harness": version("brainpress"),
        "model": about,
        "benchmark": measured,
        "cells": kept,
        "plugins": [
            *_plugin(registry.models, model),
            *_plugin(registry.benchmarks, benchmark),
            *(p for row in done for p in _plugin(registry.compressors, row["compressor"]["name"])),
        ],
    }
    return Entry.make(said, _detail(board, str(measured["kind"]), benchmark, model, offer.maps))


def _cell(board: xr.DataTree, at: xr.Dataset) -> dict[str, Any] | None:
    status = Status.read(str(at["status"].item()))
    if not status.handed_in:
        return None
    compressor = str(at["compressor"].item())
    provenance = json.loads(at["provenance"].item() or "{}")
    if "source" in provenance:
        provenance["source"] = public_source(str(provenance["source"]))
    about = board["compressors"].to_dataset().sel(compressor=compressor)
    spent = board["compression"].to_dataset()
    return {
        "compressor": {**_row(about, COMPRESSOR), "name": compressor},
        "status": status,
        "reason": str(at["reason"].item()),
        "key": str(at["key"].item()),
        "provenance": _facts(provenance),
        "compression": {
            str(name): value
            for name, column in spent.data_vars.items()
            if (value := _plain(column.sel(model=at["model"], compressor=compressor))) is not None
        },
        **{name: _plain(at[name]) if name in at else None for name in NUMBERS},
    }


def _facts(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what JSON says of numbers and text; a number that is none (NaN) goes."""
    return {
        name: value
        for name, value in provenance.items()
        if not (isinstance(value, float) and not math.isfinite(value))
    }


def _row(at: xr.Dataset, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {field: _plain(at[field]) for field in fields if field in at}


def _plain(value: xr.DataArray) -> Any:
    item = value.item()
    if isinstance(item, float) and not math.isfinite(item):
        return None
    return item


def public_source(source: str) -> str:
    """Leave out where on the submitter's disk a model lies: a bundle has the path's last part."""
    scheme, _, rest = source.partition(":")
    path = PurePath(rest)
    return f"file:{path.name}" if scheme == "file" and path.is_absolute() else source


def _detail(
    board: xr.DataTree, kind: str, benchmark: str, model: str, maps: bool
) -> xr.Dataset | None:
    if kind not in board.children or benchmark not in board[kind].children:
        return None
    dataset = board[f"{kind}/{benchmark}"].to_dataset()
    mine = dataset.isel(variant=np.flatnonzero(dataset["model"].values == model))
    mine = mine.swap_dims(variant="compressor").drop_vars(["variant", "model"])
    mine = without_raw(mine.sortby("compressor"), maps)
    # A board has the layers of its deepest model; this one has its own.
    return mine.dropna("layer", how="all") if "layer" in mine.dims else mine


def _plugin(shelf: Shelf[Any], name: str) -> list[dict[str, str]]:
    """Say which package brought a plugin, and where its source is."""
    for head in ("untrained:", "static:"):
        name = name.removeprefix(head)
    name = name if name in shelf.origins else split_settings(name)[0]
    origin = shelf.origins.get(name.partition("#")[0], "")
    package, _, release = origin.partition(" ")
    if not package:
        return []
    return [
        {
            "kind": shelf.kind,
            "name": name.partition("#")[0],
            "distribution": package,
            "version": release,
            "address": _address(package),
        }
    ]


def _address(package: str) -> str:
    """Return where a distribution's source is: the commit it was installed from, or its page."""
    try:
        found = distribution(package)
    except PackageNotFoundError:
        return ""
    installed = json.loads(found.read_text("direct_url.json") or "{}")
    commit = installed.get("vcs_info", {}).get("commit_id")
    if commit:
        return f"{installed['url']}@{commit}"
    urls = [u.partition(",")[2].strip() for u in found.metadata.get_all("Project-URL") or []]
    pages = found.metadata.get_all("Home-page") or []
    return next((u for u in [*urls, *pages] if u.startswith("https:")), "")
