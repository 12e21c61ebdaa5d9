"""The application that the commands register with, and where they write."""

from __future__ import annotations

import typer
from rich.console import Console

app = typer.Typer(
    name="brainpress",
    help="How small, and how compressed, can a language model be and still predict the brain?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = Console()
stderr = Console(stderr=True)
