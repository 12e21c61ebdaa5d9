"""An inspection of a data set as one page of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.errors import ExtraMissing
from harness.own_data.inspect.findings import Level
from harness.own_data.inspect.inspection import Inspection
from harness.own_data.inspect.lags import LATEST, SOONEST
from harness.report.chart_parts import SHADES
from harness.report.visible import visible
from harness.spec.extras import install_command
from harness.store.atomic import writing

WIDTH = 680
MOST = 12
"""Participants and runs that a picture shows by name."""
TIGHT = {"nice": False}
_CONFIG = {
    "background": "white",
    "font": "system-ui, sans-serif",
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "gridColor": "#e6e6e6"},
    "view": {"stroke": None},
}
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;font-size:14px}td,th{padding:.2rem .7rem;text-align:right}
th{border-bottom:1px solid #999}td:first-child,th:first-child{text-align:left}
tr:nth-child(even) td{background:#f5f5f5}.scroll{overflow-x:auto}svg{max-width:100%;height:auto}
li.refused{border-left:4px solid #a8405a;padding-left:.6rem;list-style:none;margin:.4rem 0}
li.look{border-left:4px solid #c2951a;padding-left:.6rem;list-style:none;margin:.4rem 0}
figcaption,small{color:#555;font-size:14px}figure{margin:1rem 0 2rem}ul{padding:0}
"""


def write_inspection(found: Inspection, path: Path) -> Path:
    """Write an inspection as one HTML file that needs no network.

    Parameters
    ----------
    found : Inspection
    path : Path
        Of the file. Its pictures are written beside it, too, as ``NAME.png``.

    Raises
    ------
    ExtraMissing
        vl-convert-python is not installed.
    StoreError
        The folder cannot be written.
    """
    figures = []
    for name, title, spec in pictures(found):
        with writing(path.parent / f"{name}.png") as beside:
            beside.write_bytes(_vega().vegalite_to_png(spec, scale=2, allowed_base_urls=[]))
        svg = _vega().vegalite_to_svg(spec, allowed_base_urls=[])
        figures.append(f"<figure>{svg}<figcaption>{escape(title)}</figcaption></figure>")
    with writing(path) as beside:
        beside.write_text(_page(found, figures), encoding="utf-8")
    return path


