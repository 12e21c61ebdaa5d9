"""What of a score a question is about: its value, its share of the ceiling, its unique part.

``r`` of a story is mostly what word rate predicts, so that two models can be alike in ``value`` and
differ in what they add. Each measure has a unit, a margin and a floor of its own: a difference that
is negligible for one says nothing about the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol


class ScoreMeasure(StrEnum):
    """A number of a score that answers can be about."""

    VALUE = "value"
    """The benchmark's own value, in the unit of its metric."""
    NORMALISED = "normalised"
    """The value as a share of the ceiling."""
    UNIQUE = "unique"
    """R2 beyond everything that needs no language model (nuisance regressors), fitted jointly."""

    @property
    def label(self) -> str:
        """What sentences and columns call it; empty for the value, which goes without saying."""
        return _LABELS[self]

    @property
    def named(self) -> str:
        """What it is called where it has to be."""
        return self.label or "value"

    @property
    def digits(self) -> int:
        """Digits behind the point: R2 is small where r is not."""
        return 4 if self is ScoreMeasure.UNIQUE else 3

    @property
    def margin_field(self) -> str:
        """Variable of a board's ``/benchmarks`` with its margin."""
        return "margin" if self is ScoreMeasure.VALUE else f"margin_{self}"

    @property
    def other(self) -> str:
        """Name of the margin in ``BenchmarkSpec.margins``; none for the value's, ``margin``."""
        return "" if self is ScoreMeasure.VALUE else str(self)


_LABELS = {
    ScoreMeasure.VALUE: "",
    ScoreMeasure.NORMALISED: "share of the ceiling",
    ScoreMeasure.UNIQUE: "unique R2",
}

HEADLINE, WHY = "headline", "headline_reason"
"""Fields of a benchmark's spec, of its row on a board and of its record in a submission: the
measure that it is read by, and one sentence why."""
MARGIN_FIELDS = tuple(m.margin_field for m in ScoreMeasure if m.other)
"""Margins beside that of the value, likewise."""


class _Row(Protocol):
    def __contains__(self, name: Any, /) -> bool: ...

    def __getitem__(self, name: Any, /) -> Any: ...


def headline_of(row: _Row) -> ScoreMeasure:
    """Return the measure that a benchmark is read by, from its row on a board.

    Boards that were made before it was said are read by the value.
    """
    said = str(row[HEADLINE].item()) if HEADLINE in row else ""
    return ScoreMeasure(said) if said in list(ScoreMeasure) else ScoreMeasure.VALUE


UNSAID: Mapping[str, str | None] = {
    HEADLINE: str(ScoreMeasure.VALUE),
    WHY: "",
    **dict.fromkeys(MARGIN_FIELDS),
}
"""What records and boards that were made before these fields existed are taken to say."""


def flaw_of_measures(headline: object, margins: Mapping[str, object]) -> str:
    """Say what is wrong with a spec's headline and margins; nothing where nothing is."""
    every = ", ".join(ScoreMeasure)
    if headline not in list(ScoreMeasure):
        return f"headline is {headline!r}; there are {every}"
    for name, margin in margins.items():
        if name not in list(ScoreMeasure) or not ScoreMeasure(name).other:
            return f"margins names {name!r}; there are normalised and unique"
        if isinstance(margin, bool) or not isinstance(margin, int | float) or not margin > 0:
            return f"the margin of {name} is {margin!r}, which is no positive number"
    return ""
