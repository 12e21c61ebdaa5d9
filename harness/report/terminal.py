"""What the terminal shows: lists, specs, plans and boards as rich tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.errors import PluginError
from harness.lm.examination import last_of
from harness.spec.measures import ScoreMeasure
from harness.spec.registry import Shelf
from harness.spec.settings import settings_of
from harness.spec.specs import BenchmarkSpec, CompressorSpec, ModelSpec, Spec


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


def spec_facts(spec: Spec, origin: str) -> dict[str, Any]:
    """Return everything known about one spec, by name."""
    facts: dict[str, Any] = {
        "type": type(spec).__name__.removesuffix("Spec").lower(),
        **{item.name: getattr(spec, item.name) for item in fields(spec)},
        "from": origin,
    }
    if not isinstance(spec, ModelSpec):
        facts["options"] = dict(_all_options(spec))
    elif found := last_of(spec.name):
        dtype, examination = found
        facts["examined"] = {"dtype": dtype, "found": list(examination.lines())}
    return facts


def spec_page(spec: Spec, origin: str) -> Table:
    """Everything known about one spec."""
    facts = spec_facts(spec, origin)
    title = f"{facts.pop('type')} {facts.pop('name')}"
    table = Table(title=title, title_justify="left", box=None, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value in (None, "", (), {}) or value is False:
            continue
        if name == "tags":
            value = " ".join(value)
        elif name == "parameters":
            value = f"{value:,}"
        elif name == "margins":
            value = "; ".join(f"{measure} {margin:g}" for measure, margin in value.items())
        elif name == "headline":
            value = ScoreMeasure(value).named
        elif name == "options" and not isinstance(spec, ModelSpec):
            value = "; ".join(f"{option}={chosen}" for option, chosen in value.items())
        elif name == "examined":
            value = "\n".join([f"in {value['dtype']}", *value["found"]])
        table.add_row(name, Text(str(value)))
    return table


def _all_options(spec: CompressorSpec | BenchmarkSpec) -> Mapping[str, Any]:
    """Return all options as they are typed behind a name; what a spec sets, where that fails."""
    try:
        return settings_of(spec)
    except PluginError:
        return spec.options


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
