"""``submit``: write a bundle of results to hand in."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app, console, print_next
from harness.cli.boards import SuiteOption, read_board
from harness.cli.options import StoreOption


@app.command()
def submit(
    board: Annotated[
        Path | None, typer.Argument(help="A board.", show_default="STORE/board.nc")
    ] = None,
    name: Annotated[str, typer.Option("--as", help="Your name, as the board will show it.")] = "",
    contact: Annotated[
        str, typer.Option("--contact", help="How to reach you: an address, an account.")
    ] = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The bundle.")] = None,
    model: Annotated[
        list[str] | None, typer.Option("-m", "--model", help="Names and globs of the board.")
    ] = None,
    benchmark: Annotated[
        list[str] | None, typer.Option("-b", "--benchmark", help="Names and globs of the board.")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="What a maintainer should know.")] = "",
    revision: Annotated[
        int, typer.Option("--revision", min=1, help="More than 1 corrects accepted results.")
    ] = 1,
    maps: Annotated[bool, typer.Option("--maps", help="Hand in voxel maps, too.")] = False,
    suite: SuiteOption = None,
    store: StoreOption = None,
) -> None:
    """Write a bundle of scores and provenance: no weights, no stimuli, no responses."""
    from harness.board.submission.bundle import write_bundle
    from harness.board.submission.cut import Offer, entries_of
    from harness.errors import SubmissionError
    from harness.spec.names import split_names
    from harness.spec.registry import registry

    if not name or not contact:
        raise SubmissionError(
            "a submission says who hands it in", "brainpress submit BOARD --as NAME --contact WHERE"
        )
    models, benchmarks = split_names(model), split_names(benchmark)
    offer = Offer(name, contact, note, revision, models, benchmarks, maps)
    named = board or Path(suite or "board")
    entries = entries_of(read_board(board, suite, store, imported=False), offer, registry())
    where = write_bundle(entries, output or Path(f"{named.stem}.brainpress.zip"))
    cells = sum(len(entry.record["cells"]) for entry in entries)
    console.print(
        f"{len(entries)} entries, {cells} cells: {where} ({where.stat().st_size / 1024:.0f} KiB)",
        soft_wrap=True,
    )
    print_next([f"brainpress board check {shlex.quote(str(where))}"])
