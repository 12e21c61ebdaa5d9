"""An answer in the terminal: one sentence a claim, then what the board lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import xarray as xr

STYLES = {"yes": "green", "no": "red", "undecided": "yellow"}
MARKS = {"yes": "+", "no": "-", "undecided": "?"}
"""Beside the colour, for those who do not see it."""


def answer_view(answer: xr.Dataset) -> RenderableType:
    """Show an answer.

    Parameters
    ----------
    answer : Dataset
        From :func:`harness.answer`.
    """
    table = Table(box=None, padding=(0, 1), expand=True)
    table.add_column("", no_wrap=True)
    table.add_column("about", overflow="fold", ratio=1)
    table.add_column("claim", overflow="fold", ratio=2)
    rows = zip(
        answer["subject"].values, answer["sentence"].values, answer["verdict"].values, strict=True
    )
    previous = ""
    for subject, sentence, verdict in rows:
        mark = Text(MARKS[str(verdict)], style=STYLES[str(verdict)])
        table.add_row(mark, Text("" if subject == previous else str(subject)), Text(str(sentence)))
        previous = subject
    parts: list[RenderableType] = [Text(str(answer.attrs.get("answer", "")), style="italic")]
    if answer.sizes.get("claim"):
        parts += [table, Text("+ yes   - no   ? undecided", style="dim")]
    else:
        parts.append(Text("the board supports no claim", style="bold"))
    for gap in answer["missing"].values:
        parts.append(Text(f"! {gap}", style="yellow"))
    return Group(*parts)
