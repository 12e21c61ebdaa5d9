"""``--json``: what a command says, for programs."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from harness.report.plain import plain

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output; dataclasses as objects, NaN as null."""
    typer.echo(json.dumps(plain(value), indent=1, ensure_ascii=False))
