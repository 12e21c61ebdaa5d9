"""A board as text for other places: Markdown, LaTeX, CSV, JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.report.plain import plain

if TYPE_CHECKING:
    import xarray as xr

Rows = list[list[str]]


class Format(StrEnum):
    """How a board is printed."""

    TABLE = "table"
    MARKDOWN = "markdown"
    LATEX = "latex"
    """Tables of the package booktabs."""
    CSV = "csv"
    """One table of all cells, as ``--csv`` writes it."""
    JSON = "json"
    """A list of cells; a number that is not known is null."""


def board_text(board: xr.DataTree, form: Format, benchmarks: Sequence[str] | None = None) -> str:
    """Write a board as text.

    Parameters
    ----------
    board : DataTree
    form : Format
        Anything but ``table``, which :func:`harness.report.board_view.board_view` draws.
    benchmarks : sequence of str, optional
        Names and globs; all.

    Raises
    ------
    SelectionError
        A pattern selects no benchmark.
    """
    from harness.board.answers.alignment import selected
    from harness.board.files import inert, table
    from harness.report.board_view import board_columns

    chosen = selected(board, benchmarks)
    if form in (Format.CSV, Format.JSON):
        cells = table(board)
        cells = cells[cells["benchmark"].isin(chosen)]
        if form is Format.JSON:
            return json.dumps([_cell(row) for row in cells.to_dict("records")], indent=1)
        return str(cells.map(inert).to_csv(index=False)).rstrip("\n")
    write = _markdown if form is Format.MARKDOWN else _latex
    every = board["cells"].to_dataset()
    parts = []
    for name in chosen:
        title, rows, columns = board_columns(board, every.sel(benchmark=name), name)
        if rows:
            body = [list(cells) for cells in zip(*(c.cells for c in columns), strict=True)]
            parts.append(write(title, [column.head for column in columns], body))
    return "\n\n".join(parts)


def _cell(row: dict[str, object]) -> object:
    """Return a row of the table as JSON has it: the provenance as an object."""
    said = row.get("provenance")
    return plain(row | {"provenance": json.loads(str(said)) if said else None})


def _markdown(title: str, heads: list[str], body: Rows) -> str:
    def line(cells: list[str]) -> str:
        return f"| {' | '.join(_in_markdown(cell) for cell in cells)} |"

    rule = "|" + "|".join("---" if i < 2 else "--:" for i in range(len(heads))) + "|"
    return "\n".join([f"**{_in_markdown(title)}**", "", line(heads), rule, *map(line, body)])


def _in_markdown(text: str) -> str:
    for sign in ("\\", "|", "*", "_", "`", "<", "["):
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def _latex(title: str, heads: list[str], body: Rows) -> str:
    def line(cells: list[str]) -> str:
        return " & ".join(map(_in_latex, cells)) + r" \\"

    columns = "ll" + "r" * (len(heads) - 2)
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{_in_latex(title)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            line(heads),
            r"\midrule",
            *map(line, body),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _in_latex(text: str) -> str:
    signs = "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))
    return signs.replace(" .. ", " -- ")
