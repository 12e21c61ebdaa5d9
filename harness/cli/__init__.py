"""The command line: parse, call the API, render. One module for each group of commands."""

from __future__ import annotations

import sys

from harness.cli import (
    answer,
    board,
    card,
    check,
    fetch,
    guards,
    import_scores,
    inspect,
    look,
    map,
    new,
    report,
    run,
    submit,
    weights,
)
from harness.cli.app import app, stderr
from harness.cli.notices import hide_pointless_notices
from harness.cli.output import path_error, told_output
from harness.errors import HarnessError
from harness.report import terminal
from harness.store.stopping import listening

__all__ = [
    "answer",
    "app",
    "board",
    "card",
    "check",
    "fetch",
    "guards",
    "import_scores",
    "inspect",
    "look",
    "main",
    "map",
    "new",
    "report",
    "run",
    "submit",
    "weights",
]


def main() -> None:
    """Run the command line. Errors a user can mend are told in two lines; exit code 2.

    SIGINT and SIGTERM stop it after what is being written, see :mod:`harness.store.stopping`.
    """
    hide_pointless_notices()
    with listening(), told_output():
        try:
            app()
        except HarnessError as error:
            terminal.say(stderr, error)
            sys.exit(2)
        except (OSError, ValueError) as error:
            if (told := path_error(error)) is None:
                raise
            terminal.say(stderr, told)
            sys.exit(2)
