"""``map``: scores by voxel on the cortical surface."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app, console
from harness.cli.options import StoreOption

if TYPE_CHECKING:
    from harness.encode.design.mappers import Sparse
    from harness.spec.specs import BenchmarkSpec


class Ending(StrEnum):
    """Kind of file to write."""

    PNG = "png"
    PDF = "pdf"
    SVG = "svg"
    HTML = "html"


@app.command("map")
def map_command(
    benchmark: Annotated[
        str, typer.Argument(help="Scored by voxel: a name, NAME:option=value or data:PATH.")
    ],
    variants: Annotated[
        list[str] | None,
        typer.Option("-v", "--variant", help="MODEL+COMPRESSOR, or globs of it; all without any."),
    ] = None,
    what: Annotated[
        str, typer.Option("--what", help="r, unique_r2, unique_q, ceiling, normalised, layer, …")
    ] = "r",
    participants: Annotated[
        str | None,
        typer.Option(
            "--participants", help="With commas: one map each.", show_default="the mean brain"
        ),
    ] = None,
    low: Annotated[float, typer.Option("--low", help="Where colours begin.")] = 0.0,
    high: Annotated[
        float | None,
        typer.Option("--high", help="Where they end.", show_default="99th percentile"),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="What lies below is not drawn.")
    ] = None,
    q: Annotated[
        float | None,
        typer.Option(
            "--q",
            min=0,
            max=1,
            help="Leave out voxels that are not significant at this rate of false discoveries.",
        ),
    ] = None,
    minus: Annotated[
        str,
        typer.Option("--minus", help="Draw differences from this variant: MODEL+COMPRESSOR."),
    ] = "",
    ending: Annotated[
        Ending, typer.Option("--as", help="HTML is one file to turn around, without a network.")
    ] = Ending.PNG,
    out: Annotated[
        Path, typer.Option("--out", help="Folder; `brainpress report --maps` takes it.")
    ] = Path("maps"),
    board: Annotated[
        Path | None, typer.Option("--board", help="A board.", show_default="STORE/board.nc")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Draw scores by voxel on fsaverage: the mean brain of a benchmark, or each participant's."""
    from harness.api import open_store
    from harness.board.files import open_board
    from harness.errors import SelectionError
    from harness.report.board_maps import LABELS, brain_maps
    from harness.report.maps import MapStyle, of_differences, write_map
    from harness.report.page_files import safe_name
    from harness.runner.select import select_benchmarks
    from harness.spec.names import split_names
    from harness.spec.registry import registry

    spec, *others = select_benchmarks([benchmark], registry())
    if others:
        named = ", ".join(each.name for each in (spec, *others))
        raise SelectionError(f"{benchmark!r} is more than one benchmark", f"choose from {named}")
    found = brain_maps(
        open_board(board or open_store(store).root / "board.nc"),
        spec.name,
        lambda participant: _mapper(spec, participant),
        what=what,
        variants=split_names(variants),
        participants=split_names(participants),
        q=q,
        minus=minus,
    )
    for each in found:
        count = len(each.participants)
        whose = f"participant {each.whose}" if count == 1 else f"mean of {count} participants"
        label = LABELS.get(what, what)
        drawn = f"{each.variant} minus {minus}" if minus else each.variant
        style = MapStyle(
            title=f"{drawn}, {spec.name}, {whose}",
            label=f"difference in {label}" if minus else label,
            low=low,
            high=high,
            threshold=threshold,
        )
        if minus:
            style = of_differences(each.values, style)
        less = f"_minus_{minus}" if minus else ""
        name = safe_name(f"{each.variant}{less}_{what}_{each.whose}")
        path = write_map(each.values, out / safe_name(spec.name) / f"{name}.{ending}", style)
        console.print(f"written: {path}", soft_wrap=True)


def _mapper(spec: BenchmarkSpec, participant: str) -> Sparse:
    from harness.errors import SelectionError
    from harness.record.benchmark import HasSurface
    from harness.spec.specs import target_of

    target = target_of(spec)
    if not isinstance(target, HasSurface):
        raise SelectionError(
            f"{spec.name} knows no way from its voxels to the cortical surface",
            "data of your own: say where the mappers are (`mappers` in benchmark.toml)",
        )
    return target.surface(participant, **dict(spec.options))
