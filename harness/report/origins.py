"""Where every number of a board is from: what reproduces it, and who handed it in."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd
import xarray as xr

_TAKEN = ("benchmark_version", "compressor_seed", "score_seed", "dtype", "device")


def origins(board: xr.DataTree, benchmark: str, variants: Sequence[str]) -> pd.DataFrame:
    """Return where the numbers of some variants are from.

    Parameters
    ----------
    board : DataTree
    benchmark : str
    variants : sequence of str
        ``MODEL+COMPRESSOR``.

    Returns
    -------
    DataFrame
        A row a variant: ``variant``, ``benchmark_version``, ``compressor_seed``, ``score_seed``,
        ``dtype``, ``device``, ``versions``, ``revision``, ``source``, ``key``, ``submitter``,
        ``entry``; empty texts for what the board does not know. A path of the submitter's disk is
        cut to its last part.
    """
    cells = board["cells"].to_dataset().sel(benchmark=benchmark)
    rows = []
    for variant in variants:
        model, _, compressor = variant.rpartition("+")
        cell = cells.sel(model=model, compressor=compressor)
        known = _record(str(cell["provenance"].item()) if "provenance" in cell else "")
        row = {"variant": variant} | {name: _said(known.get(name)) for name in _TAKEN}
        versions = known.get("versions")
        of = _record(versions if isinstance(versions, str) else "")
        row["versions"] = ", ".join(f"{name} {_said(v)}" for name, v in sorted(of.items()))
        row["revision"] = _said(known.get("revision"))
        row["source"] = without_folders(_said(known.get("source")))
        for name in ("key", "submitter", "entry"):
            row[name] = str(cell[name].item()) if name in cell else ""
        rows.append(row)
    return pd.DataFrame(rows)


def without_folders(source: str) -> str:
    """Cut a path on somebody's disk to its last part: ``file:/home/ada/m`` is ``file:m``."""
    kind, colon, rest = source.partition(":")
    if kind not in ("file", "data") and not source.startswith(("/", "~")):
        return source
    if not colon or kind not in ("file", "data"):
        kind, rest = "", source
    name = rest.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return f"{kind}:{name}" if kind else name


def _record(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _said(value: object) -> str:
    return "" if value is None else str(value)
