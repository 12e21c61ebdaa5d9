"""What each figure for a journal draws, from the tables of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harness.board.answers.alignment import BASE
from harness.report.front_charts import COMPETENCE, SCORE
from harness.report.front_table import ABOVE, LINE
from harness.report.journal import SMALLEST, Draw, Sheet
from harness.report.journal_curves import categories, layers
from harness.report.journal_labels import Named, place_names
from harness.report.journal_looks import ACCENT, COLOURS, INK, MARKERS, PALE, families, proper
from harness.report.journal_regions import regions
from harness.report.page_data import PageData, axis_titles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW = 3.6
"""Height of a row of a forest plot, in mm: 6 pt of type and air."""


def front(sheet: Sheet, data: PageData) -> Figure | None:
    """Draw scores against bytes with the front, and competence below on the same axis."""
    rows = data.tables["front"].get(sheet.benchmark, pd.DataFrame())
    if not len(rows):
        return None
    models = proper(rows)
    below = models["competence"].notna().any()
    figure = sheet.blank(88.0 if below else 60.0)
    panels: Any = figure.subplots(
        2 if below else 1, 1, sharex=True, squeeze=False,
        gridspec_kw={"height_ratios": [2, 1] if below else [1]},
    )[:, 0]  # fmt: skip
    titles = axis_titles(data, sheet.benchmark)
    looks = families(data, sheet.benchmark)
    _points(panels[0], models, looks, "score", ("low", "high"))
    on = models[models["front"] == 1].sort_values("mebibytes")
    panels[0].step(on["mebibytes"], on["score"], where="post", color=ACCENT, zorder=1)
    for _, row in models[models["compressor"] != BASE].iterrows():
        panels[0].plot(
            [row["mebibytes"], row["base_mebibytes"]], [row["score"], row["base_score"]],
            color="#999999", lw=0.4, zorder=0,
        )  # fmt: skip
    _lines(panels[0], rows[rows["kind"] == LINE], "score")
    for n, text in enumerate(rows[rows["kind"] == ABOVE]["label"]):
        panels[0].text(
            0.02, 0.99 - 0.07 * n, f"\N{UPWARDS ARROW} {text}", transform=panels[0].transAxes,
            fontsize=SMALLEST, va="top",
        )  # fmt: skip
    panels[0].set_ylabel(_wrapped(titles[SCORE]))
    if below:
        _points(panels[1], models, looks, "competence", ("competence_low", "competence_high"))
        _lines(panels[1], rows[rows["competence"].notna() & (rows["kind"] == LINE)], "competence")
        panels[1].set_ylabel(_wrapped(titles[COMPETENCE]))
    last = panels[-1]
    last.set_xscale("log")
    last.set_xlabel("size of the weights (MiB, log scale)")
    _plain_log(last)
    sheet.titled(
        figure,
        f"Score against size: {sheet.benchmark}",
        "Filled: uncompressed. Steps: best for its size.",
    )
    named = models[models["label"] != ""].sort_values("mebibytes", ascending=False)
    place_names(
        panels[0],
        [Named(r["label"], r["mebibytes"], r["score"]) for _, r in named.iterrows()],
        [(r["mebibytes"], r["score"]) for _, r in models.iterrows()],
    )
    return figure


def _plain_log(axes: Any) -> None:
    """Label a log axis with plain numbers at 1, 3 and 10."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    low, high = axes.get_xlim()
    axes.set_xlim(low / 1.4, high * 1.6)


def _wrapped(text: str, width: int = 24) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width))


def _points(
    axes: Any,
    models: pd.DataFrame,
    looks: Mapping[str, int],
    score: str,
    ends: tuple[str, str],
) -> None:
    for _, row in models.iterrows():
        if not math.isfinite(row[score]):
            continue
        at = looks[row["model"]]
        base = row["compressor"] == BASE
        if base or row["front"] == 1:
            axes.plot(
                [row["mebibytes"]] * 2, [row[ends[0]], row[ends[1]]], color=INK, lw=0.5, alpha=0.5
            )
        axes.plot(
            row["mebibytes"], row[score], MARKERS[at], ms=3.6, mew=0.8, color=COLOURS[at],
            mfc=COLOURS[at] if base else "white", zorder=3,
        )  # fmt: skip


def _lines(axes: Any, lines: pd.DataFrame, column: str) -> None:
    """Draw chance, controls, nuisance and ceiling, each with its name at the line."""
    low, high = axes.get_ylim()
    placed: list[float] = []
    for _, row in lines[lines[column].notna()].sort_values(column).iterrows():
        value = float(row[column])
        axes.axhline(value, color="#555555", lw=0.6, ls=(0, (4, 3)), zorder=0)
        at = value
        step = 0.075 * (max(high, value) - min(low, value))
        while any(abs(at - other) < step for other in placed):
            at += step / 4
        placed.append(at)
        axes.annotate(
            row["label"], (0.3, at), xycoords=("axes fraction", "data"), fontsize=SMALLEST,
            va="bottom", color="#333333", xytext=(0, 0.5), textcoords="offset points",
        )  # fmt: skip


