"""Names of points in a figure for a journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.journal import SMALLEST
from harness.report.labels import CENTER, GAP, LEFT, RIGHT, Box, Name, disc, placed

_SHIFT = {LEFT: GAP, RIGHT: -GAP, CENTER: 0.0}


@dataclass(frozen=True)
class Named:
    """A point and its name, in units of the axes."""

    text: str
    x: float
    y: float


def place_names(axes: Any, named: Sequence[Named], points: Sequence[tuple[float, float]]) -> None:
    """Write every name as near to its point as there is room, see :func:`placed`.

    Parameters
    ----------
    axes : matplotlib Axes
        With its limits set and everything else drawn: other texts in it are kept free, and lines
        that lie level as far as there is room.
    named : sequence of Named
    points : sequence of (x, y)
        Markers that no name may cover.
    """
    figure = axes.figure
    figure.draw_without_rendering()
    renderer, dots = figure.canvas.get_renderer(), figure.dpi / 72

    def seen(artist: Any) -> Box:
        return Box(*(artist.get_window_extent(renderer).extents / dots))

    def at(x: float, y: float) -> tuple[float, float]:
        along, up = axes.transData.transform((x, y)) / dots
        return float(along), float(up)

    sizes = []
    for name in named:
        probe = axes.annotate(name.text, (name.x, name.y), fontsize=SMALLEST)
        box = seen(probe)
        probe.remove()
        sizes.append(Name(*at(name.x, name.y), box.x1 - box.x0, box.y1 - box.y0))
    taken = [seen(text) for text in axes.texts if text.get_text()]
    taken += [disc(*at(*point)) for point in points]
    level = [line.get_ydata()[0] for line in axes.get_lines() if len(set(line.get_ydata())) == 1]
    heights = [at(name.x, y)[1] for name in named[:1] for y in level]
    leader = {"arrowstyle": "-", "lw": 0.4, "color": "#777777", "shrinkA": 0, "shrinkB": 2}
    for name, spot in zip(named, placed(sizes, taken, seen(axes), heights), strict=True):
        axes.annotate(
            name.text, (name.x, name.y), xytext=(_SHIFT[spot.side], spot.rise), fontsize=SMALLEST,
            textcoords="offset points", ha=spot.side, va="center",
            arrowprops=leader if spot.led else None,
        ).set_in_layout(False)  # fmt: skip
