"""Where names stand in a figure, so that they cover neither points nor each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.journal import SMALLEST

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


@dataclass(frozen=True)
class Named:
    """A point and its name, in units of the axes."""

    text: str
    x: float
    y: float


def place_names(axes: Any, named: Sequence[Named], points: Sequence[tuple[float, float]]) -> None:
    """Write every name as near to its point as there is room, to the right before the left.

    Parameters
    ----------
    axes : matplotlib Axes
        With its limits set and everything else drawn: other texts in it are kept free, and lines
        that lie level as far as there is room.
    named : sequence of Named
    points : sequence of (x, y)
        Markers that no name may cover.
    """
    from matplotlib.transforms import Bbox

    figure = axes.figure
    figure.draw_without_rendering()
    renderer, dots = figure.canvas.get_renderer(), figure.dpi / 72
    room = axes.get_window_extent(renderer)
    taken = [text.get_window_extent(renderer) for text in axes.texts if text.get_text()]
    for x, y in points:
        at = axes.transData.transform((x, y))
        taken.append(Bbox([at - DISC * dots, at + DISC * dots]))
    level = [line.get_ydata()[0] for line in axes.get_lines() if len(set(line.get_ydata())) == 1]
    heights = [axes.transData.transform((name.x, y))[1] for name in named[:1] for y in level]
    for name in named:
        probe = axes.annotate(name.text, (name.x, name.y), fontsize=SMALLEST)
        size = probe.get_window_extent(renderer).size
        probe.remove()
        at = axes.transData.transform((name.x, name.y))
        tried = [(where, rise, _box(Bbox, at, where, rise * dots, size, GAP * dots))
                 for rise, where in _candidates()]  # fmt: skip
        inside = [one for one in tried if _within(one[2], room)] or tried
        where, rise, box = min(inside, key=lambda one: _covered(one[2], taken, heights))
        taken.append(box)
        leader = {"arrowstyle": "-", "lw": 0.4, "color": "#777777", "shrinkA": 0, "shrinkB": 2}
        axes.annotate(
            name.text, (name.x, name.y), xytext=(_SHIFT[where] * GAP, rise), fontsize=SMALLEST,
            textcoords="offset points", ha=where, va="center",
            arrowprops=leader if abs(rise) > LED else None,
        ).set_in_layout(False)  # fmt: skip


_SHIFT = {"left": 1.0, "right": -1.0, "center": 0.0}
"""Of a name, by the side of it that is towards the point."""


def _covered(box: Any, taken: Sequence[Any], heights: Sequence[float]) -> float:
    """Count what a name would cover: a line counts less than a point or another name."""
    lines = sum(box.y0 <= height <= box.y1 for height in heights)
    return float(sum(box.overlaps(other) for other in taken) + 0.3 * lines)


def _candidates() -> Iterator[tuple[float, str]]:
    """Yield rises in points and the side that is towards the point, the nearest first."""
    for step in range(AWAY):
        for rise in (STEP * step, -STEP * step)[: 2 if step else 1]:
            yield rise, "left"
            yield rise, "right"
            if abs(rise) > LED:
                yield rise, "center"


def _box(box: Any, at: Any, where: str, rise: float, size: Any, gap: float) -> Any:
    left = {"left": gap, "right": -gap - size[0], "center": -size[0] / 2}[where]
    return box.from_bounds(at[0] + left, at[1] + rise - size[1] / 2, *size)


def _within(box: Any, room: Any) -> bool:
    return bool(box.x0 >= room.x0 and box.x1 <= room.x1 and box.y0 >= room.y0 and box.y1 <= room.y1)
