"""A board as one HTML file that works from disk.

Nothing is fetched: scripts, styles, data and pictures are in the file, and its content security
policy forbids every request and every script but its own, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from harness.board.answers.alignment import controls
from harness.errors import ExtraMissing
from harness.report.charts import FIGURES, TURNS, Figure
from harness.report.page_answer import answers_html
from harness.report.page_data import PageData, axis_titles, page_data
from harness.report.page_frame import Page, end_html, head_html, table_html, top_html
from harness.report.page_origin import origins_table
from harness.report.page_sections import benchmarks_html, claims_html, models_html
from harness.spec.extras import install_command
from harness.store.atomic import writing

if TYPE_CHECKING:
    import pandas as pd

SCRIPTS = ("page", "page_table", "page_drawer", "page_figures", "page_start")
"""In this order: each adds to what the first made."""


def write_page(
    board: xr.DataTree, path: Path, data: PageData | None = None, page: Page | None = None
) -> Path:
    """Write a board as one self-contained HTML file.

    Parameters
    ----------
    board : DataTree
    path : Path
        Of the file.
    data : PageData, optional
        From :func:`page_data`; made here if left out.
    page : Page, optional

    Raises
    ------
    ExtraMissing
        altair or vl-convert-python is not installed.
    StoreError
        The folder cannot be written.
    """
    text = page_html(board, data or page_data(board), page or Page())
    with writing(Path(path)) as beside:
        beside.write_text(text, encoding="utf-8")
    return Path(path)


def page_html(board: xr.DataTree, data: PageData, page: Page) -> str:
    """Return the page; see :func:`write_page`."""
    source = files("harness.report")
    own = (source.joinpath(f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    scripts = (_vega(), "\n".join(own))
    allowed = " ".join(f"'sha256-{_digest(s)}'" for s in scripts)
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    about = _about(board, data)
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        head_html(page),
        f"<style>{source.joinpath('page.css').read_text(encoding='utf-8')}</style></head><body>",
        top_html(page, about, answers_html(board, data), _figure(_FRONT)),
        table_html(about),
        "".join(_figure(f) for f in FIGURES if _drawn(f) and f is not _FRONT),
        "".join(f"<p>{escape(note)}.</p>" for note in data.notes),
        f'</div><h2 id="answers">What the board says</h2>{claims_html(data)}',
        f'<h2 id="benchmarks">Benchmarks</h2>{benchmarks_html(board, data, page.maps or {})}',
        f'<h2 id="models">Models</h2>{models_html(board, data)}',
        end_html(page, board, data.benchmarks),
        _json("about", about),
        _json("figures", {f.name: _spec(f) for f in FIGURES if _drawn(f)}),
        *_tables(data),
        *_origins(board, data, page),
        *(f"<script>{script}</script>" for script in scripts),
        "</body></html>\n",
    ]
    return "\n".join(parts)


_FRONT = next(figure for figure in FIGURES if figure.name == "size")
"""The figure beside the answer."""


def _drawn(figure: Figure) -> bool:
    """Whether a figure is drawn on the page: the ranking is a table there."""
    return figure.name != "ranking"


def _vega() -> str:
    try:
        import vl_convert
    except ImportError as error:
        raise ExtraMissing(
            "the page needs vl-convert-python, which brings vega",
            install_command("report"),
        ) from error
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def _json(name: str, value: Any) -> str:
    # "<" cannot end the element, nor start a comment in it, when it is written as an escape.
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'


def _tables(data: PageData) -> list[str]:
    return [
        _json(f"data-{table}-{i}", _columns(data.tables[table][name]))
        for table in data.tables
        for i, name in enumerate(data.benchmarks)
        if name in data.tables[table]
    ]


def _origins(board: xr.DataTree, data: PageData, page: Page) -> list[str]:
    return [
        _json(f"data-origins-{i}", _columns(origins_table(board, name, page.records)))
        for i, name in enumerate(data.benchmarks)
        if name in data.tables["cells"]
    ]


def _columns(frame: pd.DataFrame) -> dict[str, Any]:
    """Write a table by columns: numbers to four digits, repeated texts as codes."""
    columns: dict[str, Any] = {}
    for name in frame.columns:
        values = frame[name].to_numpy()
        if values.dtype.kind in "fiu":
            columns[str(name)] = [_number(v) for v in values.tolist()]
            continue
        levels, codes = np.unique(values.astype(str), return_inverse=True)
        columns[str(name)] = {"levels": levels.tolist(), "codes": codes.tolist()}
    return columns


def _number(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    if value == int(value):
        return int(value)
    return float(f"{value:.4g}")


def _about(board: xr.DataTree, data: PageData) -> dict[str, Any]:
    benchmarks = board["benchmarks"].to_dataset()
    families = {f for t in data.tables["cells"].values() for f in t["family"]}
    compressors = {c for t in data.tables["cells"].values() for c in t["compressor"]}
    return {
        "benchmarks": [
            {
                "name": name,
                "metric": data.metrics[name],
                "lower": data.lower[name],
                "headline": data.headlines[name].label,
                "axes": axis_titles(data, name),
                "simulated": bool(benchmarks["simulated"].sel(benchmark=name)),
            }
            for name in data.benchmarks
        ],
        "families": sorted(f for f in families if f),
        "compressors": sorted(compressors),
        "verified": "verified" in board["cells"].to_dataset(),
        "models": sum(not kind for kind in controls(board).values()),
        "controls": sum(bool(kind) for kind in controls(board).values()),
    }


def _figure(figure: Figure) -> str:
    name = figure.name
    return (
        f'<figure class="chart" data-figure="{name}"><header><h3>{escape(figure.title)}</h3>'
        f'<button type="button" class="download" data-download="{name}">data as CSV</button>'
        f'</header><figcaption class="help">{escape(figure.help)} <span id="note-{name}"></span>'
        f'</figcaption><div class="draw" id="draw-{name}" role="group" '
        f'aria-label="{escape(figure.title)}"></div></figure>'
    )


def _spec(figure: Figure) -> dict[str, Any]:
    return {"spec": figure.spec(), "data": figure.data, "most": figure.most, "turns": TURNS}
