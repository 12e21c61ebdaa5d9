"""The figures of a board as PNG, SVG and PDF files, and the data behind them as CSV."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.board.files import inert
from harness.errors import ExtraMissing
from harness.report.chart_parts import ROWS
from harness.report.charts import FIGURES, Figure, sized, taken
from harness.report.front_charts import titled
from harness.report.page_data import PageData, axis_titles
from harness.spec.extras import install_command
from harness.store.atomic import writing

FORMATS = ("svg", "png", "pdf")
WIDTH = 640
"""Of a figure without a width of its own, in CSS pixels."""


def write_figures(
    data: PageData, folder: Path, formats: tuple[str, ...] = FORMATS
) -> Iterator[Path]:
    """Write every figure of every benchmark, and its data.

    Parameters
    ----------
    data : PageData
    folder : Path
        ``BENCHMARK/FIGURE.svg`` and so on go in it.
    formats : tuple of str
        Some of svg, png and pdf.

    Yields
    ------
    Path
        Each file, once it is there.

    Raises
    ------
    ExtraMissing
        altair or vl-convert-python is not installed.
    StoreError
        The folder cannot be written.
    """
    for benchmark in data.benchmarks:
        for figure in FIGURES:
            rows = figure_rows(data, figure, benchmark)
            if not len(rows):
                continue
            place = Path(folder) / safe_name(benchmark) / figure.name
            with writing(place.with_suffix(".csv")) as beside:
                rows.map(inert).to_csv(beside, index=False)
            yield place.with_suffix(".csv")
            spec = filled_spec(figure, rows, benchmark, data.metrics[benchmark])
            spec = titled(spec, axis_titles(data, benchmark))
            for ending in formats:
                with writing(place.with_suffix(f".{ending}")) as beside:
                    beside.write_bytes(_rendered(spec, ending))
                yield place.with_suffix(f".{ending}")


def figure_rows(data: PageData, figure: Figure, benchmark: str) -> pd.DataFrame:
    """Return what a figure draws of a benchmark: the best of each kind, if it cannot hold all."""
    rows = data.tables[figure.data].get(benchmark, pd.DataFrame())
    ranking = data.tables["cells"].get(benchmark)
    if figure.most and ranking is not None and len(rows):
        groups = ranking.groupby("group")["variant"].agg(list).to_dict()
        rows = rows[rows["variant"].isin(taken(groups, figure.most))]
    return rows


def filled_spec(figure: Figure, rows: pd.DataFrame, benchmark: str, metric: str) -> dict[str, Any]:
    """Return a figure's spec with its data, its size and a title."""
    spec = figure.spec()
    spec["datasets"] = {ROWS: rows.replace({np.nan: None}).to_dict("records")}
    spec["title"] = {
        "text": f"{figure.title}: {benchmark}",
        "subtitle": metric,
        "anchor": "start",
        "fontSize": 14,
        "offset": 10,
        "subtitleColor": "#555",
    }
    return sized(spec, WIDTH)


def safe_name(benchmark: str) -> str:
    """Name a folder after a benchmark, whatever characters its name has."""
    return re.sub(r"[^\w@+-]+", "_", benchmark) or "_"


def _rendered(spec: dict[str, Any], ending: str) -> bytes:
    try:
        import vl_convert
    except ImportError as error:
        raise ExtraMissing(
            "figures as files need vl-convert-python", install_command("report")
        ) from error
    if ending == "svg":
        text: str = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
        return text.encode("utf-8")
    if ending == "png":
        image: bytes = vl_convert.vegalite_to_png(spec, scale=2, allowed_base_urls=[])
        return image
    document: bytes = vl_convert.vegalite_to_pdf(spec, allowed_base_urls=[])
    return document
