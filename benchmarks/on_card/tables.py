"""Rows as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from on_card.setting import Row


def markdown(rows: Sequence[Row]) -> str:
    """Write rows as tables, in the order in which they came.

    A column is in the table where any row has it.
    """
    tables: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        tables.setdefault(row.table, []).append(row.values)
    return "\n\n".join(f"**{title}**\n\n{_table(lines)}" for title, lines in tables.items())


def _table(lines: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for line in lines for name in line))
    # A note is of a whole row: last.
    columns.sort(key=lambda name: name == "note")
    columns = [c for c in columns if any(line.get(c) not in (None, "") for line in lines)]
    written = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for line in lines:
        written.append(f"| {' | '.join(_cell(line.get(column)) for column in columns)} |")
    return "\n".join(written)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if size == 0 or size >= 1e-3 else f"{value:.1e}"
