"""What strangers wrote, where it is shown: nothing in it acts on a terminal or a spreadsheet."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters, those that reorder or hide others, and halves of a pair."""


def visible(text: str) -> str:
    """Return a text in which each character that acts, and is not seen, is written as its code."""
    return _ACTS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class VisibleConsole(Console):
    """A console that shows such characters in what it prints, whoever wrote it."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render as rich does, with what acts made visible."""
        for segment in super().render(renderable, options):
            if segment.control or not _ACTS.search(segment.text):
                yield segment
            else:
                yield Segment(visible(segment.text), segment.style)
