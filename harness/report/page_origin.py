"""Where every number of a page comes from: what to type, who handed it in, what was recomputed."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np
import pandas as pd
import xarray as xr

from harness.board.answers.alignment import BASE
from harness.board.submission.records import Records

_SAID = {
    "seed": ("compressor_seed", "model_seed", "score_seed"),
    "place": ("device", "dtype", "context"),
    "source": ("source", "revision"),
}
_PATH = re.compile(r"(?:\b[A-Za-z]:)?(?:[\\/][^\s\\/:,;]+){2,}")
"""A path from a root: two folders deep, at least, so that a/b of a name is none."""


def cut_paths(text: str) -> str:
    """Cut absolute paths in a text to their last part: where data lie is nobody's business."""
    return "" if not text else _PATH.sub(_last, text)


def _last(found: re.Match[str]) -> str:
    start = found.start()
    before = found.string[max(0, start - 1) : start]
    if before and before not in " \t\n:=\"'(":  # within an address or a relative path
        return found[0]
    if before == ":" and found[0].startswith("//"):
        return found[0]
    return re.split(r"[\\/]", found[0])[-1]


def origins_table(board: xr.DataTree, name: str, records: Records | None = None) -> pd.DataFrame:
    """Collect where the numbers of one benchmark come from.

    Parameters
    ----------
    board : DataTree
    name : str
        Of the benchmark.
    records : Records, optional
        What a leaderboard keeps beside its board.

    Returns
    -------
    DataFrame
        A row a variant that has a value: ``variant``, ``command`` (what to type), ``seed``,
        ``place`` (device, dtype, context policy), ``source``, ``versions``, ``options``, ``key``,
        ``submitter``, ``entry``, ``day``, ``recomputed``, ``notes``; all of them text.
    """
    records = records or Records()
    cells = board["cells"].to_dataset().sel(benchmark=name)
    at = np.argwhere(np.isfinite(cells["value"].transpose("model", "compressor").values))
    columns = {
        n: cells[n].transpose("model", "compressor").values
        for n in ("provenance", "key", "submitter", "entry")
        if n in cells
    }
    models, compressors = cells["model"].values, cells["compressor"].values
    rows = []
    for i, j in at:
        cell = {n: str(values[i, j]) for n, values in columns.items()}
        rows.append(_row(str(models[i]), str(compressors[j]), name, cell, records))
    return pd.DataFrame(rows)


def _row(
    model: str, compressor: str, benchmark: str, cell: Mapping[str, str], records: Records
) -> dict[str, str]:
    said = _read(cell.get("provenance", ""))
    entry = cell.get("entry", "")
    found = {
        "variant": f"{model}+{compressor}",
        "command": _command(said, model, compressor, benchmark),
        "options": _options(said),
        "versions": _pairs(said.get("versions")),
        "stages": _pairs(said.get("stages")),
        "key": cell.get("key", ""),
        "submitter": cell.get("submitter", ""),
        "entry": entry,
        "day": records.days.get(entry, ""),
        "recomputed": _recomputed(records.findings.get((entry, compressor)), bool(records.entries)),
        "notes": cut_paths(str(said.get("notes", ""))),
    }
    for column, names in _SAID.items():
        parts = [f"{n.replace('_', ' ')} {said[n]}" for n in names if said.get(n) not in (None, "")]
        found[column] = cut_paths(", ".join(parts))
    return found


def _read(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text or "{}")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _mapping(said: Any) -> dict[str, Any]:
    return _read(said) if isinstance(said, str) else {}


def _pairs(said: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(_mapping(said).items()))


def _options(said: Mapping[str, Any]) -> str:
    """Say which options model, compressor and benchmark had; defaults included, where kept."""
    parts = [
        f"{what}: {', '.join(f'{k}={v}' for k, v in sorted(given.items()))}"
        for what in ("compressor", "benchmark", "encoding")
        if (given := _mapping(said.get(f"{what}_options")))
    ]
    return cut_paths("; ".join(parts))


def _command(said: Mapping[str, Any], model: str, compressor: str, benchmark: str) -> str:
    """Write the command that scores the cell, and its base, again."""
    name = str(said.get("model") or model)
    source = str(said.get("source", ""))
    # A file is named by its place on the submitter's disk, of which the last part is told.
    local = source.partition("#")[0]
    if local.startswith(("file:", "gguf:")) and not name.startswith(("file:", "gguf:")):
        name = _local(name, local)
    asked = str(said.get("benchmark") or benchmark)
    if "path" in _mapping(said.get("benchmark_options")):
        asked = "data:FOLDER"  # a submitter's own data
    wanted = compressor if compressor == BASE else f"{BASE},{compressor}"
    parts = ["brainpress", "run", "-m", name, "-b", asked, "-c", wanted]
    if said.get("dtype"):
        parts += ["--dtype", str(said["dtype"])]
    return shlex.join(parts)


def _local(name: str, local: str) -> str:
    """Name a model of a folder with the prefix that makes it one: static:NAME is of NAME."""
    scheme, _, place = local.partition(":")
    prefix, colon, _ = name.rpartition(":")
    seed = name.partition("#")[2] if "#" in name else ""
    where = re.split(r"[\\/]", place)[-1] if place.startswith(("/", "\\")) else place
    return f"{prefix}{colon}{scheme}:{where}" + (f"#{seed}" if seed else "")


def _recomputed(found: Mapping[str, Any] | None, kept: bool) -> str:
    """Say what a verification found of the cell."""
    if found is None:
        return "no: nobody has computed this cell again" if kept else ""
    outcome, reason = str(found.get("outcome", "")), str(found.get("reason", ""))
    known = [v for n in ("submitted", "computed", "tolerance") if _is_number(v := found.get(n))]
    if len(known) == 3:
        said = "handed in {:.6f}, computed {:.6f}, tolerance {:.4g}".format(*map(float, known))
        outcome = f"{outcome}: {said}"
    return f"{outcome}; {reason}" if reason else outcome


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float)
