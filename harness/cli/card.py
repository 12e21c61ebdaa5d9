"""``card``: what a board says of a variant, for the card of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.boards import SuiteOption, read_board
from harness.cli.options import StoreOption


@app.command()
def card(
    variant: Annotated[str, typer.Argument(help="MODEL or MODEL+COMPRESSOR.")],
    board: Annotated[
        Path | None, typer.Option("--board", help="A board.", show_default="STORE/board.nc")
    ] = None,
    suite: SuiteOption = None,
    store: StoreOption = None,
) -> None:
    """Print a variant's scores as metadata for its card on a model hub (model-index)."""
    from harness.report.model_index import model_index

    typer.echo(model_index(read_board(board, suite, store, imported=False), variant))
