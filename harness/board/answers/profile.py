"""What compression took of each category of competence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import scipy.stats
import xarray as xr

from harness.board.answers.alignment import selected
from harness.board.answers.claims import Claim, Verdict, interval, probability, short, with_claims
from harness.board.profile import SEEDS, category_profile
from harness.numeric.arrays import Doubles
from harness.stats.fdr import holm


def profile(
    board: xr.DataTree,
    benchmarks: Sequence[str] | None = None,
    *,
    alpha: float = 0.05,
    draws: int = 1000,
    seed: int = 0,
) -> xr.Dataset:
    """Say of every compressed variant which categories fell.

    Parameters
    ----------
    board : DataTree
    benchmarks : sequence of str, optional
        Names and globs; all.
    alpha : float
        Level.
    draws, seed : int
        Not used: a category's mean over tasks has a standard error in closed form.

    Returns
    -------
    Dataset
        As :func:`harness.board.profile.category_profile`, with ``p`` (of no change, Holm over
        all of a benchmark) and claims.

    Raises
    ------
    SelectionError
        A pattern selects no benchmark.
    """
    chosen = selected(board, benchmarks)
    found = category_profile(board, chosen)
    gaps = list(_lacks(board, chosen, found))
    if not found.sizes:
        return with_claims(found.assign_attrs(answer="profile", alpha=alpha), [], gaps)
    change, error = found["change"].values, found["error"].values
    with np.errstate(invalid="ignore", divide="ignore"):
        # A change without an error is one of no item at all: there is nothing to test.
        p = 2 * scipy.stats.norm.sf(np.abs(np.where(error > 0, change / error, math.nan)))
    adjusted = np.stack([holm(one) for one in p])
    found = found.assign(p=(found["change"].dims, adjusted))
    said = [claim for name in found["linguistic"].values for claim in _claims(found, name, alpha)]
    return with_claims(found.assign_attrs(answer="profile", alpha=alpha), said, gaps)


def _lacks(board: xr.DataTree, chosen: Sequence[str], found: xr.Dataset) -> Iterator[str]:
    kinds = board["benchmarks"].to_dataset()["kind"]
    known = set(found["linguistic"].values) if found.sizes else set()
    for name in chosen:
        if str(kinds.sel(benchmark=name).item()) == "linguistic" and name not in known:
            yield f"{name}: the board has no categories with intervals"
    if not found.sizes:
        yield "no linguistic benchmark with categories is selected"
        return
    for name in known:
        own = found.sel(linguistic=name)
        if not np.isfinite(own["change"]).any():
            yield f"{name}: no compressed variant beside its base"


def _claims(found: xr.Dataset, name: str, alpha: float) -> Iterator[Claim]:
    own = found.sel(linguistic=name).transpose("model", "compressor", "category")
    unit = "items and seeds" if str(own["standard"].item()) == SEEDS else "items"
    categories, models, compressors = (own[d].values for d in ("category", "model", "compressor"))
    value = {str(v): column.values for v, column in own.items() if column.dtype.kind == "f"}
    for at in zip(*np.nonzero(np.isfinite(value["p"])), strict=True):
        verdict = Verdict.UNDECIDED
        if value["p"][at] < alpha:
            verdict = Verdict.YES if value["change"][at] < 0 else Verdict.NO
        spreads = ""
        if np.isfinite(value["standardised"][at]):
            spreads = (
                f" {_with_ends(value, 'standardised', 'standardised_', at, 1)}"
                f" standard errors of the base over {unit},"
            )
        sentence = (
            f"{categories[at[2]]} falls: {verdict}, {_with_ends(value, 'score', '', at)},"
            f" change {_with_ends(value, 'change', 'change_', at)},{spreads}"
            f" {probability(value['p'][at])}"
        )
        yield Claim(f"{compressors[at[1]]} on {models[at[0]]}, {name}", sentence, verdict)


def _with_ends(
    value: dict[str, Doubles], name: str, ends: str, at: tuple[int, ...], digits: int = 3
) -> str:
    low, high = float(value[f"{ends}low"][at]), float(value[f"{ends}high"][at])
    return f"{short(float(value[name][at]), digits)} {interval(low, high, digits)}"