def pictures(found: Inspection) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Draw an inspection.

    Yields
    ------
    name, title : str
    spec : dict
        Vega-Lite, with its data.
    """
    if len(found.runs):
        title = "Words and volumes of each run. Both bars should begin and end together."
        yield "clocks", title, _clocks(found)
    if len(found.paces):
        yield "words", "Words a second, at each volume.", _paces(found)
    if found.lags is not None:
        yield "lags", _lag_title(found), _lags(found)
    if len(found.spectrum):
        title = (
            "Power of responses by frequency, a share of all; a line a participant. A cutoff takes"
            " out what lies left of the dashed line; a narrow peak is breath, heart or machine."
        )
        yield "spectrum", title, _spectrum(found)
    if len(found.spread):
        title = (
            "Standard deviation over volumes: the middle half of a participant's columns, and 2 to"
            " 98 %. Participants on other scales were scaled by another program."
        )
        yield "variance", title, _spread(found)
    if len(found.change):
        title = (
            "How much a volume differs from the one before (root mean square over columns, in"
            " standard deviations): spikes are motion, zeros are volumes that nobody measured."
        )
        yield "change", title, _change(found)


def _clocks(found: Inspection) -> dict[str, Any]:
    rows = []
    for row in found.runs.to_dict("records"):
        for what, first, last in (
            ("words", row.get("first word"), row.get("last word")),
            ("volumes", row.get("first volume"), row.get("last volume")),
        ):
            if first is not None and np.isfinite(first):
                half = found.tr / 2 if what == "volumes" else 0.0
                rows.append(
                    {"run": row["run"], "what": what, "from": first - half, "to": last + half}
                )
    colours = {"domain": ["words", "volumes"], "range": [SHADES[3], SHADES[0]]}
    return _spec(
        rows,
        {"type": "bar", "height": {"band": 0.9}},
        {
            "y": {"field": "run", "type": "nominal", "title": None, "sort": None},
            "yOffset": {"field": "what", "type": "nominal", "sort": None},
            "x": {"field": "from", "type": "quantitative", "title": "time, s"},
            "x2": {"field": "to"},
            "color": {"field": "what", "type": "nominal", "scale": colours, "title": None},
        },
        height={"step": 18},
    )


def _paces(found: Inspection) -> dict[str, Any]:
    shown = found.paces[found.paces["run"].isin(list(dict.fromkeys(found.paces["run"]))[:MOST])]
    layer = _spec(
        shown.to_dict("records"),
        {"type": "line", "strokeWidth": 1, "color": SHADES[0]},
        {
            "x": {
                "field": "time",
                "type": "quantitative",
                "title": "time of the volume, s",
                "scale": TIGHT,
            },
            "y": {"field": "rate", "type": "quantitative", "title": "words a second"},
        },
        height=70,
    )
    return _rows_of(layer, "run")


def _lag_title(found: Inspection) -> str:
    curve = found.lags
    assert curve is not None
    return (
        f"Word rate against responses at lags of {curve.lags[0]} to {curve.lags[-1]} volumes. Dark:"
        " root mean square of r over columns and participants; it is largest at"
        f" {curve.best:+d} volumes ({curve.best * found.tr:+.1f} s), p = {curve.p:.3f}. The dotted"
        " line is what 1 in 20 word rates reach that were shifted in a circle. Light: r with the"
        " mean response of each participant, and their mean. Blood follows words by"
        f" {SOONEST:.0f} to {LATEST:.0f} s (grey)."
    )


def _lags(found: Inspection) -> dict[str, Any]:
    curve = found.lags
    assert curve is not None
    rows = [
        {"what": person, "lag": lag, "r": float(r)}
        for person, own in zip(found.participants, curve.mean, strict=True)
        for lag, r in zip(curve.lags, own, strict=True)
    ]
    x = {"field": "lag", "type": "quantitative", "title": f"lag, volumes of {found.tr:g} s"}
    y = {"field": "r", "type": "quantitative", "title": "r"}
    thin = {"type": "line", "strokeWidth": 0.7, "color": SHADES[6], "opacity": 0.7}
    mean = zip(curve.lags, curve.mean.mean(axis=0), strict=True)
    spread = zip(curve.lags, curve.spread, strict=True)
    level = float(np.quantile(curve.null, 0.95))
    bold = {"type": "line", "strokeWidth": 2.5, "point": True}
    layers = [
        {
            "data": {"values": [{"a": SOONEST / found.tr, "b": LATEST / found.tr}]},
            "mark": {"type": "rect", "color": "#eeeeee"},
            "encoding": {"x": {"field": "a", "type": "quantitative"}, "x2": {"field": "b"}},
        },
        {
            "data": {"values": rows},
            "mark": thin,
            "encoding": {"x": x, "y": y, "detail": {"field": "what"}},
        },
        {
            "data": {"values": [{"lag": a, "r": float(b)} for a, b in mean]},
            "mark": bold | {"color": SHADES[4]},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"values": [{"lag": a, "r": float(b)} for a, b in spread]},
            "mark": bold | {"color": SHADES[0]},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"values": [{"r": level}]},
            "mark": {"type": "rule", "strokeDash": [2, 3], "color": SHADES[0]},
            "encoding": {"y": y},
        },
    ]
    return {"layer": layers, "width": WIDTH, "height": 260, "config": _CONFIG}


def _spectrum(found: Inspection) -> dict[str, Any]:
    lines = _spec(
        found.spectrum.to_dict("records"),
        {"type": "line", "strokeWidth": 1, "color": SHADES[0], "opacity": 0.5},
        {
            "x": {
                "field": "frequency",
                "type": "quantitative",
                "title": "frequency, Hz",
                "scale": {"type": "log", "nice": False},
            },
            "y": {"field": "power", "type": "quantitative", "title": "share of the power"},
            "detail": {"field": "participant"},
        },
        height=220,
    )
    if not found.cutoff:
        return lines
    rule = {
        "data": {"values": [{"frequency": 1 / found.cutoff}]},
        "mark": {"type": "rule", "strokeDash": [6, 4], "color": SHADES[2]},
        "encoding": {"x": {"field": "frequency", "type": "quantitative"}},
    }
    first = {key: lines.pop(key) for key in ("data", "mark", "encoding")}
    return {"layer": [first, rule], **lines}


def _spread(found: Inspection) -> dict[str, Any]:
    y = {"field": "participant", "type": "nominal", "title": None, "sort": None}
    values = {"data": {"values": found.spread.to_dict("records")}}
    title = "standard deviation over volumes, in the unit of the files"
    scale = {"type": "log"} if (found.spread["low"] > 0).all() else {}

    def bar(low: str, high: str, size: int, colour: str) -> dict[str, Any]:
        x = {"field": low, "type": "quantitative", "title": title, "scale": scale}
        mark = {"type": "bar", "size": size, "color": colour}
        return values | {"mark": mark, "encoding": {"y": y, "x": x, "x2": {"field": high}}}

    middle = {
        "mark": {"type": "tick", "color": "white", "thickness": 2},
        "encoding": {"y": y, "x": {"field": "median", "type": "quantitative"}},
    }
    layers = [bar("low", "high", 2, SHADES[0]), bar("q1", "q3", 10, SHADES[0]), values | middle]
    return {"layer": layers, "width": WIDTH, "height": {"step": 18}, "config": _CONFIG}


def _change(found: Inspection) -> dict[str, Any]:
    people = list(dict.fromkeys(found.change["participant"]))[:MOST]
    rows = found.change[found.change["participant"].isin(people)]
    layer = _spec(
        rows.to_dict("records"),
        {"type": "line", "strokeWidth": 1},
        {
            "x": {"field": "volume", "type": "quantitative", "title": "volume", "scale": TIGHT},
            "y": {"field": "change", "type": "quantitative", "title": None},
            "color": {
                "field": "run",
                "type": "nominal",
                "scale": {"range": list(SHADES)},
                "legend": {"symbolLimit": MOST},
            },
        },
        height=50,
    )
    return _rows_of(layer, "participant")


def _rows_of(layer: dict[str, Any], field: str) -> dict[str, Any]:
    """One row a value of a field, in the order of the data."""
    data, config = layer.pop("data"), layer.pop("config")
    header = {"labelAngle": 0, "labelAlign": "left", "title": None}
    facet = {"row": {"field": field, "type": "nominal", "sort": None, "header": header}}
    return {"data": data, "facet": facet, "spec": layer, "config": config, "spacing": 6}


def _spec(
    rows: list[dict[str, Any]], mark: dict[str, Any], encoding: dict[str, Any], height: Any
) -> dict[str, Any]:
    return {
        "data": {"values": rows},
        "mark": mark,
        "encoding": encoding,
        "width": WIDTH,
        "height": height,
        "config": _CONFIG,
    }


def _page(found: Inspection, figures: list[str]) -> str:
    name = escape(visible(found.name))
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta http-equiv="Content-Security-Policy"'
            " content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>{name}: inspection</title><style>{_STYLE}</style></head><body>",
            f"<h1>{name}</h1>",
            f"<p><small>{escape(visible(found.where))}</small></p>",
            _findings(found),
            *figures,
            "<h2>Runs</h2>",
            _table(found.runs),
            "<h2>Arrays</h2>",
            _table(found.arrays),
            "</body></html>\n",
        ]
    )


def _findings(found: Inspection) -> str:
    if not found.findings:
        return "<p>Nothing odd was found. Look at the pictures all the same.</p>"
    items = []
    for each in found.findings:
        hint = f"<br><small>{escape(visible(each.hint))}</small>" if each.hint else ""
        word = "cannot be meant" if each.level is Level.REFUSED else "look"
        what = escape(visible(each.what))
        items.append(f'<li class="{each.level}"><b>{word}:</b> {what}{hint}</li>')
    return f"<h2>Found</h2><ul>{''.join(items)}</ul>"


def _table(rows: pd.DataFrame) -> str:
    if not len(rows):
        return "<p>None could be read.</p>"
    head = "".join(f"<th>{escape(str(c))}</th>" for c in rows.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_cell(v))}</td>" for v in row) + "</tr>"
        for row in rows.itertuples(index=False)
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return visible(value)
    return "" if value != value else f"{value:,.4g}"


def _vega() -> Any:
    try:
        import vl_convert
    except ImportError as error:
        raise ExtraMissing("pictures need vl-convert-python", install_command("report")) from error
    return vl_convert
