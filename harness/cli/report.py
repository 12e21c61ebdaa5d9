"""``report``: a board as a page and figures."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app, console
from harness.cli.boards import SuiteOption, read_board
from harness.cli.options import Benchmarks, StoreOption


class Figures(StrEnum):
    """Which files of figures to write."""

    ALL = "all"
    SVG = "svg"
    PNG = "png"
    PDF = "pdf"
    NONE = "none"


@app.command()
def report(
    board: Annotated[
        Path | None, typer.Argument(help="A board.", show_default="STORE/board.nc")
    ] = None,
    same: Annotated[
        Path | None, typer.Option("--board", help="The board, as `answer` takes it.", hidden=True)
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the page and the figures.")] = Path(
        "report"
    ),
    benchmark: Benchmarks = None,
    figures: Annotated[
        Figures, typer.Option("--figures", help="Formats of the figures beside the page.")
    ] = Figures.ALL,
    maps: Annotated[
        Path | None,
        typer.Option("--maps", help="Folder of brain maps: BENCHMARK/*.png go on the page."),
    ] = None,
    width: Annotated[
        str,
        typer.Option(
            "--width",
            help="Figures for a journal, at their final width: 85mm, 180mm.",
            show_default="figures as on the page",
        ),
    ] = "",
    title: Annotated[str, typer.Option("--title")] = "brainpress leaderboard",
    suite: SuiteOption = None,
    store: StoreOption = None,
) -> None:
    """Write a board as one HTML page that needs no network, and its figures as files."""
    from harness.report.journal import width_of, write_journal_figures
    from harness.report.page import write_page
    from harness.report.page_data import page_data
    from harness.report.page_files import FORMATS, safe_name, write_figures
    from harness.report.page_frame import Page

    millimetres = width_of(width) if width else 0.0
    opened = read_board(board or same, suite, store)
    data = page_data(opened, benchmark)
    pictures = {
        name: sorted((maps / safe_name(name)).glob("*.png")) for name in data.benchmarks if maps
    }
    where = write_page(opened, out / "index.html", data, Page(title, pictures))
    formats = FORMATS if figures is Figures.ALL else (figures.value,)
    written = 0
    if figures is not Figures.NONE and millimetres:
        written = sum(1 for _ in write_journal_figures(data, out, millimetres, formats))
    elif figures is not Figures.NONE:
        written = sum(1 for _ in write_figures(data, out, formats))
    console.print(
        f"{where} ({where.stat().st_size / 2**20:.1f} MiB), {written} files of figures beside it",
        soft_wrap=True,
    )
