"""A board in the terminal: one table a benchmark, as many columns as fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.board.columns import beside_value
from harness.compress.report.summary import COVERED
from harness.report.terminal import number
from harness.runner.status import NOT_ASKED, Status
from harness.spec.direction import lower_is_better
from harness.spec.layout import CATEGORY_ACCURACY, CATEGORY_SCORE, GROUP_R
from harness.spec.measures import ScoreMeasure, headline_of

if TYPE_CHECKING:
    import xarray as xr

GAP = 2
"""Characters between columns."""

UNIQUE_HEAD, INTERVAL_HEAD, SHARE_HEAD = "unique R2", "unique 95 %", "unique of ceiling"

_STYLES = {str(status): status.style for status in Status}


@dataclass(frozen=True)
class Column:
    """A column: how soon it is left out where room is short, its head, and its cells."""

    rank: int
    head: str
    cells: list[str]

    @property
    def width(self) -> int:
        """Characters it takes, with the gap behind it."""
        return max(len(text) for text in (self.head, *self.cells)) + GAP


def board_view(
    board: xr.DataTree, width: int = 200, benchmarks: Sequence[str] | None = None
) -> RenderableType:
    """Show a board: one table a benchmark, best first, then what failed.

    Parameters
    ----------
    board : DataTree
    width : int
        Characters in a line; columns that do not fit are named below the tables.
    benchmarks : sequence of str, optional
        Names and globs; all.

    Raises
    ------
    SelectionError
        A pattern selects no benchmark.
    """
    from harness.board.answers.alignment import selected

    cells = board["cells"].to_dataset()
    parts: list[RenderableType] = []
    left_out: dict[str, None] = {}
    chosen = selected(board, benchmarks)
    cells = cells.sel(benchmark=chosen)
    for name in chosen:
        shown, without = _benchmark(board, cells.sel(benchmark=name), name, width)
        parts += [*shown, Text()]
        left_out |= dict.fromkeys(without)
    if left_out:
        parts.append(Text(f"in a wider terminal: {', '.join(left_out)}", style="dim"))
    parts += _failures(cells)
    return Group(*parts)


def _benchmark(
    board: xr.DataTree, cells: xr.Dataset, name: str, width: int
) -> tuple[list[RenderableType], list[str]]:
    """Show one benchmark; return what is shown, and the columns for which there is no room."""
    title, rows, columns = board_columns(board, cells, name)
    # Not the table's own title: that would be broken into lines as narrow as the table.
    table = Table(box=None, padding=(0, GAP, 0, 0))
    kept = _fitting(columns, width)
    fits = sum(column.width for column in kept) <= width
    for column in kept:
        # Where not even the value fits beside the names, the names go over several lines.
        table.add_column(
            column.head,
            justify="left" if column.rank == 0 else "right",
            no_wrap=fits or column.rank > 0,
            overflow="fold",
        )
    for i in range(len(rows)):
        texts = (column.cells[i] for column in kept)
        table.add_row(*(Text(text, style=_STYLES.get(text, "")) for text in texts))
    parts: list[RenderableType] = [Text(title, style="italic")]
    if rows:
        parts.append(table)
    every = int((cells["reason"] != NOT_ASKED).sum())
    if len(rows) < every:
        count = f"{every - len(rows)} of {every} variants"
        parts.append(Text(f"no result yet: {count}", style="dim"))
    heads = {column.head for column in kept}
    return parts, [column.head for column in columns if column.head not in heads]


def board_columns(
    board: xr.DataTree, cells: xr.Dataset, name: str
) -> tuple[str, list[tuple[str, str]], list[Column]]:
    """Return what a benchmark's table says.

    Parameters
    ----------
    board : DataTree
    cells : Dataset
        The benchmark's cells.
    name : str
        Of the benchmark.

    Returns
    -------
    title : str
    rows : list of tuple of str
        Model and compressor of each row, best first.
    columns : list of Column
        As many cells as there are rows, in each.
    """
    about = board["benchmarks"].to_dataset().sel(benchmark=name)
    simulated = " (SIMULATED DATA)" if int(about["simulated"]) else ""
    title = f"{name}{simulated}: {about['metric'].item()}"
    every = [
        (str(model), str(compressor))
        for model in cells["model"].values
        for compressor in cells["compressor"].values
    ]
    rows = [row for row in every if _status(cells, row).on_board]
    values = {r: float(cells["value"].sel(model=r[0], compressor=r[1])) for r in rows}
    sign = 1 if lower_is_better(about) else -1
    rows.sort(key=lambda row: (math.isnan(values[row]), sign * values[row]))
    detail = _detail(board, str(about["kind"].item()), name)
    headline = headline_of(about)
    read = f"; read by its {headline.label}" if headline.label else ""
    sizes = board["compression"].to_dataset()
    return f"{title}{read}", rows, _columns(rows, cells, sizes, _extra_columns(detail), headline)


def _columns(
    rows: list[tuple[str, str]],
    cells: xr.Dataset,
    sizes: xr.Dataset,
    extra: Mapping[str, Mapping[str, str]],
    headline: ScoreMeasure,
) -> list[Column]:
    def of(dataset: xr.Dataset, name: str, digits: int) -> list[str]:
        if name not in dataset:
            return [""] * len(rows)
        at = [dataset[name].sel(model=m, compressor=c).item() for m, c in rows]
        return [number(value, digits) for value in at]

    values = [
        value if status.has_score else str(status)
        for status, value in zip(
            (_status(cells, row) for row in rows), of(cells, "value", 3), strict=True
        )
    ]
    low, high = of(cells, "low", 3), of(cells, "high", 3)
    interval = [f"{a} .. {b}" if a else "" for a, b in zip(low, high, strict=True)]
    # What a benchmark is read by goes last, where room is short.
    share_rank = 1 if headline is ScoreMeasure.NORMALISED else 5
    ranks = {
        UNIQUE_HEAD: 1 if headline is ScoreMeasure.UNIQUE else 2,
        INTERVAL_HEAD: 3 if headline is ScoreMeasure.UNIQUE else 6,
        SHARE_HEAD: 6,
    }
    found = [
        Column(0, "model", [model for model, _ in rows]),
        Column(0, "compressor", [compressor for _, compressor in rows]),
        Column(1, "value", values),
        Column(2, "95 % interval", interval),
        Column(6, "ceiling", of(cells, "ceiling", 3)),
        Column(share_rank, "of ceiling", of(cells, "normalised", 2)),
        *(
            Column(ranks.get(head, 4), head, [column.get(f"{m}+{c}", "") for m, c in rows])
            for head, column in extra.items()
        ),
        Column(3, "bits/weight", of(sizes, "bits_per_weight_model", 2)),
        Column(3, "covered", _covered(rows, sizes)),
        Column(3, "perplexity", of(sizes, "perplexity", 1)),
        Column(3, "verified", _words(rows, cells, "verified")),
        Column(7, "tokens/s", of(sizes, "tokens_per_second", 0)),
    ]
    return [column for column in found if column.rank < 2 or any(column.cells)]


def _covered(rows: list[tuple[str, str]], sizes: xr.Dataset) -> list[str]:
    """Return the share of the blocks' weights that a compressor changed, where it is not all."""
    if "coverage" not in sizes:
        return [""] * len(rows)
    shares = [float(sizes["coverage"].sel(model=m, compressor=c).item()) for m, c in rows]
    return [
        f"{share:.0%}{' !' if share < COVERED else ''}" if share < 0.995 else "" for share in shares
    ]


