"""``answer``: what a board says to a question."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app, console, stderr
from harness.cli.boards import SuiteOption, read_board
from harness.cli.json_out import Json, print_json
from harness.cli.options import Benchmarks, StoreOption


@app.command()
def answer(
    name: Annotated[
        str,
        typer.Argument(
            help="smallest, controls, saturation, robustness, dissociation, profile, compare A B."
        ),
    ],
    variants: Annotated[
        list[str] | None, typer.Argument(help="For compare: MODEL or MODEL+COMPRESSOR, twice.")
    ] = None,
    board: Annotated[
        Path | None, typer.Option("--board", help="A board.", show_default="STORE/board.nc")
    ] = None,
    benchmark: Benchmarks = None,
    measure: Annotated[
        str | None,
        typer.Option(
            "--measure",
            help="Of neural scores: value, normalised or unique.",
            show_default="each benchmark's headline",
        ),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("-m", "--model", help="Claims about these: names, globs.")
    ] = None,
    compressor: Annotated[
        list[str] | None,
        typer.Option("-c", "--compressor", help="Claims about these: names, globs."),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option("--category", help="Claims about these: syntax, semantics, …"),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every claim, with all its numbers, and every gap.")
    ] = False,
    alpha: Annotated[float, typer.Option("--alpha", min=0.0001, max=0.49)] = 0.05,
    seed: Annotated[int, typer.Option("--seed", help="Of the resamples.")] = 0,
    partly: Annotated[
        bool,
        typer.Option(
            "--partly", help="For robustness: count variants that are compressed below 90 %, too."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the numbers here, as netCDF.")
    ] = None,
    suite: SuiteOption = None,
    store: StoreOption = None,
    as_json: Json = False,
) -> None:
    """Answer a question from a board, in ten lines; --all has every claim with its numbers."""
    from harness.board.answers import answer as ask
    from harness.board.answers import asked, measure_of
    from harness.board.answers.about import claims_about
    from harness.report.answers_view import answer_view
    from harness.store.atomic import writing

    measure_of(measure)
    asked(name, variants or ())  # a mistake in the question is told before a board is looked for
    opened = read_board(board, suite, store)
    said = ask(
        opened,
        name,
        *(variants or ()),
        benchmarks=benchmark,
        measure=measure,
        alpha=alpha,
        seed=seed,
        partly=partly,
    )
    chosen = claims_about(said, model, compressor, category)
    if as_json:
        names = ("subject", "sentence", "verdict")
        columns = (chosen[name].values for name in names)
        claims = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        print_json({**said.attrs, "claims": claims, "missing": said["missing"].values})
    else:
        console.print(answer_view(chosen, every=every))
    if out is not None:
        with writing(out) as beside:
            said.to_netcdf(beside, engine="netcdf4")
        stderr.print(f"written: {out}", soft_wrap=True)
