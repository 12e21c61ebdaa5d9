"""The figures of a board, as Vega-Lite specs without their data.

The page gives them the rows a reader has filtered; files get the rows of one benchmark. Colour is
never alone: shapes, dashes or numbers say the same, so that a figure is legible in grey.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.report.chart_parts import CONFIG, KINDS, POINT, ROWS, SHAPES, altair, chart, tooltip
from harness.report.front_charts import forest_chart, front_chart

if TYPE_CHECKING:
    import altair as alt

TURNS = ("base", "compressed", "untrained", "compressed", "static", "compressed")
"""Kinds of variants, in the order in which a figure that cannot hold all takes the best of each."""


@dataclass(frozen=True)
class Figure:
    """A figure of a board.

    Parameters
    ----------
    name : str
        Identifier; a file's name begins with it.
    title : str
    data : str
        Which table it draws: cells, layers, rois, robustness, categories or dissociation.
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
        spec["config"] = CONFIG
        return spec


def sized(spec: dict[str, Any], width: int) -> dict[str, Any]:
    """Give a spec a width in CSS pixels, or its panels, unless it has one of its own."""
    if spec.get("width") == "container":
        return spec | {"width": width}
    if "spec" in spec:
        return spec | {"spec": sized(spec["spec"], width)}
    if "vconcat" in spec:
        return spec | {"vconcat": [sized(panel, width) for panel in spec["vconcat"]]}
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


def _in_sight(base: Any) -> Any:
    """Keep ceilings near the values: one far above would leave no room for what is compared."""
    top = base.transform_joinaggregate(top="max(high)")
    return top.transform_filter("datum.ceiling <= 3 * datum.top")


def ranking_chart() -> Any:
    """Draw values with intervals and ceiling, best first."""
    alt = altair()
    # Rows come best first: which end that is depends on the benchmark.
    y = alt.Y("variant:N", sort=None, title=None)
    base = chart()
    rule = base.mark_rule(color="#777").encode(y=y, x=alt.X("low:Q", title="value"), x2="high")
    point = base.mark_point(**POINT).encode(
        y=y,
        x="value:Q",
        color=alt.Color("kind:N", scale=alt.Scale(
            domain=list(KINDS), range=["#0b3954", "#3f7cac", "#555555"])),
        shape=alt.Shape("kind:N", scale=alt.Scale(domain=list(KINDS), range=list(SHAPES))),
        tooltip=tooltip(("variant", "nominal"), ("value", "quantitative")),
    )  # fmt: skip
    ceiling = _in_sight(base).mark_tick(color="#555", thickness=2).encode(y=y, x="ceiling:Q")
    return alt.layer(rule, point, ceiling).properties(width="container", height=alt.Step(17))


def categories_chart() -> Any:
    """Draw categories of competence: the score in the field, coloured by what compression took."""
    alt = altair()
    x = alt.X("category:N", title=None, sort=None, axis=alt.Axis(labelAngle=-35))
    y = alt.Y("variant:N", title=None, sort=None)
    base = chart()
    # First, so that rows keep their order: the next layer leaves out what has no change.
    ground = base.mark_rect(color="white").encode(x=x, y=y)
    fields = base.mark_rect(stroke="white").encode(
        x=x,
        y=y,
        color=alt.Color("change:Q", scale=alt.Scale(range=["#8f86b5", "#f4f2fb"])),
        tooltip=tooltip(
            ("variant", "nominal"), ("category", "nominal"), ("score", "quantitative"),
            ("low", "quantitative"), ("high", "quantitative"), ("change", "quantitative"),
            ("change_low", "quantitative"), ("change_high", "quantitative"), ("p", "quantitative"),
        ),
    )  # fmt: skip
    said = "format(datum.score, '.3f') + (isValid(datum.p) && datum.p < .05 ? ' *' : '')"
    numbers = (
        base.transform_calculate(said=said).mark_text(fontSize=11).encode(x=x, y=y, text="said:N")
    )
    layers = alt.layer(ground, fields, numbers)
    return layers.properties(width={"step": 74}, height={"step": 22})


