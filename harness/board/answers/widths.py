"""Whether models of different sizes differ in width, too: wider ones have more regressors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import xarray as xr

from harness.board.answers.alignment import Alignment
from harness.spec.names import split_settings

ALL = "all models"
"""The group of all families."""
OPTION = "projected"
"""Option of a benchmark that brings every layer to one width, by a seeded Gaussian projection."""


def width_gaps(
    board: xr.DataTree, alignment: Alignment, groups: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Say where a claim about size may be one about width.

    Parameters
    ----------
    board : DataTree
    alignment : Alignment
        A benchmark that a question of size is asked of.
    groups : mapping
        Names of the models that are compared, by family.

    Yields
    ------
    str
        What is missing: the same benchmark with every layer projected to one width. Nothing where
        it stands beside, or the benchmark is projected itself, or is no regression on units.
    """
    base, settings = split_settings(alignment.benchmark)
    if alignment.unit != "participants" or _projected(settings):
        return
    names = [str(name) for name in board["benchmarks"].to_dataset()["benchmark"].values]
    others = [split_settings(name) for name in names]
    if any(other == base and _projected(said) for other, said in others):
        return
    known = board["models"].to_dataset()
    for group, models in groups.items():
        who = group if group == ALL else f"models of {group}"
        widths = [
            float(known["width"].sel(model=m)) if "width" in known else math.nan for m in models
        ]
        present = sorted({int(w) for w in widths if math.isfinite(w)})
        if len(present) > 1:
            yield (
                f"{alignment.benchmark}: {who} are {present[0]:,} to {present[-1]:,}"
                " units wide, and wider ones have more regressors: size is told from width by"
                f" {base}:{OPTION}={present[0]}, which is not on the board"
            )
        elif not present:
            yield f"{alignment.benchmark}: how wide {who} are is not on the board"


def _projected(settings: str) -> bool:
    said = dict(part.partition("=")[::2] for part in settings.split(";") if "=" in part)
    return said.get(OPTION, "0") not in ("", "0", "none")