def _words(rows: list[tuple[str, str]], cells: xr.Dataset, name: str) -> list[str]:
    """Return what a board that has been merged says of each row; nothing on other boards."""
    if name not in cells:
        return [""] * len(rows)
    return [str(cells[name].sel(model=m, compressor=c).item()) for m, c in rows]


def _fitting(columns: list[Column], width: int) -> list[Column]:
    """Leave out the least important columns until the rest fits."""
    kept = list(columns)
    while sum(c.width for c in kept) > width and max(c.rank for c in kept) > 1:
        worst = max(kept, key=lambda c: c.rank)
        kept.remove(worst)
    return kept


def _detail(board: xr.DataTree, kind: str, name: str) -> xr.Dataset | None:
    if kind in board.children and name in board[kind].children:
        return board[f"{kind}/{name}"].to_dataset()
    return None


def _extra_columns(detail: xr.Dataset | None) -> dict[str, dict[str, str]]:
    """Columns that one kind of benchmark has: the unique part and what it is of, or categories."""
    if detail is None:
        return {}
    names = [str(v) for v in detail["variant"].values]
    beside = beside_value(detail)
    columns = {
        UNIQUE_HEAD: _written(beside.get("unique")),
        INTERVAL_HEAD: _intervals(beside),
        SHARE_HEAD: _written(beside.get("unique_share"), 2),
        "nuisance r": _written(beside.get("nuisance")),
    }
    columns = {head: column for head, column in columns.items() if column}
    if GROUP_R in detail:
        over = [d for d in detail[GROUP_R].dims if d != "variant"]
        means = detail[GROUP_R].mean(over).values
        columns["group r"] = _written(dict(zip(names, map(float, means), strict=True)))
    # Minimal pairs and choices count right answers; probes have scores.
    for variable in (CATEGORY_ACCURACY, CATEGORY_SCORE):
        if variable in detail:
            for category in detail["category"].values:
                column = detail[variable].sel(category=category).values
                values = dict(zip(names, map(float, column), strict=True))
                columns[str(category)] = _written(values)
    return columns


def _written(column: Mapping[str, float] | None, digits: int = 3) -> dict[str, str]:
    return {name: number(value, digits) for name, value in (column or {}).items()}


def _intervals(beside: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    low, high = _written(beside.get("unique_low")), _written(beside.get("unique_high"))
    return {name: f"{low[name]} .. {high[name]}" if low[name] else "" for name in low}


def _status(cells: xr.Dataset, row: tuple[str, str]) -> Status:
    return Status.read(str(cells["status"].sel(model=row[0], compressor=row[1]).item()))


def _failures(cells: xr.Dataset) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for status in (status for status in Status if status.explained):
        reasons: dict[str, list[str]] = {}
        where = cells["status"].values == str(status)
        for at in zip(*where.nonzero(), strict=True):
            cell = cells.isel(dict(zip(("model", "compressor", "benchmark"), at, strict=True)))
            name = " x ".join(str(cell[d].item()) for d in ("model", "compressor", "benchmark"))
            reasons.setdefault(str(cell["reason"].item()), []).append(name)
        for reason, names in reasons.items():
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            parts.append(Text(f"{status}: {names[0]}{more}: {reason}", style=status.style))
    return parts
