"""Boards as Markdown, LaTeX, CSV and JSON, read back."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
import xarray as xr
from simulated_boards import Truth, simulate

from harness.report.board_text import Format, board_text
from harness.report.board_view import board_columns

HOSTILE = "=a_1|*b*\\~^{}&%$#<script>"
TRUTH = Truth({"a-1": ("a", 1e8, 0.25)}, {"rtn-int4": 0.0}, linguistic=1)


@pytest.fixture
def board() -> xr.DataTree:
    return simulate(TRUTH)


def test_a_table_in_markdown_says_what_the_terminal_says(board: xr.DataTree) -> None:
    said = board_text(board, Format.MARKDOWN, ["pairs-00"]).splitlines()
    cells = board["cells"].to_dataset().sel(benchmark="pairs-00")
    title, rows, columns = board_columns(board, cells, "pairs-00")
    assert said[0] == f"**{title}**"
    table = [[cell.strip() for cell in f" {line[1:-1]} ".split(" | ")] for line in said[2:]]
    assert table[0] == [column.head for column in columns]
    assert len(table) == 2 + len(rows)
    for number, row in enumerate(table[2:]):
        assert row == [column.cells[number] for column in columns]


def test_every_benchmark_has_a_table(board: xr.DataTree) -> None:
    names = board["cells"]["benchmark"].values
    assert board_text(board, Format.LATEX).count(r"\begin{tabular}") == len(names) > 1


def test_latex_has_as_many_columns_as_it_declares(board: xr.DataTree) -> None:
    for table in board_text(board, Format.LATEX).split("\n\n"):
        declared = len(table.split(r"\begin{tabular}{")[1].split("}")[0])
        rows = [line for line in table.splitlines() if line.endswith(r"\\")]
        assert rows
        assert all(row.count(" & ") == declared - 1 for row in rows)
        assert r"\toprule" in table


@pytest.mark.parametrize("form", [Format.MARKDOWN, Format.LATEX, Format.CSV, Format.JSON])
def test_what_strangers_wrote_is_text(board: xr.DataTree, form: Format) -> None:
    names = {"a-1": HOSTILE}
    groups = {path: node.to_dataset() for path, node in board.subtree_with_keys}
    for path, group in groups.items():
        if "model" in group.coords and group["model"].ndim == 1 and "model" in group.dims:
            named = np.array([names.get(str(m), str(m)) for m in group["model"].values], object)
            groups[path] = group.assign_coords(model=named)
    said = board_text(xr.DataTree.from_dict(groups), form, ["pairs-00"])
    if form is Format.MARKDOWN:
        assert "\\|\\*b\\*\\\\" in said
        assert "\\<script>" in said
    elif form is Format.LATEX:
        assert r"=a\_1|*b*\textbackslash{}\textasciitilde{}\textasciicircum{}\{\}\&\%\$\#" in said
    elif form is Format.CSV:
        models = {row["model"] for row in csv.DictReader(io.StringIO(said))}
        assert f"'{HOSTILE}" in models
    else:
        assert HOSTILE in {cell["model"] for cell in json.loads(said)}


def test_json_and_csv_hold_the_cells(board: xr.DataTree) -> None:
    cells = json.loads(board_text(board, Format.JSON))
    rows = list(csv.DictReader(io.StringIO(board_text(board, Format.CSV))))
    every = board["cells"].to_dataset()
    assert len(cells) == len(rows) == every["value"].size
    for cell, row in zip(cells, rows, strict=True):
        at = {d: cell[d] for d in ("model", "compressor", "benchmark")}
        value = float(every["value"].sel(at))
        assert cell["value"] == (value if np.isfinite(value) else None)
        assert at == {d: row[d] for d in at}
    assert "NaN" not in board_text(board, Format.JSON)
