"""``board``: show one, export it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app, console
from harness.cli.options import StoreOption


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
