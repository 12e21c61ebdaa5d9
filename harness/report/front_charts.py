"""The two figures that answer: scores against bytes, and what compression changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.report.chart_parts import altair, chart, tooltip
from harness.report.front_table import ABOVE, LINE

SCORE, COMPETENCE = "score", "competence"
"""Titles of the axes, which the benchmark's units replace: :func:`titled`."""
_HEIGHT, _BELOW = 250, 120
"""Of the two panels, in CSS pixels."""


def titled(spec: dict[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    """Put what the axes are of in place of their placeholders."""
    found: dict[str, Any] = json.loads(json.dumps(spec))
    stack: list[Any] = [found]
    while stack:
        node = stack.pop()
        if isinstance(node, dict) and isinstance(node.get("title"), str):
            node["title"] = titles.get(node["title"], node["title"])
        stack += list(node.values()) if isinstance(node, dict) else []
        stack += node if isinstance(node, list) else []
    return found


def front_chart() -> Any:
    """Draw scores against bytes, and competence on the same axis below."""
    alt = altair()
    upper = _panel("score", ("low", "high"), SCORE, labelled=True)
    lower = _panel("competence", ("competence_low", "competence_high"), COMPETENCE,
                   labelled=False)  # fmt: skip
    both = alt.vconcat(
        upper.properties(width="container", height=_HEIGHT),
        lower.properties(width="container", height=_BELOW),
        spacing=14,
    )
    return both.resolve_scale(x="shared", y="independent")


def _panel(score: str, ends: tuple[str, str], title: str, *, labelled: bool) -> Any:
    alt = altair()
    x = alt.X(
        "mebibytes:Q",
        title=None if labelled else "weights, MiB (log)",
        scale=alt.Scale(type="log", nice=False, padding=24),
        axis=alt.Axis(format="~g", tickCount=6, grid=False, labels=not labelled),
    )
    y = alt.Y(f"{score}:Q", title=title, scale=alt.Scale(zero=False))
    variants = chart().transform_filter(f"isValid(datum.mebibytes) && isValid(datum.{score})")
    lines = chart().transform_filter(f"datum.kind == '{LINE}' && isValid(datum.{score})")
    layers = [
        lines.mark_rule(strokeDash=[5, 4], color="#555").encode(y=y),
        lines.mark_text(align="left", dy=-6, fontSize=11, color="#333").encode(
            x=alt.value(alt.ExprRef("width * 0.3")), y=y, text="label:N"
        ),
        variants.transform_filter("datum.label != ''")
        .mark_rule(color="#0b3954", opacity=0.3)
        .encode(x=x, y=alt.Y(f"{ends[0]}:Q", title=title), y2=ends[1]),
    ]
    if labelled:
        joined = variants.transform_filter("datum.kind == 'compressed'")
        layers += [
            chart()
            .transform_filter(f"datum.kind == '{ABOVE}'")
            .mark_text(align="left", dx=3, fontSize=11, color="#333")
            .transform_calculate(said="'\u2191 ' + datum.label")
            .encode(x=alt.value(alt.ExprRef("width * 0.3")), y=alt.value(4), text="said:N"),
            joined.mark_rule(color="#888", strokeWidth=0.8, opacity=0.6).encode(
                x=x, y=y, x2="base_mebibytes", y2="base_score"
            ),
            variants.transform_filter("datum.front == 1")
            .mark_line(interpolate="step-after", color="#c2571a", strokeWidth=1.6)
            .encode(x=x, y=y, order="mebibytes:Q"),
        ]
    layers.append(
        variants.mark_point(size=70, opacity=1, strokeWidth=1.6).encode(
            x=x,
            y=y,
            stroke=alt.Stroke("family:N", legend=None),
            fill=alt.condition("datum.kind == 'base'", alt.Fill("family:N", legend=None),
                               alt.value("white")),
            shape=alt.Shape("family:N", legend=None),
            tooltip=tooltip(
                ("variant", "nominal"), (score, "quantitative"), (ends[0], "quantitative"),
                (ends[1], "quantitative"), ("mebibytes", "quantitative"), ("standing", "nominal"),
            ),
        )
    )  # fmt: skip
    if labelled:
        height = alt.Y("label_score:Q", title=title)
        leader = variants.transform_filter("datum.label != ''").mark_rule(color="#999", size=0.5)
        layers.append(leader.encode(x=x, y=alt.Y(f"{score}:Q", title=title), y2="label_score:Q"))
        for left, align, along in ((1, "right", -6), (0, "left", 6)):
            own = variants.transform_filter(f"datum.label != '' && datum.label_left == {left}")
            # A white edge below keeps a label legible over points and lines.
            for look in ({"stroke": "white", "strokeWidth": 3}, {"color": "#111"}):
                text = own.mark_text(align=align, dx=along, baseline="middle", fontSize=11, **look)
                layers.append(text.encode(x=x, y=height, text="label:N"))
    return alt.layer(*layers)


def forest_chart() -> Any:
    """Draw the change of every compressed variant with its interval, and the margin."""
    alt = altair()
    y = alt.Y("compressor:N", title=None, sort=None)
    base = chart()
    along = "change from the uncompressed model"
    x = alt.X("difference:Q", title=along)
    offset = alt.YOffset("model:N")
    margin = (
        base.transform_aggregate(margin="max(margin)")
        .transform_filter("datum.margin > 0")
        .transform_calculate(low="-datum.margin", high="datum.margin")
        .mark_rect(color="#e4ecf2")
        .encode(x=alt.X("low:Q", title=along), x2="high")
    )
    zero = base.transform_aggregate(zero="min(zero)").mark_rule(color="#555").encode(x="zero:Q")
    interval = base.mark_rule(strokeWidth=1.6).encode(
        y=y, yOffset=offset, x=alt.X("low90:Q", title=along), x2="high90",
        color=alt.Color("model:N", legend=None),
    )  # fmt: skip
    point = base.mark_point(size=60, opacity=1, strokeWidth=1.6).encode(
        y=y,
        yOffset=offset,
        x=x,
        stroke=alt.Stroke("model:N", title="model"),
        shape=alt.Shape("model:N", title="model"),
        fill=alt.condition("datum.outcome == 'equivalent'", alt.Fill("model:N", legend=None),
                           alt.value("white")),
        tooltip=tooltip(
            ("variant", "nominal"), ("difference", "quantitative"), ("low90", "quantitative"),
            ("high90", "quantitative"), ("outcome", "nominal"), ("n", "quantitative"),
        ),
    )  # fmt: skip
    layers = alt.layer(margin, zero, interval, point)
    return layers.properties(width="container", height=alt.Step(19))
