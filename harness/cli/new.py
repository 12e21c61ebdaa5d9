"""``new``: write a plugin package to start from."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import app, console


class Kind(StrEnum):
    """What the package brings."""

    MODEL = "model"
    COMPRESSOR = "compressor"
    BENCHMARK = "benchmark"


@app.command()
def new(
    kind: Annotated[Kind, typer.Argument(help="What the package brings.")],
    name: Annotated[str, typer.Argument(help="Of the package: small letters, digits, hyphens.")],
    into: Annotated[Path, typer.Option("--into", help="The folder that gets it.")] = Path("."),
    source: Annotated[
        str, typer.Option("--source", help="Of a model: hf:org/name, file:FOLDER, …")
    ] = "",
) -> None:
    """Write a small package that installs, passes its test and can be checked."""
    from harness.scaffold.package import write_package

    for path in write_package(kind.value, name, into, source):
        console.print(f"written: {path}", soft_wrap=True)
    folder = into / name
    console.print(f"next: brainpress check {folder}; pip install -e {folder}", soft_wrap=True)
