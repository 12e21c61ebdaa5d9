"""The application that the commands register with, and where they write."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from harness.report.visible import VisibleConsole

console = VisibleConsole()
stderr = VisibleConsole(stderr=True)


HELP = "How small, and how compressed, can a language model be and still predict the brain?"

app = typer.Typer(
    name="brainpress",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class LogLevel(StrEnum):
    """From which level on libraries say what they do, on standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"brainpress {version('brainpress')}")
        raise typer.Exit


@app.callback(help=HELP)
def brainpress(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it and exit.")
    ] = False,
    log_level: Annotated[
        LogLevel | None,
        typer.Option("--log-level", help="Show what libraries log.", show_default="their own"),
    ] = None,
) -> None:
    """Take what is said before a command."""
    del version
    if log_level is not None:
        logging.basicConfig(level=log_level.upper(), format="%(name)s: %(message)s")


def print_next(steps: Sequence[str]) -> None:
    """Print what to do next, a line each, so that commands can be copied."""
    if steps:
        console.print("next:")
    for step in steps:
        console.print(Text(f"  {step}"), soft_wrap=True)
