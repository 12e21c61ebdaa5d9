"""How models look in every figure of a journal: one colour and one marker a family."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.report.front_table import ABOVE, LINE

if TYPE_CHECKING:
    from harness.report.page_data import PageData

INK, ACCENT, PALE = "#0b3954", "#c2571a", "#e4ecf2"
MARKERS = ("o", "s", "^", "D", "v", "P")
"""Of models, families and categories: told by shape as by colour."""
COLOURS = ("#0b3954", "#c2571a", "#5b8e7d", "#70357f", "#9aa83a", "#444444")
"""From dark to light and back: their lightness differs where their hue is not seen."""
STROKES = ("-", (0, (4, 1.5)), (0, (1, 1)))
"""Of lines: the sizes of one family."""


def proper(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the first figure that are variants, and weighed."""
    return rows[~rows["kind"].isin([LINE, ABOVE]) & np.isfinite(rows["mebibytes"])]


def families(data: PageData, benchmark: str) -> dict[str, int]:
    """Give every model the number of its family, by size: its marker and its colour.

    A benchmark that is not drawn against bytes borrows them from the first that is.
    """
    fronts = data.tables["front"]
    for name in (benchmark, *data.benchmarks):
        if len(rows := fronts.get(name, pd.DataFrame())):
            models = proper(rows).sort_values("base_mebibytes", kind="stable")
            order = list(models["family"].drop_duplicates())
            return {
                str(row["model"]): order.index(row["family"]) % len(MARKERS)
                for _, row in models.drop_duplicates("model").iterrows()
            }
    return {}
