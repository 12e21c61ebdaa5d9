"""Where names stand beside their points, so that they cover neither points nor each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

STEP = 2.0
"""Points between the heights that are tried."""
AWAY = 40
"""Heights that are tried, up and down."""
GAP = 4.0
"""Points between a point and the name beside it."""
DISC = 2.6
"""Points from the middle of a marker to its rim."""
LED = 6.0
"""Points from which a thin line leads from a name to its point."""
LEFT, RIGHT, CENTER = "left", "right", "center"
_LINE = 0.3
"""What it costs to cover a line, where a point or another name costs 1."""


@dataclass(frozen=True)
class Box:
    """A rectangle, in points: from the left and from below."""

    x0: float
    y0: float
    x1: float
    y1: float

    def overlaps(self, other: Box) -> bool:
        """Say whether two share more than an edge."""
        along = self.x0 < other.x1 and other.x0 < self.x1
        return along and self.y0 < other.y1 and other.y0 < self.y1

    def within(self, other: Box) -> bool:
        """Say whether it lies in another."""
        along = other.x0 <= self.x0 and self.x1 <= other.x1
        return along and other.y0 <= self.y0 and self.y1 <= other.y1


@dataclass(frozen=True)
class Name:
    """A point and the size of its name, in points."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Spot:
    """Where a name stands: its side that is towards the point, and its rise over it in points."""

    side: str
    rise: float

    @property
    def led(self) -> bool:
        """Whether a thin line leads to the point."""
        return abs(self.rise) > LED


def disc(x: float, y: float) -> Box:
    """Return the box of a marker."""
    return Box(x - DISC, y - DISC, x + DISC, y + DISC)


def placed(
    names: Sequence[Name],
    taken: Sequence[Box],
    room: Box,
    heights: Sequence[float] = (),
    *,
    centred: bool = True,
) -> list[Spot]:
    """Find the nearest free spot of every name, to the right of its point before the left.

    Parameters
    ----------
    names : sequence of Name
        In the order in which they choose.
    taken : sequence of Box
        Points and texts that no name may cover.
    room : Box
        Which no name may leave.
    heights : sequence of float
        Of level lines, which names cover where there is no other room.
    centred : bool
        Whether a name may stand above or below its point.

    Returns
    -------
    list of Spot
        Where there is no free spot, the one that covers least.
    """
    full, found = list(taken), []
    for name in names:
        tried = [(spot, _box(name, spot)) for spot in _spots(centred)]
        inside = [one for one in tried if one[1].within(room)] or tried
        spot, box = min(inside, key=lambda one: _covered(one[1], full, heights))
        full.append(box)
        found.append(spot)
    return found


def _spots(centred: bool) -> Iterator[Spot]:
    """Yield spots, the nearest first."""
    for step in range(AWAY):
        for rise in (STEP * step, -STEP * step)[: 2 if step else 1]:
            yield Spot(LEFT, rise)
            yield Spot(RIGHT, rise)
            if centred and abs(rise) > LED:
                yield Spot(CENTER, rise)


def _box(name: Name, spot: Spot) -> Box:
    start = {LEFT: GAP, RIGHT: -GAP - name.width, CENTER: -name.width / 2}[spot.side]
    x, y = name.x + start, name.y + spot.rise
    return Box(x, y - name.height / 2, x + name.width, y + name.height / 2)


def _covered(box: Box, full: Sequence[Box], heights: Sequence[float]) -> float:
    lines = sum(box.y0 <= height <= box.y1 for height in heights)
    return sum(box.overlaps(other) for other in full) + _LINE * lines
