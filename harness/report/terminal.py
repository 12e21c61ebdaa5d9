"""What the terminal shows: lists, specs, plans and boards as rich tables."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.plugin.registry import Shelf
from harness.plugin.specs import CompressorSpec, ModelSpec, Spec

if TYPE_CHECKING:
    import xarray as xr

    from harness.runner.cells import Cell
    from harness.runner.plan import Plan
    from harness.runner.preflight import Estimate

STYLES = {"done": "green", "to do": "cyan", "failed": "bold red", "not applicable": "dim"}


def spec_table(shelf: Shelf[Any], specs: Sequence[Any]) -> Table:
    """Table of the specs of one kind."""
    table = Table(title=f"{shelf.kind}s ({len(specs)})", title_justify="left", box=None)
    columns = {
        "model": ("name", "parameters", "licence", "tags"),
        "compressor": ("name", "bits", "sparsity", "tags"),
        "benchmark": ("name", "kind", "measures", "tags"),
    }[shelf.kind]
    foreign = {s.name: shelf.origins.get(s.name, "") for s in specs}
    foreign = {n: o for n, o in foreign.items() if not o.startswith("brainpress ")}
    for column in (*columns, *(["from"] if foreign else [])):
        table.add_column(column, no_wrap=column == "name")
    for spec in specs:
        table.add_row(*_spec_row(spec), *([foreign.get(spec.name, "")] if foreign else []))
    return table


def _spec_row(spec: Spec) -> tuple[str, ...]:
    tags = " ".join(spec.tags)
    if isinstance(spec, ModelSpec):
        gated = " (gated)" if spec.gated else ""
        return spec.name, size(spec.parameters), spec.licence + gated, tags
    if isinstance(spec, CompressorSpec):
        return spec.name, number(spec.bits, 2), number(spec.sparsity, 2), tags
    simulated = " [simulated]" if spec.simulated else ""
    return spec.name, spec.kind + simulated, spec.metric, tags


def spec_page(spec: Spec, origin: str) -> Table:
    """Everything known about one spec."""
    kind = type(spec).__name__.removesuffix("Spec").lower()
    table = Table(title=f"{kind} {spec.name}", title_justify="left", box=None, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for item in fields(spec):
        value = getattr(spec, item.name)
        if value in (None, "", (), {}) or item.name == "name":
            continue
        if item.name == "tags":
            value = " ".join(value)
        elif item.name == "options":
            value = json.dumps(dict(value), default=str)
        elif item.name == "parameters":
            value = f"{value:,}"
        table.add_row(item.name, Text(str(value)))
    table.add_row("from", origin)
    return table


def plan_view(plan: Plan, estimate: Estimate) -> RenderableType:
    """Show a plan: the matrix, what is cached, what the rest takes."""
    benchmarks = list({c.benchmark.name: c.benchmark for c in plan.cells}.values())
    table = Table(title="plan", title_justify="left", box=None)
    table.add_column("model", no_wrap=True)
    table.add_column("compressor", no_wrap=True)
    for spec in benchmarks:
        table.add_column(spec.name + (" [dim](simulated)[/]" if spec.simulated else ""))
    for variant in plan.variants:
        row: list[RenderableType] = [variant.model.name, variant.compressor.name]
        cells = {c.benchmark.name: c for c in plan.cells if c.variant.name == variant.name}
        row += [_status(cells[b.name]) for b in benchmarks]
        table.add_row(*row)
    parts: list[RenderableType] = [table, Text(), Text(estimate.sentence())]
    for reason in dict.fromkeys(c.reason for c in plan.cells if c.status == "failed"):
        parts.append(Text(f"! {reason}", style="red"))
    return Group(*parts)


def _status(cell: Cell) -> Text:
    return Text(str(cell.status), style=STYLES[str(cell.status)])


def board_view(board: xr.DataTree) -> RenderableType:
    """Show a board: one table a benchmark, best first, then what failed."""
    cells = board["cells"].to_dataset()
    parts: list[RenderableType] = []
    for name in cells["benchmark"].values:
        parts += [_benchmark_table(board, cells.sel(benchmark=name), str(name)), Text()]
    parts += _failures(cells)
    return Group(*parts)


def _benchmark_table(board: xr.DataTree, cells: xr.Dataset, name: str) -> Table:
    about = board["benchmarks"].to_dataset().sel(benchmark=name)
    size_of = board["compression"].to_dataset()
    simulated = "  [SIMULATED DATA]" if int(about["simulated"]) else ""
    table = Table(
        title=f"{name}{simulated}: {about['metric'].item()}", title_justify="left", box=None
    )
    detail = _detail(board, str(about["kind"].item()), name)
    extra = _extra_columns(detail)
    heads = ("model", "compressor", "value", "95 % interval", "ceiling", "of ceiling")
    for head in (*heads, *extra, "bits/weight", "perplexity"):
        table.add_column(head, justify="left" if head in heads[:2] else "right", no_wrap=True)
    rows = [
        (model, compressor)
        for model in cells["model"].values
        for compressor in cells["compressor"].values
    ]
    values = {r: float(cells["value"].sel(model=r[0], compressor=r[1])) for r in rows}
    for model, compressor in sorted(rows, key=lambda r: _rank(values[r])):
        cell = cells.sel(model=model, compressor=compressor)
        if cell["status"].item() not in ("done",):
            status = str(cell["status"].item())
            table.add_row(str(model), str(compressor), Text(status, style=STYLES[status]))
            continue
        size = size_of.sel(model=model, compressor=compressor)
        table.add_row(
            str(model),
            str(compressor),
            number(cell["value"].item(), 3),
            f"{number(cell['low'].item(), 3)} .. {number(cell['high'].item(), 3)}",
            number(cell["ceiling"].item(), 3),
            number(cell["normalised"].item(), 2),
            *(number(column.get(f"{model}+{compressor}"), 3) for column in extra.values()),
            number(size["bits_per_weight"].item(), 2),
            number(size["perplexity"].item(), 1),
        )
    return table


def _rank(value: float) -> tuple[bool, float]:
    return (math.isnan(value), -value)


def _detail(board: xr.DataTree, kind: str, name: str) -> xr.Dataset | None:
    if kind in board.children and name in board[kind].children:
        return board[f"{kind}/{name}"].to_dataset()
    return None


def _extra_columns(detail: xr.Dataset | None) -> dict[str, dict[str, float]]:
    """Columns that one kind of benchmark has: three of the group mean, or the categories."""
    if detail is None:
        return {}
    names = [str(v) for v in detail["variant"].values]
    columns = {}
    wanted = {
        "group_r_best": "group r",
        "group_nuisance_r": "nuisance r",
        "group_unique_r2": "unique R2",
    }
    for variable, head in wanted.items():
        if variable in detail:
            over = [d for d in detail[variable].dims if d != "variant"]
            means = detail[variable].mean(over).values
            columns[head] = dict(zip(names, map(float, means), strict=True))
    if "category_accuracy" in detail:
        for category in detail["category"].values:
            column = detail["category_accuracy"].sel(category=category).values
            columns[str(category)] = dict(zip(names, map(float, column), strict=True))
    return columns


def _failures(cells: xr.Dataset) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for status, style in (("failed", "red"), ("not applicable", "dim")):
        reasons: dict[str, list[str]] = {}
        where = cells["status"].values == status
        for at in zip(*where.nonzero(), strict=True):
            cell = cells.isel(dict(zip(("model", "compressor", "benchmark"), at, strict=True)))
            name = " x ".join(str(cell[d].item()) for d in ("model", "compressor", "benchmark"))
            reasons.setdefault(str(cell["reason"].item()), []).append(name)
        for reason, names in reasons.items():
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            parts.append(Text(f"{status}: {names[0]}{more}: {reason}", style=style))
    return parts


def size(parameters: float | None) -> str:
    """``135 M``, ``1.5 B``."""
    if not parameters or math.isnan(parameters):
        return ""
    for unit, name in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if parameters >= unit:
            return f"{parameters / unit:.3g} {name}"
    return f"{parameters:.0f}"


def number(value: float | None, digits: int) -> str:
    """Write a number for a table cell; nothing where there is none."""
    if value is None or math.isnan(value):
        return ""
    return f"{value:.{digits}f}"


def say(console: Console, error: Exception) -> None:
    """Print an error: what was wrong, and on a line of its own what to do."""
    message = getattr(error, "message", str(error))
    console.print(Text("error: ", style="bold red") + Text(str(message)))
    if hint := getattr(error, "hint", ""):
        console.print(Text("  -> ", style="bold") + Text(str(hint)))
