"""Contrasts between variants, all of a family in one table."""

from __future__ import annotations

import difflib
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
from harness.stats.replicates import replicate_of

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


def board_pairs(board: xr.DataTree, benchmark: str) -> Mapping[str, list[Pair]]:
    """Pairs that answer the questions of a study, as families.

    Parameters
    ----------
    board : DataTree
        See :func:`harness.board.assemble.assemble`.
    benchmark : str
        A benchmark with a score of each participant, or of each story.

    Returns
    -------
    mapping
        ``trained - untrained``: each model, uncompressed, against each of its untrained controls.
        ``none - compressor``: each model against each of its compressed variants. Only pairs that
        both have scores.
    """
    data = _detail(board, benchmark)
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
    variable: str = "",
    margin: float | None = None,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Contrast the variants of a board on a benchmark: :func:`board_pairs` as one table.

    Differences are over participants where the benchmark has them, else over its stories
    (:mod:`harness.stats.replicates`).

    Parameters
    ----------
    board : DataTree
    benchmark : str
    variable : str
        Score of each variant and replicate, averaged over what other dimensions it has (ROIs);
        ``unique_r2``, say. Default: the one whose mean is the benchmark's value (``r_best``;
        ``gain`` for reading times).
    margin : float, optional
        Default: the benchmark's, which is in the unit of its ``value``; for a ``variable`` in
        another unit there is none.
    alpha : float

    Returns
    -------
    DataFrame
        As :func:`contrast_table`, with ``family`` before it and ``unit``, what ``n`` counts,
        after; Holm's adjustment runs within a family.

    Raises
    ------
    ScoreError
        The board has no such benchmark or variable.
    """
    data = _detail(board, benchmark)
    replicate = replicate_of(data)
    if replicate is None:
        raise ScoreError(
            f"{benchmark} has a score of neither participants nor stories on this board",
            "contrasts of benchmarks of items are in `brainpress answer compare A B`",
        )
    chosen = variable or replicate.variable
    if chosen not in data or replicate.dim not in data[chosen].dims:
        has = [str(k) for k, v in data.items() if {"variant", replicate.dim} <= set(v.dims)]
        raise ScoreError(
            f"{benchmark} has no {chosen!r} of each {replicate.dim}", f"it has: {', '.join(has)}"
        )
    if margin is None:
        given = board["benchmarks"]["margin"].sel(benchmark=benchmark)
        margin = float(given) if chosen == replicate.variable else float("nan")
    scores = data[chosen]
    scores = scores.mean([d for d in scores.dims if d not in ("variant", replicate.dim)])
    tables = [
        contrast_table(scores, pairs, margin, alpha).assign(family=family, unit=replicate.plural)
        for family, pairs in board_pairs(board, benchmark).items()
        if pairs
    ]
    if not tables:
        return contrast_table(scores, [], margin).assign(family=[], unit=[])
    table = pd.concat(tables, ignore_index=True)
    return table[["family", *table.columns.drop("family")]]


def _detail(board: xr.DataTree, benchmark: str) -> xr.Dataset:
    """Find a benchmark's detail, whatever its kind."""
    about = board["benchmarks"].to_dataset()
    names = [str(name) for name in about["benchmark"].values]
    if benchmark not in names:
        near = difflib.get_close_matches(benchmark, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(names)}"
        raise ScoreError(f"the board has no benchmark {benchmark!r}", hint)
    path = f"{about['kind'].sel(benchmark=benchmark).item()}/{benchmark}"
    if path in {node.path.lstrip("/") for node in board.subtree}:
        return board[path].to_dataset()
    raise ScoreError(f"no cell of {benchmark} is done on this board", "see `brainpress board`")
