"""Scores on the cortical surface: PNG for print, HTML to turn around.

Voxels come to the surface by a mapper (a sparse matrix from voxels to vertices, as Deniz et al.
2019 publish for each participant). Surfaces are those of fsaverage5, which nilearn brings along:
nothing is fetched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from harness.encode.design.mappers import Sparse
from harness.errors import DataError, ExtraMissing
from harness.numeric.arrays import Doubles
from harness.spec.extras import install_command
from harness.store.atomic import writing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VERTICES = 10_242
"""Of a hemisphere of fsaverage5; they are the first ones of every finer fsaverage."""
SIDES = ("left", "right")


@dataclass(frozen=True)
class MapStyle:
    """How a map looks.

    Parameters
    ----------
    title : str
    label : str
        What the colours mean; beside the colour bar.
    low, high : float, optional
        Ends of the colours; 0 and the 99th percentile by default. What lies beyond is drawn in the
        colour of the end, and the colour bar says so.
    threshold : float, optional
        Values below it are not drawn.
    colours : str
        A matplotlib colour map.
    """

    title: str = ""
    label: str = "held-out r"
    low: float = 0.0
    high: float | None = None
    threshold: float | None = None
    colours: str = "inferno"


STYLE = MapStyle()
_ARROWS = {
    (False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both",
}  # fmt: skip
"""Of a colour bar, by whether values lie below and above its ends."""


def of_differences(values: npt.ArrayLike, style: MapStyle) -> MapStyle:
    """Return a style for values on both sides of 0: white at 0, as far to either side.

    Parameters
    ----------
    values : array
    style : MapStyle
        Its ``high`` counts where it has one; else the 99th percentile of the sizes.
    """
    sizes = np.abs(np.asarray(values, dtype=np.float64))
    high = style.high
    if high is None:
        high = float(np.nanpercentile(sizes, 99)) if np.isfinite(sizes).any() else 1e-3
    high = max(high, 1e-3)
    return replace(style, low=-high, high=high, colours="RdBu_r")


def from_voxels(scores: npt.ArrayLike, mapper: Sparse) -> Doubles:
    """Bring the scores of voxels to the vertices of fsaverage5.

    Parameters
    ----------
    scores : array, shape (n_voxels,)
        NaN where a voxel has none.
    mapper : sparse array, shape (n_vertices, n_voxels)
        To fsaverage5 or a finer fsaverage, both hemispheres, left first.

    Returns
    -------
    array, shape (2, 10242)
        Each vertex the mean of the voxels with a score that are mapped onto it, by their weights;
        NaN where there is none.

    Raises
    ------
    DataError
        Sizes do not fit.
    """
    values = np.asarray(scores, dtype=np.float64)
    n_vertices, n_voxels = mapper.shape
    if values.shape != (n_voxels,) or n_vertices % 2 or n_vertices // 2 < VERTICES:
        raise DataError(
            f"{values.size} scores do not fit a mapper from {n_voxels} voxels to {n_vertices}"
            " vertices",
            "the scores are another participant's, or the mapper does not lead to fsaverage",
        )
    half = n_vertices // 2
    rows = scipy.sparse.csr_array(mapper)
    known = np.isfinite(values)
    sides = []
    for start in (0, half):
        own = rows[start : start + VERTICES]
        weight = own @ known.astype(np.float64)
        total = own @ np.where(known, values, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            sides.append(np.where(weight > 0, total / weight, np.nan))
    return np.stack(sides)


def draw_map(values: npt.ArrayLike, style: MapStyle = STYLE) -> Figure:
    """Draw both hemispheres from outside and inside.

    Parameters
    ----------
    values : array, shape (2, 10242)
        Left and right; NaN is not drawn: the surface shows.
    style : MapStyle

    Returns
    -------
    matplotlib Figure
    """
    sides = _checked(values)
    fsaverage, plotting = _nilearn()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    low, high = _range(sides, style)
    figure = Figure(figsize=(9.6, 2.5), dpi=200)
    FigureCanvasAgg(figure)
    boxes = (0.0, 0.225, 0.45, 0.675)
    # Left from outside and inside, then right from inside and outside: a brain laid open.
    panels = [("left", "lateral"), ("left", "medial"), ("right", "medial"), ("right", "lateral")]
    for (side, view), x in zip(panels, boxes, strict=True):
        axes: Any = figure.add_axes((x, 0.02, 0.225, 0.9), projection="3d")
        plotting.plot_surf_stat_map(
            fsaverage[f"infl_{side}"],
            sides[SIDES.index(side)],
            hemi=side,
            view=view,
            bg_map=fsaverage[f"sulc_{side}"],
            cmap=style.colours,
            colorbar=False,
            threshold=style.threshold,
            vmin=low,
            vmax=high,
            symmetric_cbar=False,
            axes=axes,
            figure=figure,
        )
        axes.set_box_aspect(None, zoom=1.25)
    for x, name in ((0.225, "left"), (0.675, "right")):
        figure.text(x, 0.05, name, fontsize=8, color="#444", ha="center")
    bottom, top = float(np.nanmin(sides)), float(np.nanmax(sides))
    bar = figure.colorbar(
        ScalarMappable(Normalize(low, high), style.colours),
        cax=figure.add_axes((0.92, 0.2, 0.011, 0.58)),
        extend=_ARROWS[(bottom < low, top > high)],
    )
    bar.set_label(style.label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    if style.title:
        figure.text(0.5, 0.94, style.title, ha="center", va="center", fontsize=10)
    return figure


def write_map(values: npt.ArrayLike, path: Path, style: MapStyle = STYLE) -> Path:
    """Write a map: ``.png``, ``.pdf`` or ``.svg`` to print, ``.html`` to turn around.

    Parameters
    ----------
    values : array, shape (2, 10242)
    path : Path
        Its ending says what is written. HTML is one file that needs no network.
    style : MapStyle

    Returns
    -------
    Path

    Raises
    ------
    DataError
        The ending is another one, or no vertex has a value.
    ExtraMissing
        nilearn or matplotlib is not installed.
    """
    ending = path.suffix.lower().removeprefix(".")
    if ending not in ("png", "pdf", "svg", "html"):
        raise DataError(f"no map can be written as {path.name}", "end it in .png, .pdf or .html")
    if ending == "html":
        page = _interactive(_checked(values), style)
        with writing(path) as beside:
            beside.write_text(page, encoding="utf-8")
        return path
    figure = draw_map(values, style)
    with writing(path) as beside:
        figure.savefig(beside, format=ending, facecolor="white")
    return path


def _interactive(sides: Doubles, style: MapStyle) -> str:
    """Both hemispheres in one page, side by side, as one mesh."""
    fsaverage, plotting = _nilearn()
    from nilearn import surface

    low, high = _range(sides, style)
    points, faces, grooves = [], [], []
    for number, side in enumerate(SIDES):
        mesh = surface.load_surf_mesh(fsaverage[f"infl_{side}"])
        at = np.array(mesh.coordinates)
        # Inflated hemispheres lie in each other: move them apart.
        at[:, 0] += (2 * number - 1) * (np.abs(at[:, 0]).max() + 2)
        points.append(at)
        faces.append(np.asarray(mesh.faces) + number * VERTICES)
        grooves.append(surface.load_surf_data(fsaverage[f"sulc_{side}"]))
    view = plotting.view_surf(
        surface.InMemoryMesh(np.concatenate(points), np.concatenate(faces)),
        sides.ravel(),
        bg_map=np.concatenate(grooves),
        cmap=style.colours,
        symmetric_cmap=False,
        vmin=low,
        vmax=high,
        threshold=style.threshold,
        title=style.title or None,
        title_fontsize=16,
        colorbar_fontsize=14,
    )
    # The page's icon would be asked for on the web; nothing else is.
    return re.sub(r"<link[^>]*icon[^>]*>", "", str(view.get_standalone()))


def _range(sides: Doubles, style: MapStyle) -> tuple[float, float]:
    high = style.high
    if high is None:
        high = float(np.nanpercentile(sides, 99))
    # Colours need a range, also where nothing reaches above its low end.
    return style.low, max(high, style.low + 1e-3)


def _checked(values: npt.ArrayLike) -> Doubles:
    sides = np.asarray(values, dtype=np.float64)
    if sides.shape != (2, VERTICES):
        raise DataError(
            f"a map has shape (2, {VERTICES}), not {sides.shape}",
            "bring scores to fsaverage5 with from_voxels",
        )
    if not np.isfinite(sides).any():
        raise DataError("no vertex has a value", "are all scores NaN?")
    return sides


def _nilearn() -> tuple[Any, Any]:
    try:
        import matplotlib  # noqa: F401
        from nilearn import datasets, plotting
    except ImportError as error:
        raise ExtraMissing(f"brain maps need {error.name}", install_command("report")) from error
    return datasets.fetch_surf_fsaverage("fsaverage5"), plotting
