"""The board that a command reads: a file, or one assembled from the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import xarray as xr

SuiteOption = Annotated[
    str | None,
    typer.Option(
        "--suite",
        help="Instead of a board: what the store has of a suite (a name, or a .toml file).",
    ),
]


def read_board(
    path: Path | None, suite: str | None, store: Path | None, *, imported: bool = True
) -> xr.DataTree:
    """Read a board, or assemble one from the store.

    ``STORE/board.nc`` holds the selection of the run that ended last. Where several runs, shards or
    colleagues write into one store, a suite says which cells are meant.

    Parameters
    ----------
    path : Path, optional
        A board; default: ``STORE/board.nc``.
    suite : str, optional
        Cells to assemble, without computing and without the network.
    store : Path, optional
    imported : bool
        Whether scores that were imported into the store stand on its board; a board that is named
        is taken as it is.

    Raises
    ------
    SelectionError
        There is no such suite, or a board is named beside it.
    StoreError
        There is no such board.
    """
    from harness.api import open_store, run
    from harness.board.files import open_board
    from harness.board.imported import kept
    from harness.board.imported_cells import with_imported
    from harness.errors import SelectionError

    if suite is None and path is not None:
        return open_board(path)
    root = open_store(store).root
    if suite is None:
        found = open_board(root / "board.nc")
        return with_imported(found, kept(root)) if imported else found
    if path is not None:
        raise SelectionError(
            f"a board, {path}, and a suite, {suite}", "name one: a suite is read from the store"
        )
    found = run(suite, overwrite="never", offline=True, store=store)
    return with_imported(found, kept(root)) if imported else found
