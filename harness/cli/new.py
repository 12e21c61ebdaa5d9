"""``new``: write a plugin package to start from."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app, console, print_next


class Kind(StrEnum):
    """What is begun: a package with a plugin, or a folder of data that needs no Python."""

    MODEL = "model"
    COMPRESSOR = "compressor"
    BENCHMARK = "benchmark"
    DATA = "data"


@app.command()
def new(
    kind: Annotated[Kind, typer.Argument(help="What it brings.")],
    name: Annotated[str, typer.Argument(help="Small letters, digits, hyphens.")],
    into: Annotated[Path, typer.Option("--into", help="The folder that gets it.")] = Path("."),
    source: Annotated[
        str, typer.Option("--source", help="Of a model: hf:org/name, file:FOLDER, …")
    ] = "",
) -> None:
    """Write a small package that installs, passes its test and can be checked.

    ``data`` writes a benchmark without Python: a description, words, and responses to replace.
    """
    from harness.scaffold.next_steps import after_new
    from harness.scaffold.package import write_package

    folder = into / name
    if kind is Kind.DATA:
        from harness.cli.new_benchmark import scaffold_benchmark

        for path in scaffold_benchmark(name, folder):
            console.print(f"written: {path}", soft_wrap=True)
        print_next([f"brainpress run -m MODEL -b data:{folder}"])
        return
    for path in write_package(kind.value, name, into, source):
        console.print(f"written: {path}", soft_wrap=True)
    print_next(after_new(kind.value, name, folder, source))
