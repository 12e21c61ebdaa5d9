"""Contrasts between variants, all of a family in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """Contrast pairs of variants, participant by participant.

    Parameters
    ----------
    scores : DataArray (variant, participant)
        A score of each participant; NaN where there is none.
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
    if set(scores.dims) != {"variant", "participant"}:
        raise ScoreError(
            f"scores have dimensions {scores.dims}", "give one score a variant and participant"
        )
    known = {str(name) for name in scores["variant"].values}
    if missing := sorted({name for pair in pairs for name in pair} - known):
        raise ScoreError(f"no scores of {', '.join(missing)}", f"there are {', '.join(known)}")
    columns = ["first", "second", "n", "difference", "low", "high", "dz", "t", "t_p", "wilcoxon"]
    columns += ["wilcoxon_p", "t_holm", "wilcoxon_holm", "margin", "tost_p", "tost_holm"]
    if not pairs:
        return pd.DataFrame(columns=[*columns, "equivalent"])
    first, second = (
        scores.sel(variant=[pair[i] for pair in pairs]).transpose("participant", "variant").values
        for i in range(2)
    )
    found = paired_contrast(first, second, level=1 - alpha)
    # Paired: nothing but the difference matters, and NaN in either is no participant.
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


def board_pairs(board: xr.DataTree, benchmark: str) -> Mapping[str, list[Pair]]:
    """Pairs that answer the questions of a study, as families.

    Parameters
    ----------
    board : DataTree
        See :func:`harness.board.assemble.assemble`.
    benchmark : str
        A neural benchmark.

    Returns
    -------
    mapping
        ``trained - untrained``: each model, uncompressed, against each of its untrained controls.
        ``none - compressor``: each model against each of its compressed variants. Only pairs that
        both have scores.
    """
    data = _neural(board, benchmark)
    models = board["models"].to_dataset()
    base = dict(zip(models["model"].values, models["base"].values, strict=True))
    control = dict(zip(models["model"].values, models["control"].values, strict=True))
    of = {
        (str(m), str(c)): str(v)
        for m, c, v in zip(
            data["model"].values, data["compressor"].values, data["variant"].values, strict=True
        )
    }
    untrained: list[Pair] = []
    compressed: list[Pair] = []
    for (model, compressor), variant in of.items():
        trained = of.get((str(base[model]), "none"))
        if control[model] == "untrained" and compressor == "none" and trained:
            untrained.append((trained, variant))
        full = of.get((model, "none"))
        if compressor != "none" and not control[model] and full:
            compressed.append((full, variant))
    return {"trained - untrained": untrained, "none - compressor": compressed}


def board_contrasts(
    board: xr.DataTree,
    benchmark: str,
    *,
    variable: str = "r_best",
    margin: float | None = None,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Contrast the variants of a board on a neural benchmark: :func:`board_pairs` as one table.

    Parameters
    ----------
    board : DataTree
    benchmark : str
    variable : str
        Score of each (variant, participant, roi), averaged over ROIs; ``unique_r2``, say.
    margin : float, optional
        Default: the benchmark's, which is in the unit of its ``value``; for another variable than
        ``r_best`` there is none.
    alpha : float

    Returns
    -------
    DataFrame
        As :func:`contrast_table`, with ``family`` before it; Holm's adjustment runs within a
        family.

    Raises
    ------
    ScoreError
        The board has no such benchmark or variable.
    """
    data = _neural(board, benchmark)
    if variable not in data or "participant" not in data[variable].dims:
        raise ScoreError(f"{benchmark} has no {variable!r} of each participant")
    if margin is None:
        given = board["benchmarks"]["margin"].sel(benchmark=benchmark)
        margin = float(given) if variable == "r_best" else float("nan")
    scores = data[variable]
    scores = scores.mean([d for d in scores.dims if d not in ("variant", "participant")])
    tables = [
        contrast_table(scores, pairs, margin, alpha).assign(family=family)
        for family, pairs in board_pairs(board, benchmark).items()
        if pairs
    ]
    if not tables:
        return contrast_table(scores, [], margin).assign(family=[])
    table = pd.concat(tables, ignore_index=True)
    return table[["family", *table.columns.drop("family")]]


def _neural(board: xr.DataTree, benchmark: str) -> xr.Dataset:
    if "neural" not in board.children or benchmark not in board["neural"].children:
        raise ScoreError(
            f"the board has no neural benchmark {benchmark!r}", "see `brainpress board`"
        )
    return board["neural"][benchmark].to_dataset()
