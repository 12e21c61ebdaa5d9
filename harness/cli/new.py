"""``new``: write a plugin package to start from."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app, console, print_next


class Template(StrEnum):
    """What is begun: a package with a plugin, data that need no Python, a listing of files."""

    MODEL = "model"
    COMPRESSOR = "compressor"
    BENCHMARK = "benchmark"
    DATA = "data"
    LISTING = "listing"


@app.command()
def new(
    kind: Annotated[Template, typer.Argument(help="What it brings.")],
    name: Annotated[
        str, typer.Argument(help="Small letters, digits, hyphens; of a listing, a folder.")
    ],
    into: Annotated[Path, typer.Option("--into", help="The folder that gets it.")] = Path("."),
    source: Annotated[
        str, typer.Option("--source", help="Of a model: hf:org/name, file:FOLDER, …")
    ] = "",
    match: Annotated[
        list[str] | None,
        typer.Option("--match", help="Of a listing: files to take, as 'derivatives/*'."),
    ] = None,
) -> None:
    """Write a small package that installs, passes its test and can be checked.

    ``data`` writes a benchmark without Python: a description, words, and responses to replace.
    ``listing`` writes sizes and checksums of the files of a folder (or of a DataLad clone, whose
    content need not be there), as a plugin for a new data set needs them.
    """
    from harness.scaffold.next_steps import after_new
    from harness.scaffold.package import write_package

    if kind is Template.LISTING:
        _listing(Path(name), into, match or ["*"])
        return
    folder = into / name
    if kind is Template.DATA:
        from harness.cli.new_benchmark import scaffold_benchmark

        for path in scaffold_benchmark(name, folder):
            console.print(f"written: {path}", soft_wrap=True)
        print_next([f"brainpress run -m MODEL -b data:{folder}"])
        return
    for path in write_package(kind.value, name, into, source):
        console.print(f"written: {path}", soft_wrap=True)
    print_next(after_new(kind.value, name, folder, source))


def _listing(folder: Path, into: Path, patterns: list[str]) -> None:
    from harness.fetch.make_listing import list_folder, write_listing
    from harness.report.sizes import size_text

    entries = list_folder(folder, patterns)
    path = into / f"{folder.resolve().name}.json" if into.suffix != ".json" else into
    write_listing(entries, path)
    size = size_text(sum(size for size, _ in entries.values()))
    console.print(f"written: {path}, {len(entries)} files, {size}", soft_wrap=True)
