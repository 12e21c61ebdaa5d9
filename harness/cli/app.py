"""The application that the commands register with, and where they write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

console = Console()
stderr = Console(stderr=True)


class Commands(TyperGroup):
    """Commands that Ctrl-C ends with a sentence."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that is asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            stderr.print("stopped; the same command goes on where it was")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=Commands,
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
