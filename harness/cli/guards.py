"""``guards``: what the statistics do where the truth is known."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from harness.cli.app import app, console


@app.command()
def guards(
    seed: Annotated[int, typer.Option("--seed", help="Of all simulations.")] = 0,
) -> None:
    """Simulate noise, nulls and known effects, and print the rates. Exit code 1 if one is off."""
    from harness.check.guards import Rate, findings

    found: list[Rate] = []
    with console.status("simulating"):
        for finding in findings(seed):
            found.append(finding)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, side in (("guard", "right"), ("simulated", "left"), ("measured", "right")):
        table.add_column(name, justify=side)  # type: ignore[arg-type]  # rich wants a literal
    table.add_column("limits")
    table.add_column("")
    for item in found:
        verdict = "[green]holds[/]" if item.holds else "[red]BROKEN[/]"
        limits = f"{item.low:.3g} to {item.high:.3g}"
        table.add_row(str(item.guard), item.what, f"{item.value:.4f}", limits, verdict)
    console.print(table)
    broken = sum(not item.holds for item in found)
    console.print(f"{len(found) - broken} of {len(found)} hold (seed {seed})")
    raise typer.Exit(1 if broken else 0)
