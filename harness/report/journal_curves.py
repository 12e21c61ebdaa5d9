"""Layer curves and categories of competence for a journal: models as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.board.answers.alignment import BASE
from harness.report.front_charts import SCORE
from harness.report.journal import Sheet
from harness.report.journal_looks import COLOURS, MARKERS, STROKES, families
from harness.report.page_data import PageData, axis_titles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 6
"""Models that can be told apart."""
_LETTER = 1.2
"""Width of a letter of a legend, in mm."""


def layers(sheet: Sheet, data: PageData) -> Figure | None:
    """Draw the score of every layer by itself against its depth."""
    rows = data.tables["layers"].get(sheet.benchmark, pd.DataFrame())
    models = _models(data, sheet.benchmark, rows)
    if not models:
        return None
    figure = sheet.blank(62.0)
    axes: Any = figure.subplots()
    for model, look, stroke in models:
        own = rows[rows["variant"] == f"{model}+{BASE}"].sort_values("layer")
        depth = 100 * own["layer"] / max(float(own["layer"].max()), 1.0)
        axes.plot(
            depth, own["score"], color=COLOURS[look], marker=MARKERS[look], ms=2.4, lw=0.9,
            ls=STROKES[stroke], label=model,
        )  # fmt: skip
    axes.set_xlabel("depth of the layer (%; 0: embeddings)")
    axes.set_ylabel(data.metrics[sheet.benchmark].partition(",")[0] + ", held out")
    _legend(figure, sheet, [model for model, *_ in models])
    below = "Every layer by itself: a description, by which no layer is chosen."
    sheet.titled(figure, f"Layers: {sheet.benchmark}", below)
    return figure


def categories(sheet: Sheet, data: PageData) -> Figure | None:
    """Draw scores of categories of competence with their intervals."""
    rows = data.tables["categories"].get(sheet.benchmark, pd.DataFrame())
    models = _models(data, sheet.benchmark, rows)
    if not models:
        return None
    own = rows[rows["variant"].isin([f"{model}+{BASE}" for model, *_ in models])]
    names = list(own.groupby("category")["score"].mean().sort_values().index)
    figure = sheet.blank(24 + len(names) * (3.0 + 1.8 * len(models)))
    axes: Any = figure.subplots()
    for k, (model, look, stroke) in enumerate(models):
        each = own[own["variant"] == f"{model}+{BASE}"].set_index("category").reindex(names)
        at = [i + 0.36 - 0.72 * (k + 0.5) / len(models) for i in range(len(names))]
        axes.hlines(at, each["low"], each["high"], color=COLOURS[look], lw=0.9, ls=STROKES[stroke])
        axes.plot(
            each["score"], at, MARKERS[look], ms=3.0, mew=0.7, color=COLOURS[look],
            mfc=COLOURS[look] if stroke == 0 else "white", label=model,
        )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    unit = axis_titles(data, sheet.benchmark)[SCORE]
    axes.set_xlabel(f"{unit}\n(bars: 95 % intervals)")
    _legend(figure, sheet, [model for model, *_ in models])
    sheet.titled(figure, f"Categories: {sheet.benchmark}", "Models as they are.")
    return figure


def _models(data: PageData, benchmark: str, rows: pd.DataFrame) -> list[tuple[str, int, int]]:
    """Return the best models that have rows, by size: name, look, and place in their family."""
    cells = data.tables["cells"].get(benchmark)
    if cells is None or not len(rows):
        return []
    base = cells[(cells["kind"] == "base") & (cells["compressor"] == BASE)]
    base = base[base["variant"].isin(set(rows["variant"]))][:_MOST]
    looks, found, seen = families(data, benchmark), [], dict[int, int]()
    for place, model in enumerate(base.sort_values("parameters", kind="stable")["model"]):
        look = looks.get(str(model), place % len(MARKERS))
        found.append((str(model), look, min(seen.get(look, 0), len(STROKES) - 1)))
        seen[look] = seen.get(look, 0) + 1
    return found


def _legend(figure: Any, sheet: Sheet, names: list[str]) -> None:
    longest = max(len(name) for name in names)
    columns = max(1, min(len(names), int(sheet.width / (_LETTER * longest + 8))))
    figure.legend(loc="outside lower center", ncols=columns, handletextpad=0.4)
