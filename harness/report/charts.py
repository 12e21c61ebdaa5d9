"""The figures of a board, as Vega-Lite specs without their data.

The page gives them the rows a reader has filtered; files get the rows of one benchmark. Colour is
never alone: shapes, dashes or numbers say the same, so that a figure is legible in grey.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import ExtraMissing

if TYPE_CHECKING:
    import altair as alt

SHADES = ("#0b3954", "#70357f", "#a8405a", "#c2571a", "#5b8e7d", "#9aa83a", "#7fb5d6", "#e8ca80")
"""From dark to light, in the order of a legend, so that they can be told apart in grey."""

TURNS = ("base", "compressed", "untrained", "compressed", "static", "compressed")
"""Kinds of variants, in the order in which a figure that cannot hold all takes the best of each."""

ROWS = "rows"
"""Name of the data in every spec."""


@dataclass(frozen=True)
class Figure:
    """A figure of a board.

    Parameters
    ----------
    name : str
        Identifier; a file's name begins with it.
    title : str
    data : str
        Which table it draws: cells, layers, rois, robustness or dissociation.
    help : str
        How to read it, in a sentence.
    draw : callable
        Makes the chart.
    most : int, optional
        Variants that can be told apart in it: so many are drawn, see :func:`taken`.
    """

    name: str
    title: str
    data: str
    help: str
    draw: Callable[[], alt.LayerChart | alt.Chart]
    most: int = 0

    def spec(self) -> dict[str, Any]:
        """Return the Vega-Lite spec, whose data is called ``rows``."""
        spec: dict[str, Any] = self.draw().to_dict(validate=False)
        spec["config"] = _CONFIG
        return spec


def taken(groups: Mapping[str, Sequence[str]], most: int) -> list[str]:
    """Choose variants for a figure that cannot hold all: the best of each kind, kinds in turn.

    Parameters
    ----------
    groups : mapping
        Variants by kind, best first.
    most : int
    """
    left = {kind: list(variants) for kind, variants in groups.items()}
    chosen: list[str] = []
    while any(left.get(kind) for kind in TURNS) and len(chosen) < most:
        chosen += [left[kind].pop(0) for kind in TURNS if left.get(kind)]
    return chosen[:most]


_CONFIG = {
    "background": "white",
    "font": "system-ui, sans-serif",
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "gridColor": "#e6e6e6", "labelLimit": 260},
    "axisQuantitative": {"labelOverlap": True, "labelSeparation": 6},
    "legend": {"labelFontSize": 12, "titleFontSize": 12, "labelLimit": 260, "symbolLimit": 40},
    "view": {"stroke": None},
    "range": {"category": list(SHADES)},
}


def _altair() -> Any:
    try:
        import altair
    except ImportError as error:
        raise ExtraMissing(
            "figures need altair and vl-convert-python", "pip install 'brainpress[report]'"
        ) from error
    return altair


def _base() -> Any:
    alt = _altair()
    return alt.Chart(alt.NamedData(ROWS))


def _tooltip(*fields: tuple[str, str]) -> list[Any]:
    alt = _altair()
    numbers = {"quantitative": ".3~f"}
    return [
        alt.Tooltip(name, type=kind, format=numbers[kind])
        if kind in numbers
        else alt.Tooltip(name, type=kind)
        for name, kind in fields
    ]


def size_chart() -> Any:
    """Draw alignment against the number of parameters, with intervals and ceiling."""
    alt = _altair()
    x = alt.X("parameters:Q", scale=alt.Scale(type="log"), axis=alt.Axis(format="~s"))
    y = alt.Y("value:Q", title="value", scale=alt.Scale(zero=False))
    shown = _tooltip(
        ("variant", "nominal"), ("value", "quantitative"), ("low", "quantitative"),
        ("high", "quantitative"), ("bits", "quantitative"),
    )  # fmt: skip
    base = _base()
    intervals = base.mark_rule(opacity=0.35).encode(x=x, y=alt.Y("low:Q", title="value"), y2="high")
    points = base.mark_point(filled=True, size=70, stroke="white", strokeWidth=0.6).encode(
        x=x,
        y=y,
        color=alt.Color("family:N"),
        shape=alt.Shape("kind:N", scale=alt.Scale(
            domain=["base", "compressed", "control"], range=["circle", "triangle-up", "cross"])),
        tooltip=shown,
    )  # fmt: skip
    family = (
        base.transform_filter("datum.kind == 'base'")
        .mark_line(opacity=0.6)
        .encode(x=x, y=y, color="family:N")
    )
    ceiling = base.mark_rule(strokeDash=[6, 4], color="#555").encode(y="mean(ceiling):Q")
    return alt.layer(intervals, family, points, ceiling).properties(width="container", height=340)


def ranking_chart() -> Any:
    """Draw values with intervals and ceiling, best first."""
    alt = _altair()
    y = alt.Y("variant:N", sort=alt.EncodingSortField("value", order="descending"), title=None)
    base = _base()
    rule = base.mark_rule().encode(y=y, x=alt.X("low:Q", title="value"), x2="high")
    point = base.mark_point(filled=True, size=60).encode(
        y=y,
        x="value:Q",
        color=alt.Color("kind:N", scale=alt.Scale(
            domain=["base", "compressed", "control"], range=["#0b3954", "#7aa6d6", "#888888"])),
        shape=alt.Shape("kind:N", scale=alt.Scale(
            domain=["base", "compressed", "control"], range=["circle", "triangle-up", "cross"])),
        tooltip=_tooltip(("variant", "nominal"), ("value", "quantitative")),
    )  # fmt: skip
    ceiling = base.mark_tick(color="#555", thickness=2).encode(y=y, x="ceiling:Q")
    return alt.layer(rule, point, ceiling).properties(width="container", height=alt.Step(17))


def robustness_chart() -> Any:
    """Draw the change under every compressor, with the number and the outcome in the field."""
    alt = _altair()
    x, y = alt.X("model:N", title=None, axis=alt.Axis(labelAngle=-35)), alt.Y("compressor:N")
    base = _base()
    # Light enough for black print throughout; darker is worse, in grey, too.
    fields = base.mark_rect(stroke="white").encode(
        x=x,
        y=y,
        color=alt.Color(
            "difference:Q", title="change", scale=alt.Scale(range=["#8f86b5", "#f4f2fb"])
        ),
        tooltip=_tooltip(
            ("variant", "nominal"), ("difference", "quantitative"), ("low90", "quantitative"),
            ("high90", "quantitative"), ("outcome", "nominal"),
        ),
    )  # fmt: skip
    signs = {"equivalent": "=", "worse": "\u2212", "better": "+", "undecided": "?"}
    text = " : ".join(f"datum.outcome == '{k}' ? '{v} '" for k, v in signs.items()) + " : ''"
    numbers = (
        base.transform_calculate(said=f"({text}) + format(datum.difference, '.3f')")
        .mark_text(fontSize=11)
        .encode(x=x, y=y, text="said:N")
    )
    return alt.layer(fields, numbers).properties(width={"step": 74}, height={"step": 24})


def dissociation_chart() -> Any:
    """Draw the share of competence lost against the share of alignment lost."""
    alt = _altair()
    base = _base()
    along = "change of alignment (share)"
    upward = "change of competence (share)"
    x = alt.X("alignment_change:Q", title=along)
    y = alt.Y("competence_change:Q", title=upward)
    across = base.mark_rule(opacity=0.25).encode(
        x=alt.X("alignment_low:Q", title=along), x2="alignment_high", y=y
    )
    up = base.mark_rule(opacity=0.25).encode(
        x=x, y=alt.Y("competence_low:Q", title=upward), y2="competence_high"
    )
    points = base.mark_point(size=70).encode(
        x=x,
        y=y,
        shape="category:N",
        color="category:N",
        fill=alt.condition("datum.dissociates == 1", "category:N", alt.value("white")),
        tooltip=_tooltip(
            ("variant", "nominal"), ("linguistic", "nominal"), ("category", "nominal"),
            ("competence_change", "quantitative"), ("alignment_change", "quantitative"),
            ("p", "quantitative"),
        ),
    )  # fmt: skip
    diagonal = (
        base.transform_aggregate(a="min(alignment_change)", b="max(alignment_change)")
        .mark_rule(strokeDash=[6, 4], color="#555")
        .encode(x="a:Q", x2="b", y="a:Q", y2="b")
    )
    return alt.layer(diagonal, across, up, points).properties(width="container", height=360)


def layer_chart() -> Any:
    """Draw held-out scores by layer."""
    alt = _altair()
    base = _base().encode(
        x=alt.X("layer:Q", axis=alt.Axis(tickMinStep=1)),
        y=alt.Y("score:Q", title="held-out r", scale=alt.Scale(zero=False)),
    )
    # One legend, of the points: that of the lines would stand beside it.
    lines = base.mark_line().encode(
        color=alt.Color("variant:N", legend=None),
        strokeDash=alt.StrokeDash("variant:N", legend=None),
    )
    points = base.mark_point(filled=True, size=45, opacity=1).encode(
        color=alt.Color("variant:N"),
        shape=alt.Shape("variant:N"),
        tooltip=_tooltip(("variant", "nominal"), ("layer", "quantitative"),
                         ("score", "quantitative")),
    )  # fmt: skip
    layers = alt.layer(lines, points).resolve_scale(color="independent", shape="independent")
    return layers.properties(width="container", height=320)


def roi_chart() -> Any:
    """Draw regions, with intervals over participants and ceilings."""
    alt = _altair()
    base = _base()
    x, offset = alt.X("roi:N", title=None, axis=alt.Axis(labelAngle=-25)), alt.XOffset("variant:N")
    bars = base.mark_bar(stroke="#333", strokeWidth=0.5).encode(
        x=x,
        xOffset=offset,
        y=alt.Y("mean:Q", title="held-out r"),
        color=alt.Color("variant:N"),
        tooltip=_tooltip(
            ("variant", "nominal"), ("roi", "nominal"), ("mean", "quantitative"),
            ("low", "quantitative"), ("high", "quantitative"), ("ceiling", "quantitative"),
        ),
    )  # fmt: skip
    ends = base.mark_rule().encode(x=x, xOffset=offset, y=alt.Y("low:Q", title=""), y2="high")
    ceiling = base.mark_tick(color="#555", thickness=2).encode(x=x, y="mean(ceiling):Q")
    return alt.layer(bars, ends, ceiling).properties(width="container", height=300)


FIGURES = (
    Figure("ranking", "Ranking", "cells",
           "Point: value. Line: 95 % interval. Tick: ceiling.", ranking_chart, 40),
    Figure("size", "Alignment against size", "cells",
           "Dashed: ceiling. Crosses are controls: untrained or static.", size_chart),
    Figure("robustness", "What compression changes", "robustness",
           "Change from the uncompressed model; darker is worse. = equivalent within the margin, "
           "\u2212 worse, + better, ? undecided, all after Holm.", robustness_chart),
    Figure("dissociation", "Competence against alignment", "dissociation",
           "Shares of the base's height above chance. Below the dashed line competence loses the "
           "larger one; filled where that is shown while alignment is preserved.",
           dissociation_chart),
    Figure("layers", "Layer curves", "layers",
           "Mean over participants and regions; a description, not a choice of layer.",
           layer_chart, 8),
    Figure("rois", "Regions", "rois",
           "Mean over participants, 95 % interval, tick: ceiling.", roi_chart, 8),
)  # fmt: skip
