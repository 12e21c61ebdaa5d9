"""``fetch``: bring the data of benchmarks to this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import app, console
from harness.plugin.registry import registry

if TYPE_CHECKING:
    from harness.fetch.resource import Resource


@app.command()
def fetch(
    names: Annotated[
        list[str], typer.Argument(help="Benchmarks: names, globs, NAME:option=value.")
    ],
    participants: Annotated[
        str | None,
        typer.Option("--participants", help="Only these, with commas: 01,02.", show_default="all"),
    ] = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show sizes and stop.")] = False,
) -> None:
    """Fetch the data of benchmarks: sizes first, resumed where it was cut, checked at the end."""
    from harness.fetch.download import located
    from harness.runner.resources import benchmark_resources
    from harness.runner.select import select_benchmarks

    wanted: dict[str, Resource] = {}
    people = participants.split(",") if participants else []
    for spec in select_benchmarks(names, registry()):
        for resource in benchmark_resources(spec, people):
            wanted[resource.address] = resource
    missing = [r for r in wanted.values() if located(r) is None]
    _announce(list(wanted.values()), missing)
    if dry_run or not missing:
        return
    if not yes:
        typer.confirm("Fetch them?", abort=True)
    _bring(missing)


def _announce(wanted: list[Resource], missing: list[Resource]) -> None:
    import shutil

    from harness.fetch.locate import cache_folder
    from harness.report.sizes import size_text

    console.print(f"{len(wanted)} files, {len(wanted) - len(missing)} of them on this machine")
    if not missing:
        return
    for resource in missing:
        size = "size unknown" if resource.size is None else size_text(resource.size)
        checked = resource.digest.partition(":")[0] or "no checksum"
        console.print(f" {size:>12}  {resource.where or resource.name}  [dim]{checked}[/]")
    known = sum(r.size or 0 for r in missing)
    unknown = sum(r.size is None for r in missing)
    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    console.print(
        f"to fetch: {size_text(known)}"
        + (f" and {unknown} files of unknown size" if unknown else "")
        + f"; {size_text(free)} free in {cache_folder()}",
        soft_wrap=True,
    )
    licences = sorted({r.licence for r in missing if r.licence})
    console.print(f"licence: {', '.join(licences) or 'not stated'}")


def _bring(missing: list[Resource]) -> None:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from harness.fetch.download import fetch as bring

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("")
        for number, resource in enumerate(missing, start=1):
            bars.reset(task, total=resource.size)
            bars.update(task, description=f"{number}/{len(missing)} {resource.name}")

            def advance(done: int, total: int | None) -> None:
                bars.update(task, completed=done, total=total)

            path = bring(resource, progress=advance)
            console.print(f"[green]here[/] {path}", soft_wrap=True)