def robustness(sheet: Sheet, data: PageData) -> Figure | None:
    """Draw the change of every compressed variant with its 90 % interval, and the margin."""
    from matplotlib.ticker import MaxNLocator

    rows = data.tables["robustness"].get(sheet.benchmark, pd.DataFrame())
    if not len(rows):
        return None
    rows, looks = rows.sort_values("difference"), families(data, sheet.benchmark)
    models = list(dict.fromkeys(rows["model"]))
    figure = sheet.blank(20 + _ROW * len(rows))
    axes: Any = figure.subplots()
    margin = float(rows["margin"].iloc[0])
    if margin > 0:
        axes.axvspan(-margin, margin, color=PALE, zorder=0, lw=0)
        axes.text(
            0, len(rows) - 0.35, f"margin \N{PLUS-MINUS SIGN}{margin:g}", fontsize=SMALLEST,
            ha="center", va="bottom", color="#333333",
        )  # fmt: skip
    axes.axvline(0, color="#555555", lw=0.6)
    for at, (_, row) in enumerate(rows.iterrows()):
        which = looks.get(row["model"], 0)
        axes.plot([row["low90"], row["high90"]], [at, at], color=COLOURS[which], lw=1)
        filled = row["outcome"] == "equivalent"
        axes.plot(
            row["difference"], at, MARKERS[which], ms=3.8, mew=0.8, color=COLOURS[which],
            mfc=COLOURS[which] if filled else "white",
        )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_yticks(range(len(rows)), _names(rows, alone=len(models) == 1))
    axes.set_ylim(-0.8, len(rows) + 0.9)
    axes.tick_params(axis="y", length=0)
    unit = axis_titles(data, sheet.benchmark)[SCORE]
    axes.set_xlabel(f"change from the uncompressed model\n({unit}; bars: 90 % intervals)")
    axes.spines["left"].set_visible(False)
    of = f", {models[0]}" if len(models) == 1 else ""
    title = f"What compression changes: {sheet.benchmark}{of}"
    sheet.titled(figure, title, "Filled: equivalent to the base (after Holm).")
    return figure


def _names(rows: pd.DataFrame, *, alone: bool) -> list[str]:
    """Name variants without their options, where that tells them apart: what fits a column."""
    head = "" if alone else rows["model"].astype(str) + "+"
    short = head + rows["compressor"].str.partition(":")[0]
    full = head + rows["compressor"].astype(str)
    return list(short.where(~short.duplicated(keep=False), full))


def dissociation(sheet: Sheet, data: PageData) -> Figure | None:
    """Draw the loss of competence against that of alignment: both in per cent, on one scale."""
    rows = data.tables["dissociation"].get(sheet.benchmark, pd.DataFrame())
    if not len(rows):
        return None
    rows = rows[np.isfinite(rows["competence_change"]) & np.isfinite(rows["alignment_change"])]
    if rows.empty:
        return None
    tests = list(dict.fromkeys(rows["linguistic"]))
    columns = 2 if sheet.width < 120 else 4
    columns = min(columns, len(tests))
    lines = math.ceil(len(tests) / columns)
    side = (sheet.width - 14) / columns
    figure = sheet.blank(24 + (side + 4) * lines)
    panels: Any = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    shares = rows[["competence_change", "alignment_change"]].to_numpy() * 100
    low, high = float(min(shares.min(), 0)), float(max(shares.max(), 0))
    pad = 0.06 * (high - low)
    low, high = low - pad, high + pad
    categories = list(dict.fromkeys(rows["category"]))
    handles: dict[str, Any] = {}
    for axes, name in zip(panels.ravel(), tests, strict=False):
        own = rows[rows["linguistic"] == name]
        axes.plot([low, high], [low, high], color="#222222", lw=0.6, ls=(0, (5, 4)), zorder=0)
        axes.axhline(0, color="#bbbbbb", lw=0.5, zorder=0)
        axes.axvline(0, color="#bbbbbb", lw=0.5, zorder=0)
        for _, row in own.iterrows():
            which = categories.index(row["category"]) % len(MARKERS)
            shown = row["dissociates"] == 1
            (handles[row["category"]],) = axes.plot(
                100 * row["alignment_change"], 100 * row["competence_change"], MARKERS[which],
                ms=4.2 if shown else 2.8, mew=0.7, color=COLOURS[which],
                mfc=COLOURS[which] if shown else "white", zorder=3 if shown else 2, ls="none",
            )  # fmt: skip
        axes.set_title(name, fontsize=SMALLEST + 0.5, loc="left")
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_aspect("equal")
    for axes in panels.ravel()[len(tests) :]:
        axes.set_visible(False)
    for column in range(columns):
        drawn = [panel for panel in panels[:, column] if panel.get_visible()]
        drawn[-1].set_xlabel("change of alignment (%)")
        drawn[-1].tick_params(labelbottom=True)
    for panel in panels[:, 0]:
        panel.set_ylabel("change of competence (%)")
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=3 if columns < 3 else 6,
        handletextpad=0.2,
        columnspacing=0.9,
    )
    sheet.titled(
        figure,
        f"Competence against alignment: {sheet.benchmark}",
        "Shares of the height above the floor; filled: shown.",
    )
    return figure


PLOTS: Mapping[str, Draw] = {
    "size": front,
    "robustness": robustness,
    "dissociation": dissociation,
    "regions": regions,
    "layers": layers,
    "categories": categories,
}
"""Name of each figure, and what draws it."""
TABLES = {
    "size": "front", "robustness": "robustness", "dissociation": "dissociation", "regions": "rois",
    "layers": "layers", "categories": "categories",
}  # fmt: skip
"""The table of the page that each is of."""
