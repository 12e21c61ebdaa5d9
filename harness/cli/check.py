"""``check``: hold a plugin against the contract."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from harness.cli.app import app, console, print_next
from harness.cli.json_out import Json, print_json

STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow", "note": "dim"}


@app.command()
def check(
    plugin: Annotated[
        str,
        typer.Argument(
            help="A package's folder; a distribution, entry point, model, compressor or benchmark,"
            " NAME:option=value."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Try everything that a plugin must do. Exit code 1 if it does not."""
    from harness.check.contract import check_plugin
    from harness.check.rule import Outcome
    from harness.scaffold.next_steps import after_check

    findings = check_plugin(plugin)
    failed = sum(f.outcome is Outcome.FAILED for f in findings)
    if as_json:
        print_json(findings)
        raise typer.Exit(1 if failed else 0)
    table = Table(box=None)
    for column in ("", "rule", "", "found"):
        table.add_column(column, overflow="fold")
    for f in findings:
        outcome = Text(str(f.outcome), style=STYLES[str(f.outcome)])
        found = Text(f.detail)
        if f.hint:
            found.append(f"\n-> {f.hint}", style="bold")
        table.add_row(Text(f.subject), Text(f.rule), outcome, found)
    console.print(table)
    skipped = sum(f.outcome is Outcome.SKIPPED for f in findings)
    said = f"{failed} of {len(findings)} rules are broken" if failed else "no rule is broken"
    console.print(said + (f"; {skipped} could not be tried on this machine" if skipped else ""))
    if failed:
        raise typer.Exit(1)
    if not skipped:
        print_next(after_check(plugin))
