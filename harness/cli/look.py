"""``list``, ``show``, ``doctor``: what there is."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from harness.cli.app import app, console, stderr
from harness.cli.json_out import Json, print_json
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
    as_json: Json = False,
) -> None:
    """List models, compressors, benchmarks and suites."""
    found = registry()
    shelves: dict[What, Shelf[Any]] = {
        What.MODELS: found.models,
        What.COMPRESSORS: found.compressors,
        What.BENCHMARKS: found.benchmarks,
    }
    chosen = {
        kind: [s for s in shelf.specs.values() if set(tag or ()) <= set(s.tags)]
        for kind, shelf in shelves.items()
        if what in (None, kind)
    }
    if as_json:
        suites = {What.SUITES: _suites()} if what in (None, What.SUITES) else {}
        print_json({**chosen, **suites})
        return
    for kind, shelf in shelves.items():
        if kind in chosen:
            specs = chosen[kind]
            console.print(terminal.spec_table(shelf, specs))
            console.print()
    if what in (None, What.SUITES):
        console.print("[italic]suites[/]")
        for name, description in _suites().items():
            console.print(f" {name}  [dim]{description}[/]")
    if found.broken:
        count = len(found.broken)
        said = "1 plugin is" if count == 1 else f"{count} plugins are"
        stderr.print(f"{said} broken: see `brainpress doctor`")


def _suites() -> dict[str, str]:
    from harness.runner.select import load_suite, suite_names

    return {name: load_suite(name).description for name in suite_names()}


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Of a model, compressor or benchmark.")],
    as_json: Json = False,
) -> None:
    """Show everything known about one model, compressor or benchmark."""
    if as_json:
        print_json([terminal.spec_facts(spec, origin) for spec, origin in registry().find(name)])
        return
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
