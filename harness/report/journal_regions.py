"""Regions: scores with intervals and ceilings, beside a schematic brain that shows where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harness.board.answers.alignment import BASE
from harness.report.journal import SMALLEST, Sheet
from harness.report.page_data import PageData
from harness.report.regions import REGIONS, region_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 4
"""Variants that can be told apart in a row."""
_LETTER = 1.2
"""Width of a letter of a legend, in mm."""
_LOOKS = (
    ("o", "#0b3954", "#0b3954"), ("s", "#c2571a", "#c2571a"), ("^", "#5b8e7d", "white"),
    ("D", "#70357f", "white"),
)  # fmt: skip
"""Marker, colour and fill of each variant."""


def regions(sheet: Sheet, data: PageData) -> Figure | None:
    """Draw each region's score by variant; the regions that are known are marked on a brain."""
    rows = data.tables["rois"].get(sheet.benchmark, pd.DataFrame())
    cells = data.tables["cells"].get(sheet.benchmark)
    if not len(rows) or cells is None:
        return None
    bases = cells[(cells["kind"] == "base") & (cells["compressor"] == BASE)]["variant"]
    controls = cells[cells["kind"] == "control"]
    if len(bases):  # those of the best model
        own = controls["model"].str.contains(f":{bases.iloc[0].removesuffix('+none')}", regex=False)
        controls = controls[own] if own.any() else controls
    controls = controls.groupby("group")["variant"].first()
    chosen = [*bases[: max(_MOST - len(controls), 1)], *controls][:_MOST]
    names = list(dict.fromkeys(rows["roi"]))
    known = [name for name in names if name in REGIONS]
    figure = sheet.blank(18 + 8.0 * len(names) + (34 if known else 0))
    heights = [34, 8.0 * len(names) + 12] if known else [1]
    panels: Any = figure.subplots(
        len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights}
    )[:, 0]
    if known:
        _brain(panels[0], known, rows[rows["variant"] == chosen[0]])
    axes = panels[-1]
    for k, variant in enumerate(chosen):
        own = rows[rows["variant"] == variant].set_index("roi").loc[names]
        at = len(names) - 1 - np.arange(len(names)) + 0.24 - 0.16 * k
        marker, colour, fill = _LOOKS[k]
        axes.hlines(at, own["low"], own["high"], color=colour, lw=0.9)
        axes.plot(own["mean"], at, marker, ms=3.4, mew=0.8, color=colour, mfc=fill,
                  label=variant.removesuffix(f"+{BASE}"))  # fmt: skip
    first = rows[rows["variant"] == chosen[0]].set_index("roi").loc[names]
    if np.isfinite(first["ceiling"]).any():
        level = len(names) - 1 - np.arange(len(names))
        axes.plot(first["ceiling"], level, "|", ms=10, mew=1.4, color="#222222", label="ceiling")
    axes.axvline(0, color="#555555", lw=0.6)
    numbered = {name: i for i, name in enumerate(known, 1)}
    said = [f"{numbered[n]}  {region_name(n)}" if n in numbered else region_name(n) for n in names]
    axes.set_yticks(range(len(names) - 1, -1, -1), [_two_lines(text) for text in said])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    unit = data.metrics[sheet.benchmark].partition(",")[0]
    axes.set_xlabel(f"{unit}, held out\n(bars: 95 % intervals over participants)")
    longest = max(len(variant) for variant in chosen)
    figure.legend(loc="outside lower center", handletextpad=0.3,
                  ncols=max(1, min(5, int(sheet.width / (_LETTER * longest + 6)))))  # fmt: skip
    sheet.titled(figure, f"Regions: {sheet.benchmark}")
    return figure


def _two_lines(text: str) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, 22, subsequent_indent="    "))


def _brain(axes: Any, known: list[str], own: pd.DataFrame) -> None:
    """Draw both hemispheres from outside as glass, and a numbered disc where each region lies.

    Discs are grey by score: darker is higher; numbers lead to the rows below.
    """
    from nilearn import datasets, surface

    fsaverage = datasets.fetch_surf_fsaverage("fsaverage5")
    score = own.set_index("roi")["mean"]
    low, high = min(0.0, float(score.min())), float(score.max())
    for side, offset, sign in (("left", 0.0, -1.0), ("right", 200.0, 1.0)):
        mesh = surface.load_surf_mesh(fsaverage[f"pial_{side}"])
        points = np.asarray(mesh.coordinates)
        sulci = surface.load_surf_data(fsaverage[f"sulc_{side}"])
        outer = sign * points[:, 0] > np.median(sign * points[:, 0])
        along = sign * points[:, 1] + offset  # each looks outwards
        axes.scatter(
            along[outer], points[outer, 2], c=np.where(sulci[outer] > 0, 0.62, 0.90), cmap="gray",
            vmin=0, vmax=1, s=1.6, lw=0, rasterized=True, zorder=0,
        )  # fmt: skip
        axes.text(offset, -62, f"{side} hemisphere", ha="center", va="top", fontsize=SMALLEST)
        for number, name in enumerate(known, 1):
            x, y, z = REGIONS[name].place
            if (x < 0) != (side == "left"):
                continue
            share = (float(score[name]) - low) / max(high - low, 1e-9)
            shade = 0.92 - 0.75 * max(share, 0.0)
            axes.scatter(sign * y + offset, z, s=70, c=[(shade,) * 3], edgecolors="#c2571a", lw=1,
                         zorder=3)  # fmt: skip
            axes.text(sign * y + offset, z - 0.8, str(number), ha="center", va="center",
                      fontsize=SMALLEST, color="white" if shade < 0.55 else "black",
                      zorder=4)  # fmt: skip
    axes.set_aspect("equal")
    axes.axis("off")
    axes.set_title("where they lie, schematically; darker: higher score", fontsize=SMALLEST,
                   loc="left")  # fmt: skip
