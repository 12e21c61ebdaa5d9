"""What the figures share: colours, shapes, sizes of type, and charts without data."""

from __future__ import annotations

from typing import Any

from harness.errors import ExtraMissing
from harness.spec.extras import install_command

SHADES = ("#0b3954", "#70357f", "#a8405a", "#c2571a", "#5b8e7d", "#9aa83a", "#7fb5d6", "#e8ca80")
"""From dark to light, in the order of a legend, so that they can be told apart in grey."""

KINDS = ("base", "compressed", "control")
SHAPES = ("circle", "triangle-up", "cross")

ROWS = "rows"
"""Name of the data in every spec."""

POINT = {"filled": True, "size": 80, "opacity": 1, "stroke": "white", "strokeWidth": 0.6}

CONFIG = {
    "background": "white",
    "font": "system-ui, sans-serif",
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "gridColor": "#e6e6e6", "labelLimit": 300},
    "axisQuantitative": {"labelOverlap": True, "labelSeparation": 6},
    "legend": {
        "labelFontSize": 12,
        "titleFontSize": 12,
        "labelLimit": 260,
        "symbolLimit": 40,
        "symbolOpacity": 1,
    },
    "view": {"stroke": None},
    "range": {"category": list(SHADES)},
}


def altair() -> Any:
    """Return the library that figures are made with.

    Raises
    ------
    ExtraMissing
        It is not installed.
    """
    try:
        import altair as found
    except ImportError as error:
        raise ExtraMissing(
            "figures need altair and vl-convert-python", install_command("report")
        ) from error
    return found


def chart() -> Any:
    """Return a chart of the rows that a spec is given later."""
    alt = altair()
    return alt.Chart(alt.NamedData(ROWS))


def tooltip(*fields: tuple[str, str]) -> list[Any]:
    """Return tooltips of fields with their types; numbers to three digits."""
    alt = altair()
    numbers = {"quantitative": ".3~f"}
    return [
        alt.Tooltip(name, type=kind, format=numbers[kind])
        if kind in numbers
        else alt.Tooltip(name, type=kind)
        for name, kind in fields
    ]
