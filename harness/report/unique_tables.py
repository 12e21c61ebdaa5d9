"""Tables of a benchmark's section of the page: what models add, region by region."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
import xarray as xr

from harness.board.answers.alignment import BASE
from harness.board.answers.measured import measured
from harness.spec.layout import VOXEL
from harness.spec.measures import ScoreMeasure
from harness.stats.replicates import replicate_of

LEVEL = 0.05
"""Of q, the rate of false discoveries."""
MOST = 40
"""Rows of a table."""


def unique_tables(known: xr.Dataset | None) -> str:
    """Write tables of uncompressed models and controls; nothing where nothing is known.

    Parameters
    ----------
    known : Dataset or None
        A benchmark's group of a board: ``unique_by_roi`` (or ``unique_r2``) with ``unique_roi_q``,
        ``voxel_unique_q`` and ``partition`` (band, participant, roi), as far as they are there.
    """
    if known is None:
        return ""
    kept = np.flatnonzero(known["compressor"].values == BASE)[:MOST]
    own = known.isel(variant=kept)
    return "".join([*_regions(own), *_voxels(own), *_partition(own)])


def _regions(known: xr.Dataset) -> Iterator[str]:
    """Write unique R2 by region; a star where q, over regions, is below .05."""
    replicate = replicate_of(known)
    read = measured(known, replicate, ScoreMeasure.UNIQUE) if replicate else None
    if read is None or read.regions.sizes["roi"] < 2:
        return
    means = read.regions.mean("replicate").transpose("variant", "roi").values
    shown, said = np.zeros(means.shape, bool), "Unique R² by region"
    if "unique_roi_q" in known:
        shown = (known["unique_roi_q"].transpose("variant", "roi").values < LEVEL) & (means > 0)
        said += f"; * above 0, q < {LEVEL:g} over regions"
    rows = [
        (str(model), [_number(v) + " *" * bool(s) for v, s in zip(own, stars, strict=True)])
        for model, own, stars in zip(known["model"].values, means, shown, strict=True)
    ]
    yield _table(said, [str(r) for r in read.regions["roi"].values], rows)


def _voxels(known: xr.Dataset) -> Iterator[str]:
    """Write the share of each participant's voxels whose unique part is above 0."""
    name = f"{VOXEL}unique_q"
    if name not in known or f"{VOXEL}unique_r2" not in known:
        return
    people = [str(p) for p in known["participant"].values]
    owner = known[f"{VOXEL}participant"]
    if "variant" in owner.dims:
        owner = owner.isel(variant=0)
    found = (known[name] < LEVEL) & (known[f"{VOXEL}unique_r2"] > 0)
    rows = [
        (
            str(model),
            [f"{float(found.isel(variant=i).values[owner.values == k].mean()):.1%}"
             for k in range(len(people))],
        )
        for i, model in enumerate(known["model"].values)
    ]  # fmt: skip
    yield _table(f"Voxels with a unique part above 0, q < {LEVEL:g}", people, rows)


def _partition(known: xr.Dataset) -> Iterator[str]:
    """Write the R2 that each band adds to all others, by region, mean over participants."""
    if "partition" not in known or not {"band", "roi"} <= set(known["partition"].dims):
        return
    over = [d for d in known["partition"].dims if d not in ("variant", "band", "roi")]
    means = known["partition"].mean(over).transpose("variant", "roi", "band")
    rows = [
        (f"{model}, {roi}", [_number(v) for v in means.values[i, k]])
        for i, model in enumerate(known["model"].values)
        for k, roi in enumerate(means["roi"].values)
    ]
    heads = [str(band) for band in means["band"].values]
    yield _table("R² that each band adds to all others", heads, rows[: MOST * 6])


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else ""


def _table(title: str, heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    head = "".join(f"<th>{escape(h)}</th>" for h in ("", *heads))
    body = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{escape(c)}</td>' for c in cells)}</tr>"
        for name, cells in rows
    )
    return (
        f'<details><summary>{escape(title)}</summary><div class="scroll"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )
