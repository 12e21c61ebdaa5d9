"""``run`` and ``status``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app, console
from harness.cli.json_out import Json, print_json
from harness.cli.options import (
    Benchmarks,
    Compressors,
    Controls,
    Device,
    Models,
    Offline,
    Seeds,
    StoreOption,
    SuiteArgument,
    SuiteDtype,
    Tags,
    parse_seeds,
)
from harness.cli.remains import telling_what_remains
from harness.place.memory import check_libraries
from harness.report.plan_view import plan_view
from harness.runner.cells import Cell
from harness.runner.engines.cluster import ClusterName
from harness.runner.engines.options import EngineName
from harness.runner.options import Overwrite
from harness.runner.status import Status


@app.command()
def run(
    suite: SuiteArgument = None,
    model: Models = None,
    compressor: Compressors = None,
    benchmark: Benchmarks = None,
    tag: Tags = None,
    seeds: Seeds = None,
    controls: Controls = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and stop; nothing is fetched.")
    ] = False,
    overwrite: Annotated[
        Overwrite, typer.Option("--overwrite", help="What to compute.")
    ] = Overwrite.MISSING,
    device: Device = "auto",
    dtype: SuiteDtype = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1)] = None,
    memory: Annotated[
        str | None,
        typer.Option("--memory", help="What scoring voxels may take.", show_default="8GiB"),
    ] = None,
    keep_weights: Annotated[
        bool,
        typer.Option(
            "--keep-weights/--no-keep-weights",
            help="Keep the weights of models compressed with calibration in the store.",
        ),
    ] = True,
    store: StoreOption = None,
    offline: Offline = False,
    board: Annotated[
        Path | None,
        typer.Option("--board", help="Where the board is written.", show_default="STORE/board.nc"),
    ] = None,
    engine: Annotated[
        EngineName,
        typer.Option("--engine", help="This process, several of this machine, or Dask."),
    ] = EngineName.LOCAL,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Number of processes.",
            show_default="one for each GPU named, else for each core",
        ),
    ] = None,
    gpus: Annotated[
        str, typer.Option("--gpus", help="GPUs of the processes, as 0,1.", show_default="none")
    ] = "",
    shard: Annotated[
        str, typer.Option("--shard", help="Compute one of N parts only, as 2/8.")
    ] = "1/1",
    scheduler: Annotated[
        str,
        typer.Option(
            "--scheduler",
            help="Of --engine dask, as tcp://HOST:8786.",
            show_default="workers started here",
        ),
    ] = "",
    cluster: Annotated[
        ClusterName | None,
        typer.Option("--cluster", help="Submit the workers as jobs of a cluster."),
    ] = None,
    cluster_options: Annotated[
        Path | None,
        typer.Option("--cluster-options", help="TOML file: what each job asks for."),
    ] = None,
    retries: Annotated[
        int, typer.Option("--retries", min=1, help="Workers that may die over a task.")
    ] = 3,
) -> None:
    """Score variants on benchmarks. What is done already is not done again."""
    check_libraries()  # before any of them is imported
    from harness.api import carry_out, plan
    from harness.board.files import save_board
    from harness.report.board_view import board_view
    from harness.report.live import Bars
    from harness.runner.preflight import estimate

    made = plan(
        suite,
        fetch=not dry_run,
        models=model,
        compressors=compressor,
        benchmarks=benchmark,
        tags=tag,
        seeds=parse_seeds(seeds),
        controls=controls,
        dtype=dtype,
        overwrite=overwrite,
        batch_size=batch_size,
        keep_weights=keep_weights,
        device=device,
        offline=offline,
        memory=memory,
        store=store,
        engine=engine,
        workers=workers,
        gpus=gpus,
        shard=shard,
        scheduler=scheduler,
        cluster=cluster,
        cluster_options=cluster_options,
        retries=retries,
    )
    expected = estimate(made)
    console.print(plan_view(made, expected))
    if dry_run:
        raise typer.Exit(1 if made.count(Status.FAILED) else 0)
    with (
        Bars(console, sum(len(job.cells) for job in made.jobs()), expected.seconds) as bars,
        telling_what_remains(made),
    ):
        cells, result = carry_out(made, bars)
    where = save_board(result, board or made.place.store / "board.nc")
    console.print()
    console.print(board_view(result, console.width))
    console.print(f"board: {where}", soft_wrap=True)
    mine = {variant.name for variant in made.shard()}
    unfinished = [c for c in cells if c.status.tried_again and c.variant.name in mine]
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
    controls: Controls = None,
    dtype: SuiteDtype = None,
    store: StoreOption = None,
    as_json: Json = False,
) -> None:
    """Show which cells of a run are done, to do, or failed and why. Computes nothing."""
    from harness.api import plan
    from harness.runner.preflight import estimate

    made = plan(
        suite or (None if model or tag else "quickstart"),
        models=model,
        compressors=compressor,
        benchmarks=benchmark,
        tags=tag,
        seeds=parse_seeds(seeds),
        controls=controls,
        dtype=dtype,
        fetch=False,
        overwrite=Overwrite.NEVER,
        offline=True,
        store=store,
    )
    if as_json:
        print_json([_facts(cell) for cell in made.cells])
        return
    console.print(plan_view(made, estimate(made)))


def _facts(cell: Cell) -> dict[str, str]:
    return {
        "model": cell.variant.model.name,
        "compressor": cell.variant.compressor.name,
        "benchmark": cell.benchmark.name,
        "status": str(cell.status),
        "reason": cell.reason,
        "key": cell.key,
    }
