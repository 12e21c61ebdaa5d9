"""``import``: scores of tasks that another program made."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app, console, print_next
from harness.cli.options import StoreOption


class Program(StrEnum):
    """Whose scores are imported."""

    LM_EVAL = "lm-eval"


@app.command("import")
def import_command(
    program: Annotated[Program, typer.Argument(help="The program that made the scores.")],
    results: Annotated[Path, typer.Argument(help="Its results_….json, or a folder of them.")],
    variant: Annotated[
        str, typer.Option("--as", help="The variant that was measured: MODEL or MODEL+COMPRESSOR.")
    ],
    categories: Annotated[
        Path | None,
        typer.Option(
            "--categories", help="A table with tabs: task (globs), category, chance if known."
        ),
    ] = None,
    metric: Annotated[
        str, typer.Option("--metric", help="Of each task that has it.", show_default="acc, …")
    ] = "",
    store: StoreOption = None,
) -> None:
    """Put task scores of another program beside a variant's alignment.

    ``brainpress weights VARIANT -o DIR`` writes the variant for it. Boards, answers and the page
    then have a benchmark of the program's name, marked as imported.
    """
    del program  # one so far
    from harness.api import open_store
    from harness.board.imported import keep, read_lm_eval, read_placing

    model, _, compressor = variant.partition("+")
    placing = read_placing(categories) if categories else None
    found = read_lm_eval(results, model, compressor or "none", placing, metric)
    path = keep(found, open_store(store).root)
    for name, reason in found.skipped.items():
        console.print(f"skipped: {name}: {reason}", soft_wrap=True)
    console.print(
        f"{len(found.tasks)} tasks of {found.source} as {model}+{compressor or 'none'}: {path}",
        soft_wrap=True,
    )
    print_next(["brainpress board", "brainpress answer dissociation", "brainpress report"])
