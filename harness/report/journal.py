"""Figures for a journal: drawn at the width of a column, in type that can be read there.

The page's figures grow with its window. These are drawn by matplotlib at their final width, so that
nothing is scaled afterwards: type is 6 to 8 pt on paper. Shape, fill and direct labels say what
colour says, so that a figure is legible in grey.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.board.files import inert
from harness.errors import ExtraMissing, SelectionError
from harness.report.page_data import PageData
from harness.report.page_files import safe_name
from harness.spec.extras import install_command
from harness.store.atomic import writing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALLEST, PLAIN, TITLE = 6.0, 6.5, 7.0
"""Sizes of type, in points."""
DPI = 300
"""Of pictures in pixels."""
MM = 1 / 25.4
NARROWEST, WIDEST = 60.0, 400.0
RC: Mapping[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "DejaVu Sans"],
    "font.size": PLAIN,
    "axes.labelsize": PLAIN,
    "axes.titlesize": TITLE,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": SMALLEST,
    "ytick.labelsize": SMALLEST,
    "legend.fontsize": SMALLEST,
    "legend.frameon": False,
    "lines.linewidth": 0.9,
    "pdf.fonttype": 42,  # type stays type, which journals ask for
    "svg.fonttype": "none",
    "svg.hashsalt": "brainpress",
}


@dataclass(frozen=True)
class Sheet:
    """What a figure is drawn on.

    Parameters
    ----------
    width : float
        In mm.
    benchmark : str
    simulated : bool
        Marks every figure whose data are simulated.
    """

    width: float
    benchmark: str
    simulated: bool = False

    @property
    def inches(self) -> float:
        """The width in inches."""
        return self.width * MM

    def blank(self, height: float) -> Figure:
        """Return an empty figure of a height in mm, without a window."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(self.inches, height * MM), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        return figure

    def titled(self, figure: Figure, text: str, below: str = "") -> None:
        """Write the title at the left edge, and under it how to read the figure."""
        said = f"{text} (SIMULATED DATA)" if self.simulated else text
        columns = int(self.width * 0.72)  # characters of this type that a line holds
        lines = textwrap.wrap(said, columns) + textwrap.wrap(below, columns)
        figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=TITLE)


Draw = Callable[[Sheet, PageData], "Figure | None"]


def width_of(text: str) -> float:
    """Read a width: ``85mm``, ``18cm``, ``3.5in``.

    Returns
    -------
    float
        In mm.

    Raises
    ------
    SelectionError
        It is none, or narrower than 60 mm or wider than 400 mm.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(mm|cm|in)\s*", text)
    hint = "a column is 85mm in most journals, a page 180mm"
    if not found:
        raise SelectionError(f"{text!r} is no width", hint)
    width = float(found[1]) * {"mm": 1.0, "cm": 10.0, "in": 25.4}[found[2]]
    if not NARROWEST <= width <= WIDEST:
        bounds = f"{NARROWEST:.0f} to {WIDEST:.0f} mm"
        raise SelectionError(f"a figure is {bounds} wide, not {text}", hint)
    return width


def journal_figures(data: PageData, width: float) -> Iterator[tuple[str, str, Figure]]:
    """Draw every figure that a board has data for.

    Parameters
    ----------
    data : PageData
    width : float
        In mm.

    Yields
    ------
    str, str, Figure
        Benchmark, name of the figure, and the figure.

    Raises
    ------
    ExtraMissing
        matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise ExtraMissing("figures need matplotlib", install_command("report")) from error
    from harness.report.journal_plots import PLOTS

    simulated = {n for n in data.benchmarks if "simulated" in data.metrics[n].lower()}
    for benchmark in data.benchmarks:
        sheet = Sheet(width, benchmark, benchmark in simulated)
        for name, draw in PLOTS.items():
            with rc_context(dict(RC)):
                figure = draw(sheet, data)
                if figure is not None:
                    figure.draw_without_rendering()  # with the type of RC
                    yield benchmark, name, figure


def write_journal_figures(
    data: PageData, folder: Path, width: float, formats: tuple[str, ...]
) -> Iterator[Path]:
    """Write them: ``BENCHMARK/FIGURE.pdf`` and so on, and the data of each as CSV.

    Parameters
    ----------
    data : PageData
    folder : Path
    width : float
        In mm.
    formats : tuple of str
        Some of pdf, svg and png; the last at 300 dpi.

    Yields
    ------
    Path
        Each file, once it is there.

    Raises
    ------
    ExtraMissing
        matplotlib is not installed.
    StoreError
        The folder cannot be written.
    """
    from matplotlib import rc_context

    from harness.report.journal_plots import TABLES

    for benchmark, name, figure in journal_figures(data, width):
        place = Path(folder) / safe_name(benchmark) / name
        rows = data.tables[TABLES[name]].get(benchmark, pd.DataFrame())
        with writing(place.with_suffix(".csv")) as beside:
            rows.map(inert).to_csv(beside, index=False)
        yield place.with_suffix(".csv")
        for ending in formats:
            fixed: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
            with rc_context(dict(RC)), writing(place.with_suffix(f".{ending}")) as beside:
                figure.savefig(
                    beside, format=ending, dpi=DPI, facecolor="white", metadata=fixed.get(ending)
                )
            yield place.with_suffix(f".{ending}")
