"""An answer in the terminal: how many claims hold, then the claims, verdict first."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import xarray as xr

STYLES = {"yes": "green", "no": "red", "undecided": "yellow"}
MARKS = {"yes": "+", "no": "-", "undecided": "?"}
"""Beside the colour, for those who do not see it."""
TOLD = ("smallest", "compare")
"""Answers whose claims follow from one another, so that they keep their order."""
LINES = 10
"""Of an answer, unless all of it is asked for."""
_UNBROKEN = re.compile(r"(?<=\d) (?=% CI)|(?<=\b[pn]) (?=[=<])|(?<=[=<]) (?=[\d.])|(?<=%) (?=CI)")
"""Spaces at which no line ends: within ``95 % CI`` and ``p < .001``."""
_PREDICATE = re.compile(r"^(.*?): (?:yes|no|undecided)\b")
_SUBJECT = re.compile(r"^(\S+) on (.+)$")


def answer_view(answer: xr.Dataset, *, every: bool = False) -> RenderableType:
    """Show an answer.

    Parameters
    ----------
    answer : Dataset
        From :func:`harness.answer`.
    every : bool
        Show each claim as its whole sentence, and all that the board lacks. Else ten lines:
        claims that say the same of several variants are one, decided ones come first, and a
        sentence ends at its first semicolon.
    """
    return _Whole(answer) if every else _Brief(answer)


@dataclass(frozen=True, eq=False)
class _Whole:
    answer: xr.Dataset

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(box=None, padding=(0, 1), expand=True)
        table.add_column("", no_wrap=True)
        table.add_column("about", overflow="fold", ratio=1)
        table.add_column("claim", overflow="fold", ratio=2)
        previous = ""
        for subject, sentence, verdict in _rows(self.answer):
            mark = Text(MARKS[verdict], style=STYLES[verdict])
            table.add_row(mark, Text("" if subject == previous else subject), Text(sentence))
            previous = subject
        parts: list[RenderableType] = [_head(self.answer)]
        if self.answer.sizes.get("claim"):
            parts += [table, Text("+ yes   - no   ? undecided", style="dim")]
        for gap in self.answer["missing"].values:
            parts.append(Text(f"! {gap}", style="yellow"))
        yield Group(*parts)


@dataclass(frozen=True, eq=False)
class _Brief:
    answer: xr.Dataset

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _head(self.answer)
        left = LINES - 2
        gaps = len(self.answer["missing"].values)
        hidden = 0
        for group in _groups(self.answer):
            text = _UNBROKEN.sub("\N{NO-BREAK SPACE}", group.text)
            lines = textwrap.wrap(
                text, options.max_width, initial_indent=f"{MARKS[group.verdict]} ",
                subsequent_indent="  ", break_on_hyphens=False,
            )  # fmt: skip
            if len(lines) > left:
                hidden += len(group.members)
                continue
            left -= len(lines)
            yield Text(
                "\n".join(lines).replace("\N{NO-BREAK SPACE}", " "),
                style="" if group.decided else "dim",
            )
        more = [f"{hidden} more claim{'s' * (hidden > 1)}"] * bool(hidden) + [
            f"{gaps} thing{'s' * (gaps > 1)} missing from the board"
        ] * bool(gaps)
        rest = f"{', '.join(more)}: --all" if more else "--all prints each with its numbers"
        yield Text(rest, style="yellow" if gaps else "dim")


@dataclass(frozen=True)
class _Grouped:
    """Claims that say the same of several variants, or a single one."""

    context: str
    predicate: str
    verdict: str
    members: tuple[str, ...]
    sentence: str

    @property
    def decided(self) -> bool:
        return self.verdict != "undecided"

    @property
    def text(self) -> str:
        if len(self.members) == 1:
            return f"{self.members[0]}: {self.sentence.partition('; ')[0]}"
        named, room = [], 100
        for name in self.members:
            room -= len(name) + 2
            if room < 0:
                break
            named.append(name)
        more = len(self.members) - len(named)
        listed = ", ".join(named) + (f" and {more} more" if more else "")
        said = f"{self.predicate}: {self.verdict} for {len(self.members)}: {listed}"
        return f"{self.context}: {said}" if self.context else said


def _rows(answer: xr.Dataset) -> Iterator[tuple[str, str, str]]:
    names = ("subject", "sentence", "verdict")
    for row in zip(*(answer[name].values for name in names), strict=True):
        subject, sentence, verdict = map(str, row)
        yield subject, sentence, verdict


def _head(answer: xr.Dataset) -> Text:
    name = str(answer.attrs.get("answer", ""))
    verdicts = Counter(verdict for _, _, verdict in _rows(answer))
    if not verdicts:
        return Text(f"{name}: the board supports no claim", style="bold")
    counts = ", ".join(f"{verdicts[v]} {v}" for v in MARKS if verdicts[v])
    return Text(f"{name}: {counts}", style="bold")


def _groups(answer: xr.Dataset) -> list[_Grouped]:
    """Join claims of one predicate, verdict and benchmark; decided ones first."""
    found: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for k, (subject, sentence, verdict) in enumerate(_rows(answer)):
        predicate, named = _PREDICATE.match(sentence), _SUBJECT.match(subject)
        key = (subject, str(k), verdict)
        member = subject
        if predicate and named:
            key, member = (named[2], predicate[1], verdict), named[1]
        found.setdefault(key, []).append((member, sentence))
    groups = [
        _Grouped(
            context,
            predicate,
            verdict,
            tuple(m if len(rows) > 1 else _whole(m, context) for m, _ in rows),
            rows[0][1],
        )
        for (context, predicate, verdict), rows in found.items()
    ]
    if answer.attrs.get("answer") in TOLD:  # in the order in which it is told
        return groups
    return sorted(groups, key=lambda g: not g.decided)


def _whole(member: str, context: str) -> str:
    return member if member == context else f"{member} on {context}"
