"""A plan in the terminal: how every cell stands, and what the rest takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from string import ascii_letters
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from harness.runner.status import NOT_COMPUTED, Status

if TYPE_CHECKING:
    from harness.runner.cells import Cell
    from harness.runner.plan import Plan
    from harness.runner.preflight import Estimate
    from harness.spec.specs import BenchmarkSpec

_ANY_WIDTH = 10_000
_NARROWEST = 8
"""Characters of a column that is headed by a benchmark's name, folded."""


def plan_view(plan: Plan, estimate: Estimate) -> RenderableType:
    """Show a plan: the matrix, what is cached, what the rest takes."""
    parts: list[RenderableType] = [_matrix(plan), Text(), Text(estimate.sentence())]
    for reason in dict.fromkeys(c.reason for c in plan.cells if c.status is Status.FAILED):
        parts.append(Text(f"! {reason}", style="red"))
    begun = Counter(c.reason for c in plan.todo if c.reason and c.reason != NOT_COMPUTED)
    for reason, count in begun.items():
        parts.append(Text(f"{count} cell{'s' * (count > 1)} {reason}", style="yellow"))
    return Group(*parts)


@dataclass(frozen=True)
class _Row:
    """A variant, and how it stands on each benchmark: None where no part of a suite asks."""

    model: str
    compressor: str
    standing: tuple[Status | None, ...]


@dataclass(frozen=True)
class _Matrix:
    """The cells of a plan, with words where the terminal has room, else with marks.

    Parameters
    ----------
    benchmarks : sequence of BenchmarkSpec
        The columns.
    rows : sequence of _Row
        The variants.
    """

    benchmarks: Sequence[BenchmarkSpec]
    rows: Sequence[_Row]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Choose by the width that there is."""
        words = self._in_words()
        needed = Measurement.get(console, options.update(max_width=_ANY_WIDTH), words).minimum
        if needed <= options.max_width or len(self.benchmarks) > len(ascii_letters):
            yield words
        else:
            yield from self._in_marks()

    def _in_words(self) -> Table:
        table = _table("plan")
        for spec in self.benchmarks:
            name = spec.name + (" [dim](simulated)[/]" if spec.simulated else "")
            table.add_column(name, overflow="fold", min_width=_NARROWEST)
        for row in self.rows:
            stand = (Text(s, style=s.style) if s else Text() for s in row.standing)
            table.add_row(row.model, row.compressor, *stand)
        return table

    def _in_marks(self) -> Iterator[RenderableType]:
        """Give each benchmark a letter, and compressors of a model that stand alike one row."""
        there = dict.fromkeys(s for row in self.rows for s in row.standing if s)
        legend = ", ".join(f"{status.mark} {status}" for status in there)
        lacks = any(None in row.standing for row in self.rows)
        yield Text(f"plan ({legend}{', blank: no part of the suite asks' * lacks})", style="italic")
        letters = ascii_letters[: len(self.benchmarks)]
        for letter, spec in zip(letters, self.benchmarks, strict=True):
            yield Text(f" {letter}  {spec.name}{' (simulated)' * spec.simulated}")
        table = _table()
        table.add_column(" ".join(letters), no_wrap=True, min_width=2 * len(letters) - 1)
        for (model, standing), found in groupby(self.rows, lambda r: (r.model, r.standing)):
            names = [row.compressor for row in found]
            ends = names[0] if len(names) == 1 else f"{len(names)}: {names[0]} … {names[-1]}"
            marks = (Text(s.mark, style=s.style) if s else Text(" ") for s in standing)
            table.add_row(model, ends, Text(" ").join(marks))
        yield table


def _table(title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("model", no_wrap=True)
    table.add_column("compressor", no_wrap=bool(title), overflow="fold")
    return table


def _matrix(plan: Plan) -> _Matrix:
    by_variant: dict[str, dict[str, Cell]] = {}
    for cell in plan.cells:
        by_variant.setdefault(cell.variant.name, {})[cell.benchmark.name] = cell
    benchmarks = list({c.benchmark.name: c.benchmark for c in plan.cells}.values())
    rows = []
    for variant in plan.variants:
        cells = by_variant[variant.name]
        standing = tuple(cells[b.name].status if b.name in cells else None for b in benchmarks)
        rows.append(_Row(variant.model.name, variant.compressor.name, standing))
    return _Matrix(benchmarks, rows)
