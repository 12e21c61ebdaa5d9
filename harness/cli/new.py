"""``new``: write a plugin package to start from."""

from __future__ import annotations

import os
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
    bids: Annotated[
        Path | None, typer.Option("--bids", help="Of data: a folder of fMRIPrep derivatives.")
    ] = None,
    task: Annotated[str, typer.Option("--task", help="With --bids, where there are several.")] = "",
    space: Annotated[
        str, typer.Option("--space", help="With --bids, where there are several.")
    ] = "",
    atlas: Annotated[
        str, typer.Option("--atlas", help="With --bids: an image of labels; else voxels.")
    ] = "",
    labels: Annotated[
        str, typer.Option("--labels", help="With --atlas: a table of index and name.")
    ] = "",
    events: Annotated[
        str, typer.Option("--events", help="With --bids: where the words of a {run} are.")
    ] = "events/{run}.tsv",
) -> None:
    """Write a small package that installs, passes its test and can be checked.

    ``data`` writes a benchmark without Python: a description, words, and responses to replace;
    with ``--bids`` the description of a folder of derivatives, and nothing else.
    ``listing`` writes sizes and checksums of the files of a folder (or of a DataLad clone, whose
    content need not be there), as a plugin for a new data set needs them.
    """
    from harness.scaffold.next_steps import after_new
    from harness.scaffold.package import write_package

    if kind is Template.LISTING:
        _listing(Path(name), into, match or ["*"])
        return
    folder = into / name
    if kind is Template.DATA and bids is not None:
        _of_derivatives(name, folder, bids, task, space, atlas, labels, events)
        return
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


def _of_derivatives(
    name: str,
    folder: Path,
    root: Path,
    task: str,
    space: str,
    atlas: str,
    labels: str,
    events: str,
) -> None:
    from harness.errors import HarnessError
    from harness.own_data.bids.describe import describe_derivatives
    from harness.store.atomic import writing

    path = folder / "benchmark.toml"
    if path.exists():
        raise HarnessError(f"{path} is there already", "choose another name, or remove it")

    def shown(file: str) -> str:
        """Relative to the description, where that is possible: a folder that moves stays whole."""
        return Path(os.path.relpath(file, folder)).as_posix() if file else ""

    written = describe_derivatives(
        name,
        root,
        shown(str(root)),
        task=task,
        space=space,
        atlas=shown(atlas),
        labels=shown(labels),
        events=shown(events),
    )
    with writing(path) as beside:
        beside.write_text(written.text, encoding="utf-8")
    for person, reason in written.left_out.items():
        console.print(f"left out: {person}: {reason}", soft_wrap=True)
    if written.left_out:
        said = "to keep who lacks a run, add the name to participants, and to `absent` of the run"
        console.print(said, soft_wrap=True)
    console.print(f"written: {path}", soft_wrap=True)
    print_next([f"brainpress inspect data:{folder}", f"brainpress run -m MODEL -b data:{folder}"])