def dissociation_chart() -> Any:
    """Draw the share of competence lost against that of alignment, a panel a benchmark."""
    alt = altair()
    base = alt.Chart()  # a panel has its part of the data, not all
    along = "change of alignment (share)"
    upward = "change of competence (share)"
    x = alt.X("alignment_change:Q", title=along)
    y = alt.Y("competence_change:Q", title=upward)
    thin = {"color": "#999", "opacity": 0.45, "strokeWidth": 0.8}
    across = base.mark_rule(**thin).encode(
        x=alt.X("alignment_low:Q", title=along), x2="alignment_high", y=y
    )
    up = base.mark_rule(**thin).encode(
        x=x, y=alt.Y("competence_low:Q", title=upward), y2="competence_high"
    )
    points = base.mark_point(size=70, opacity=1).encode(
        x=x,
        y=y,
        shape="category:N",
        color="category:N",
        fill=alt.condition("datum.dissociates == 1", "category:N", alt.value("white")),
        tooltip=tooltip(
            ("variant", "nominal"), ("linguistic", "nominal"), ("category", "nominal"),
            ("competence_change", "quantitative"), ("alignment_change", "quantitative"),
            ("p", "quantitative"),
        ),
    )  # fmt: skip
    diagonal = (
        base.transform_aggregate(a="min(alignment_low)", b="max(alignment_high)")
        .mark_rule(strokeDash=[6, 4], color="#222")
        .encode(x="a:Q", x2="b", y="a:Q", y2="b")
    )
    panels = alt.layer(across, up, diagonal, points).properties(width="container", height=230)
    head = alt.Header(title=None, labelAnchor="start", labelFontSize=13, labelFontWeight="bold")
    return panels.facet(
        facet=alt.Facet("linguistic:N", header=head), columns=1, data=alt.NamedData(ROWS)
    ).resolve_scale(y="independent")


def layer_chart() -> Any:
    """Draw held-out scores by layer."""
    alt = altair()
    base = chart().encode(
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
        tooltip=tooltip(("variant", "nominal"), ("layer", "quantitative"),
                         ("score", "quantitative")),
    )  # fmt: skip
    layers = alt.layer(lines, points).resolve_scale(color="independent", shape="independent")
    return layers.properties(width="container", height=320)


def roi_chart() -> Any:
    """Draw regions, with intervals over participants and ceilings."""
    alt = altair()
    base = chart()
    x, offset = alt.X("roi:N", title=None, axis=alt.Axis(labelAngle=-25)), alt.XOffset("variant:N")
    bars = base.mark_bar(stroke="#333", strokeWidth=0.5).encode(
        x=x,
        xOffset=offset,
        y=alt.Y("mean:Q", title="held-out r"),
        color=alt.Color("variant:N"),
        tooltip=tooltip(
            ("variant", "nominal"), ("roi", "nominal"), ("mean", "quantitative"),
            ("low", "quantitative"), ("high", "quantitative"), ("ceiling", "quantitative"),
        ),
    )  # fmt: skip
    ends = base.mark_rule().encode(x=x, xOffset=offset, y=alt.Y("low:Q", title=""), y2="high")
    ceiling = base.mark_tick(color="#555", thickness=2).encode(x=x, y="mean(ceiling):Q")
    return alt.layer(bars, ends, ceiling).properties(width="container", height=300)


FIGURES = (
    Figure("ranking", "Ranking", "cells",
           "Point: value. Line: 95 % interval. Tick: ceiling, up to three times the best.",
           ranking_chart, 40),
    Figure("size", "Alignment and competence against bytes", "front",
           "Above, what the benchmark is read by; below, a linguistic benchmark of the same "
           "variants. Filled: uncompressed; open: compressed, joined to its base; bars: 95 % "
           "intervals. Steps: no variant as small does as well. 16 bits a weight where nobody "
           "weighed.",
           front_chart),
    Figure("robustness", "What compression changes", "robustness",
           "Change from the uncompressed model, with its 90 % interval. Shaded: the margin. "
           "Filled: equivalent, the interval lies within (after Holm).", forest_chart),
    Figure("categories", "Competence by category", "categories",
           "Scores; darker: lost more against the uncompressed model. * differs from it at .05 "
           "after Holm. White: nothing was compressed.", categories_chart, 40),
    Figure("dissociation", "Competence against alignment", "dissociation",
           "Shares of the base's height above its floor. Below the dashed line competence loses "
           "the larger one; filled where that is shown while alignment is preserved.",
           dissociation_chart),
    Figure("layers", "Layer curves", "layers",
           "Mean over participants and regions; a description, not a choice of layer.",
           layer_chart, 8),
    Figure("rois", "Regions", "rois",
           "Mean over participants, 95 % interval, tick: ceiling.", roi_chart, 8),
)  # fmt: skip
