"""The application that the commands register with, and where they write."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from rich.console import Console
from rich.text import Text

console = Console()
stderr = Console(stderr=True)


app = typer.Typer(
    name="brainpress",
    help="How small, and how compressed, can a language model be and still predict the brain?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def print_next(steps: Sequence[str]) -> None:
    """Print what to do next, a line each, so that commands can be copied."""
    if steps:
        console.print("next:")
    for step in steps:
        console.print(Text(f"  {step}"), soft_wrap=True)
