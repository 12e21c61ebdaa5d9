"""``list``, ``show``, ``doctor``: what there is."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from harness.cli.app import app, console, stderr
from harness.cli.options import StoreOption, Tags
from harness.report import terminal
from harness.spec.registry import Shelf, registry


class What(StrEnum):
    """Kinds of plugin to list."""

    MODELS = "models"
    COMPRESSORS = "compressors"
    BENCHMARKS = "benchmarks"
    SUITES = "suites"


@app.command("list")
def list_command(
    what: Annotated[What | None, typer.Argument(help="Everything, if left out.")] = None,
    tag: Tags = None,
) -> None:
    """List models, compressors, benchmarks and suites."""
    found = registry()
    shelves: dict[What, Shelf[Any]] = {
        What.MODELS: found.models,
        What.COMPRESSORS: found.compressors,
        What.BENCHMARKS: found.benchmarks,
    }
    for kind, shelf in shelves.items():
        if what in (None, kind):
            specs = [s for s in shelf.specs.values() if set(tag or ()) <= set(s.tags)]
            console.print(terminal.spec_table(shelf, specs))
            console.print()
    if what in (None, What.SUITES):
        from harness.runner.select import load_suite, suite_names

        console.print("[italic]suites[/]")
        for name in suite_names():
            console.print(f" {name}  [dim]{load_suite(name).description}[/]")
    if found.broken:
        count = len(found.broken)
        said = "1 plugin is" if count == 1 else f"{count} plugins are"
        stderr.print(f"{said} broken: see `brainpress doctor`")


@app.command()
def show(name: Annotated[str, typer.Argument(help="Of a model, compressor or benchmark.")]) -> None:
    """Show everything known about one model, compressor or benchmark."""
    for spec, origin in registry().find(name):
        console.print(terminal.spec_page(spec, origin))


@app.command()
def doctor(
    store: StoreOption = None,
    online: Annotated[
        bool, typer.Option("--online", help="Ask the host of each data set for one file's head.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Read the whole store, and models and data read before."),
    ] = False,
) -> None:
    """Look at the environment, devices, cache, data and plugins. Exit code 1 if one is broken."""
    from harness.place.place import Place
    from harness.report.doctor import examine

    place = Place.make(store=store)
    if verify:
        from harness.report.integrity import examine_files

        raise typer.Exit(0 if examine_files(console, place) else 1)
    healthy = examine(console, place)
    if online:
        from harness.report.online import examine_hosts

        healthy = examine_hosts(console, registry()) and healthy
    raise typer.Exit(0 if healthy else 1)
