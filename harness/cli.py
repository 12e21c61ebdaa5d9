"""The command line: parse, call the API, render."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from harness.errors import HarnessError
from harness.plugin.registry import Shelf, registry
from harness.report import terminal

app = typer.Typer(
    name="brainpress",
    help="How small, and how compressed, can a language model be and still predict the brain?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = Console()
stderr = Console(stderr=True)


class What(StrEnum):
    """Kinds of plugin to list."""

    MODELS = "models"
    COMPRESSORS = "compressors"
    BENCHMARKS = "benchmarks"
    SUITES = "suites"


class OverwriteChoice(StrEnum):
    """What to do with results that are there."""

    NEVER = "never"
    MISSING = "missing"
    ALWAYS = "always"


Many = list[str] | None
SuiteArgument = Annotated[
    str | None, typer.Argument(help="A suite that comes with brainpress, or a .toml file.")
]
Models = Annotated[
    Many,
    typer.Option(
        "-m",
        "--model",
        help="Names, globs, hf:org/name@revision, file:PATH, untrained:NAME, static:NAME.",
    ),
]
Compressors = Annotated[Many, typer.Option("-c", "--compressor", help="Names and globs.")]
Benchmarks = Annotated[Many, typer.Option("-b", "--benchmark", help="Names and globs.")]
Tags = Annotated[Many, typer.Option("--tag", help="Tags that the models must carry.")]
Seeds = Annotated[
    str | None, typer.Option("--seeds", help="Seeds of untrained controls, as 0,1,2.")
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")]
Dtype = Annotated[str, typer.Option("--dtype", help="float32, bfloat16 or float16.")]
StoreOption = Annotated[
    Path | None, typer.Option("--store", help="Folder of the results.", show_default="cache")
]
Offline = Annotated[bool, typer.Option("--offline", help="Never use the network.")]


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
        stderr.print(f"{len(found.broken)} plugins are broken: see `brainpress doctor`")


@app.command()
def show(name: Annotated[str, typer.Argument(help="Of a model, compressor or benchmark.")]) -> None:
    """Show everything known about one model, compressor or benchmark."""
    for spec, origin in registry().find(name):
        console.print(terminal.spec_page(spec, origin))


@app.command()
def doctor(store: StoreOption = None) -> None:
    """Look at the environment, devices, cache, data and plugins. Exit code 1 if one is broken."""
    from harness.api import open_store
    from harness.report.doctor import examine

    healthy = examine(console, open_store(store))
    raise typer.Exit(0 if healthy else 1)


@app.command()
def run(
    suite: SuiteArgument = None,
    model: Models = None,
    compressor: Compressors = None,
    benchmark: Benchmarks = None,
    tag: Tags = None,
    seeds: Seeds = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    overwrite: Annotated[
        OverwriteChoice, typer.Option("--overwrite", help="What to compute.")
    ] = OverwriteChoice.MISSING,
    device: Device = "auto",
    dtype: Dtype = "float32",
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1)] = None,
    store: StoreOption = None,
    offline: Offline = False,
    board: Annotated[
        Path | None,
        typer.Option("--board", help="Where the board is written.", show_default="STORE/board.nc"),
    ] = None,
) -> None:
    """Score variants on benchmarks. What is done already is not done again."""
    from harness.api import carry_out, open_store, plan
    from harness.board.files import save_board
    from harness.fetch.network import offline as network_off
    from harness.report.board_view import board_view
    from harness.report.live import Bars
    from harness.runner.preflight import estimate

    opened = open_store(store)
    with network_off(offline):
        made = plan(
            suite,
            models=model,
            compressors=compressor,
            benchmarks=benchmark,
            tags=tag,
            seeds=_seeds(seeds),
            device=device,
            dtype=dtype,
            overwrite=overwrite.value,
            offline=offline,
            batch_size=batch_size,
            store=opened,
        )
        console.print(terminal.plan_view(made, estimate(made, opened)))
        if dry_run:
            return
        with Bars(console, len(made.todo)) as bars:
            cells, result = carry_out(made, opened, bars)
    where = save_board(result, board or opened.root / "board.nc")
    console.print()
    console.print(board_view(result, console.width))
    console.print(f"board: {where}", soft_wrap=True)
    unfinished = [c for c in cells if str(c.status) in ("failed", "to do")]
    if unfinished:
        console.print(
            f"[red]{len(unfinished)} cells have no score[/]; the same command tries again"
        )
        raise typer.Exit(1)


@app.command()
def status(
    suite: SuiteArgument = None,
    model: Models = None,
    compressor: Compressors = None,
    benchmark: Benchmarks = None,
    tag: Tags = None,
    seeds: Seeds = None,
    dtype: Dtype = "float32",
    store: StoreOption = None,
) -> None:
    """Show which cells of a run are done, to do, or failed and why. Computes nothing."""
    from harness.api import open_store, plan
    from harness.fetch.network import offline as network_off
    from harness.runner.preflight import estimate

    opened = open_store(store)
    with network_off():
        made = plan(
            suite or (None if model or tag else "quickstart"),
            models=model,
            compressors=compressor,
            benchmarks=benchmark,
            tags=tag,
            seeds=_seeds(seeds),
            dtype=dtype,
            overwrite="never",
            store=opened,
        )
    console.print(terminal.plan_view(made, estimate(made, opened)))


@app.command()
def board(
    path: Annotated[
        Path | None, typer.Argument(help="A board.", show_default="STORE/board.nc")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the cells here, too.")] = None,
    parquet: Annotated[Path | None, typer.Option("--parquet", help="Likewise.")] = None,
    store: StoreOption = None,
) -> None:
    """Show a board, and export it."""
    from harness.api import open_store
    from harness.board.files import export, open_board
    from harness.report.board_view import board_view

    result = open_board(path or open_store(store).root / "board.nc")
    for target in (csv, parquet):
        if target is not None:
            console.print(f"written: {export(result, target)}", soft_wrap=True)
    console.print(board_view(result, console.width))


def _seeds(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise HarnessError(f"--seeds {text!r}", "write whole numbers with commas: 0,1,2") from None


def main() -> None:
    """Run the command line. Errors a user can mend are told in two lines; exit code 2."""
    try:
        app()
    except HarnessError as error:
        terminal.say(stderr, error)
        sys.exit(2)
    except KeyboardInterrupt:
        stderr.print("stopped; the same command goes on where it was")
        sys.exit(130)
