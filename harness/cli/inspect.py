"""``inspect``: what one's own data look like, before anything is scored."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app, console, print_next
from harness.cli.json_out import Json, print_json


@app.command("inspect")
def inspect_command(
    data: Annotated[str, typer.Argument(help="data:PATH, or the folder.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the page.", show_default="NAME-inspection"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw clocks, values, spectrum and words against responses of your own data; score nothing.

    Exits with 1 where something cannot be meant: a tr in milliseconds, words and volumes that
    hardly meet, arrays of (columns, volumes), fill values, runs of zeros.
    """
    from harness.own_data.inspect.inspection import inspect_data
    from harness.report.inspection_page import write_inspection

    found = inspect_data(data)
    if as_json:
        print_json({"name": found.name, "sound": found.sound, "findings": found.findings})
    else:
        page = write_inspection(found, (out or Path(f"{found.name}-inspection")) / "index.html")
        for each in found.findings:
            console.print(f"{each.level}: {each.what}", soft_wrap=True)
            if each.hint:
                console.print(f"  -> {each.hint}", soft_wrap=True)
        console.print(f"written: {page}", soft_wrap=True)
        if found.sound:
            print_next([f"brainpress run -m MODEL -b {shlex.quote(data)}"])
    if not found.sound:
        raise typer.Exit(1)
