"""Contrasts between variants, all of a family in one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from harness.errors import ScoreError
from harness.stats.contrasts import paired_contrast
from harness.stats.equivalence import tost
from harness.stats.fdr import holm

Pair = tuple[str, str]


def contrast_table(
    scores: xr.DataArray, pairs: Sequence[Pair], margin: float, alpha: float = 0.05
) -> pd.DataFrame:
    """Contrast pairs of variants, participant by participant or story by story.

    Parameters
    ----------
    scores : DataArray (variant, replicate)
        A score of each replicate: participant, story, or whatever was drawn independently (the
        name of the dimension is free); NaN where there is none.
    pairs : sequence of (str, str)
        First minus second; one family, over which Holm's adjustment runs.
    margin : float
        The difference that counts as none; NaN for no test of equivalence.
    alpha : float
        Level of the tests of equivalence; the interval of the difference has ``1 - alpha``.

    Returns
    -------
    DataFrame
        A row a pair: ``first``, ``second``, ``n``, ``difference``, ``low``, ``high`` (Student t),
        ``dz`` (Cohen's d of paired samples), ``t``, ``t_p``, ``wilcoxon``, ``wilcoxon_p``,
        ``t_holm``, ``wilcoxon_holm``, ``margin``, ``tost_p``, ``tost_holm`` and ``equivalent``
        (``tost_holm < alpha``).

    Raises
    ------
    ScoreError
        A variant is not there, or the array has other dimensions.
    """
    if "variant" not in scores.dims or scores.ndim != 2:
        raise ScoreError(
            f"scores have dimensions {scores.dims}",
            "give one score a variant and replicate (a participant, say, or a story)",
        )
    (replicate,) = (dim for dim in scores.dims if dim != "variant")
    known = {str(name) for name in scores["variant"].values}
    if missing := sorted({name for pair in pairs for name in pair} - known):
        raise ScoreError(f"no scores of {', '.join(missing)}", f"there are {', '.join(known)}")
    columns = ["first", "second", "n", "difference", "low", "high", "dz", "t", "t_p", "wilcoxon"]
    columns += ["wilcoxon_p", "t_holm", "wilcoxon_holm", "margin", "tost_p", "tost_holm"]
    if not pairs:
        return pd.DataFrame(columns=[*columns, "equivalent"])
    first, second = (
        scores.sel(variant=[pair[i] for pair in pairs]).transpose(replicate, "variant").values
        for i in range(2)
    )
    found = paired_contrast(first, second, level=1 - alpha)
    # Paired: nothing but the difference matters, and NaN in either is no replicate.
    same: npt.NDArray[np.float64] = np.full(len(pairs), np.nan)
    if not np.isnan(margin):
        same = np.asarray(tost(first, second, margin, alpha).p)
    table: dict[str, Any] = {
        "first": [pair[0] for pair in pairs],
        "second": [pair[1] for pair in pairs],
        "n": found.n.astype(int),
    }
    names = ("difference", "low", "high", "dz", "t", "t_p", "wilcoxon", "wilcoxon_p")
    table |= {name: getattr(found, name) for name in names}
    table |= {"t_holm": holm(found.t_p), "wilcoxon_holm": holm(found.wilcoxon_p)}
    table |= {"margin": margin, "tost_p": same, "tost_holm": holm(same)}
    return pd.DataFrame(table)[columns].assign(equivalent=lambda t: t["tost_holm"] < alpha)
