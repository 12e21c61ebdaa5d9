"""Boards as files: netCDF to keep, CSV and Parquet to take elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from harness.board.assemble import SCHEMA
from harness.errors import CorruptError, StoreError
from harness.spec.names import nearest
from harness.store.atomic import writing
from harness.store.netcdf import write_netcdf

LARGE = 2**16
"""Bytes of a variable from which it is packed: smaller ones take longer to unpack than to read."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet computes."""
PACKED = {"zlib": True, "complevel": 1, "shuffle": True}
"""Higher levels take several times as long for a few percent."""


def save_board(board: xr.DataTree, path: Path) -> Path:
    """Write a board as netCDF, whole or not at all; the same board is the same bytes.

    Large arrays of numbers are packed without loss (zlib).

    Raises
    ------
    StoreError
        The folder is read-only or full.
    """
    encoding = _packing(board)
    write_netcdf(
        Path(path), lambda beside: board.to_netcdf(beside, engine="netcdf4", encoding=encoding)
    )
    return Path(path)


def _packing(board: xr.DataTree) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the encoding of each large variable, by group: one chunk, as boards are read whole."""
    return {
        node.path: {
            str(name): PACKED | {"chunksizes": variable.shape}
            for name, variable in node.data_vars.items()
            if variable.dtype.kind in "fiu" and variable.nbytes >= LARGE
        }
        for node in board.subtree
    }


def open_board(path: Path | str) -> xr.DataTree:
    """Read a board into memory.

    Raises
    ------
    StoreError
        There is no such file, or it is a board of another version of the layout.
    CorruptError
        It does not read back, or is not a board.
    """
    path = Path(path)
    if not path.is_file():
        near = nearest(path.name, (other.name for other in path.parent.glob("*.nc")))
        hint = f"did you mean {path.parent / near[0]}?" if near else ""
        raise StoreError(f"no board at {path}", hint or "`brainpress run quickstart` makes one")
    try:
        with xr.open_datatree(path, engine="netcdf4") as tree:
            board = tree.load()
    except (OSError, RuntimeError, ValueError, AttributeError) as error:
        made = path.suffix == ".nc"
        raise CorruptError(
            f"{path} does not read back as a board: {error}",
            "run the same command again: the board is made anew from the store"
            if made
            else "a board is a netCDF file: STORE/board.nc, leaderboard/board.nc",
        ) from error
    if "cells" not in board.children:
        raise CorruptError(f"{path} is a netCDF file, but no board: it has no /cells")
    schema = int(board.attrs.get("schema", SCHEMA))
    if schema != SCHEMA:
        raise StoreError(
            f"{path} is a board of layout {schema}; this brainpress reads layout {SCHEMA}",
            "upgrade brainpress"
            if schema > SCHEMA
            else "run the same command again: the board is made anew from the store",
        )
    return board


def table(board: xr.DataTree) -> pd.DataFrame:
    """Return a board's cells as a table, one row a cell.

    Columns: model, compressor, benchmark, value, interval, ceiling, status, reason, timings, key,
    provenance, and what is known of the variant's size.
    """
    cells = board["cells"].to_dataset().to_dataframe().reset_index()
    size = board["compression"].to_dataset().drop_vars(["seconds", "peak_memory"])
    cells = cells.merge(size.to_dataframe().reset_index(), on=["model", "compressor"], how="left")
    simulated = board["benchmarks"].to_dataset()["simulated"].to_dataframe().reset_index()
    return cells.merge(simulated, on="benchmark", how="left")


def inert(value: Any) -> Any:
    """Return a cell of a CSV file that no spreadsheet takes for a formula.

    A text that begins as one does gets an apostrophe before it, as spreadsheets write it
    themselves; numbers stay numbers.
    """
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def export(board: xr.DataTree, path: Path) -> Path:
    """Write a board's cells as ``.csv`` or ``.parquet``, by the ending of the name.

    Raises
    ------
    StoreError
        The ending is neither, or the folder cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".csv", ".parquet"):
        raise StoreError(f"cannot export to {path.name}", "the name must end in .csv or .parquet")
    with writing(path) as beside:
        if path.suffix == ".csv":
            table(board).map(inert).to_csv(beside, index=False)
        else:
            table(board).to_parquet(beside, index=False)
    return path
