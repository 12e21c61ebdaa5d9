"""``fetch``: bring the data of benchmarks to this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from harness.cli.app import app, console
from harness.errors import FetchError, OfflineError, StoreError
from harness.spec.registry import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.fetch.resource import Resource

IN_A_ROW = 3
"""After so many files in a row that cannot be had, the host or the network is at fault."""

MOST_LINES = 40
"""More files than these are listed by folder."""


@app.command()
def fetch(
    names: Annotated[
        list[str], typer.Argument(help="Benchmarks: names, globs, NAME:option=value.")
    ],
    participants: Annotated[
        str | None,
        typer.Option("--participants", help="Only these, with commas: 01,02.", show_default="all"),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--from", help="A folder with copies, in any order: found by name, checked."),
    ] = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show sizes and stop.")] = False,
) -> None:
    """Fetch the data of benchmarks: sizes first, resumed where it was cut, checked at the end."""
    from harness.fetch.download import located
    from harness.place.place import Place, entered
    from harness.runner.resources import benchmark_resources
    from harness.runner.select import select_benchmarks

    wanted: dict[str, Resource] = {}
    people = participants.split(",") if participants else []
    with entered(Place.make()):
        for spec in select_benchmarks(names, registry()):
            for resource in benchmark_resources(spec, people):
                wanted[resource.address] = resource
        missing = [r for r in wanted.values() if located(r) is None]
        if folder is not None and missing:
            _adopt(missing, folder)
            missing = [r for r in missing if located(r) is None]
        fits = _announce(list(wanted.values()), missing)
        if dry_run or not missing:
            return
        if not fits:
            raise StoreError(
                "what is missing does not fit",
                "set BRAINPRESS_CACHE to a folder on a larger disk, or fetch some of it:"
                " --participants, NAME:option=value",
            )
        if not yes:
            typer.confirm("Fetch them?", abort=True)
        _bring(missing)


def _adopt(missing: list[Resource], folder: Path) -> None:
    from harness.fetch.adopt import adopt

    result = adopt(missing, folder)
    for reason in result.refused.values():
        console.print(f"[red]not taken[/] {escape(reason)}", soft_wrap=True)
    count = "1 file" if len(result.found) == 1 else f"{len(result.found)} files"
    console.print(f"{count} found in {folder}, checked and linked", soft_wrap=True)


def _announce(wanted: list[Resource], missing: list[Resource]) -> bool:
    """Print what is missing; return whether it fits on the disk."""
    import shutil

    from harness.fetch.ask import asked_sizes
    from harness.place.locate import cache_folder
    from harness.report.sizes import size_text

    console.print(f"{len(wanted)} files, {len(wanted) - len(missing)} of them on this machine")
    if not missing:
        return True
    asked = asked_sizes(r for r in missing if r.size is None)
    sizes = [asked.get(r.address) if r.size is None else r.size for r in missing]
    for line in _lines(missing, sizes):
        console.print(line, soft_wrap=True)
    known, unknown = sum(n or 0 for n in sizes), sizes.count(None)
    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    console.print(
        f"to fetch: {_total(sizes)}; {size_text(free)} free in {cache_folder()}", soft_wrap=True
    )
    if known > free:
        console.print("[red]they do not fit[/]: set BRAINPRESS_CACHE to a larger disk")
    if unknown:
        told = "1 size is not known" if unknown == 1 else f"{unknown} sizes are not known"
        console.print(f"[dim]{told}: the network is off, or the host does not tell[/]")
    if any("annex" in str(p) for r in missing for p in _dangling(r)):
        console.print("[dim]a DataLad clone has links to some: `datalad get` brings them, too[/]")
    licences = sorted({r.licence for r in missing if r.licence})
    console.print(f"licence: {', '.join(licences) or 'not stated'}")
    return known <= free


def _dangling(resource: Resource) -> Iterator[Path]:
    """Where links of data folders lead whose content is not there."""
    from harness.place.locate import candidates

    for path in candidates(resource.where) if resource.where else ():
        if path.is_symlink() and not path.exists():
            yield path.readlink()


def _lines(missing: list[Resource], sizes: list[int | None]) -> Iterator[str]:
    """Write a line a file; where they are many, a line a folder."""
    from itertools import groupby

    named = [(r.where or r.name, r.digest.partition(":")[0] or "no checksum") for r in missing]
    rows = list(zip(named, sizes, strict=True))
    if len(rows) <= MOST_LINES:
        for (name, checked), size in rows:
            yield f" {_total([size]):>12}  {name}  [dim]{checked}[/]"
        return

    def folder(row: tuple[tuple[str, str], int | None]) -> str:
        return row[0][0].rpartition("/")[0]

    for place, within in groupby(sorted(rows, key=folder), folder):
        group = list(within)
        kinds = " and ".join(sorted({checked for (_, checked), _ in group}))
        count = f"{len(group)} {'file' if len(group) == 1 else 'files'}"
        yield f" {_total([n for _, n in group]):>12}  {place}/  {count}  [dim]{kinds}[/]"


def _total(sizes: list[int | None]) -> str:
    from harness.report.sizes import size_text

    known = [n for n in sizes if n is not None]
    if not known:
        return "size unknown"
    return size_text(sum(known)) + (" or more" if len(known) < len(sizes) else "")


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

    failed: list[FetchError] = []
    in_a_row = 0
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

            try:
                path = bring(resource, progress=advance)
            except OfflineError:
                raise
            except FetchError as error:
                # One file that a host has lost must not keep the others away over night.
                failed.append(error)
                in_a_row += 1
                name = resource.where or resource.name
                console.print(f"[red]failed[/] {name}: {escape(error.message)}", soft_wrap=True)
                if in_a_row == IN_A_ROW:
                    break
                continue
            in_a_row = 0
            console.print(f"[green]here[/] {path}", soft_wrap=True)
    if failed:
        _tell(failed, stopped=in_a_row == IN_A_ROW)


def _tell(failed: list[FetchError], stopped: bool) -> None:
    last = failed[-1]
    if len(failed) == 1:
        raise last
    ended = f" (stopped after {IN_A_ROW} in a row)" if stopped else ""
    raise FetchError(
        f"{len(failed)} files could not be fetched{ended}; the last: {last.message}",
        last.hint or "the same command goes on where it stopped",
    )
