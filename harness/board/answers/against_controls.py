"""Whether models do better than their controls: untrained networks, and embeddings alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from harness.board.answers.alignment import BASE, Alignment, alignments
from harness.board.answers.claims import (
    Claim,
    Verdict,
    interval,
    margin_text,
    probability,
    short,
    with_claims,
)
from harness.stats.contrast_table import contrast_table

COLUMNS = {
    "difference": "difference",
    "low": "low",
    "high": "high",
    "dz": "dz",
    "p": "t_p",
    "p_holm": "t_holm",
    "wilcoxon_p": "wilcoxon_p",
    "wilcoxon_p_holm": "wilcoxon_holm",
    "p_equivalence_holm": "tost_holm",
    "n": "n",
}
"""Names in the answer, and in a table of contrasts."""


@dataclass(frozen=True, eq=False)
class _Controlled:
    """Models and their controls: ``members`` are the columns of a model's controls of a kind."""

    pairs: list[tuple[str, str]]
    members: list[list[int]]
    scores: xr.DataArray
    """(variant, replicate): models, then the mean over the seeds of each of their controls."""


def against_controls(
    board: xr.DataTree,
    benchmarks: Sequence[str] | None = None,
    *,
    alpha: float = 0.05,
) -> xr.Dataset:
    """Contrast every model, uncompressed, with its controls, participant by participant or story.

    Seeds of an untrained network are draws from one distribution: a replicate's score is their
    mean, so that more seeds make a better control and not a larger family of tests.

    Parameters
    ----------
    board : DataTree
    benchmarks : sequence of str, optional
        Names and globs; all that have participants or stories.
    alpha : float
        Level, over all models and controls of a benchmark (Holm).

    Returns
    -------
    Dataset
        Over (benchmark, model, control), a control being ``untrained`` or ``static``:
        ``difference``, model minus control, its 95 % interval ``low``, ``high``, ``dz``, ``p``
        (paired t) and ``wilcoxon_p``, each also adjusted as ``…_holm``, ``p_equivalence_holm``,
        ``n``, ``seeds`` and ``outcome``, whether the model beats its control (yes, no,
        undecided). And claims.

    Raises
    ------
    SelectionError
        A pattern selects no benchmark.
    """
    found, gaps = alignments(board, benchmarks)
    tables, claims = [], []
    for alignment in found:
        known, lacking = _controlled(board, alignment)
        gaps += [f"{alignment.benchmark}: {text}" for text in lacking]
        if not known.pairs:
            continue
        names = [(model, f"{kind}:{model}") for model, kind in known.pairs]
        table = contrast_table(known.scores, names, alignment.margin, alpha)
        table = table.assign(
            benchmark=alignment.benchmark,
            model=[model for model, _ in known.pairs],
            control=[kind for _, kind in known.pairs],
            seeds=[len(members) for members in known.members],
            outcome=[str(_verdict(row, alpha)) for _, row in table.iterrows()],
        )
        claims += [_claim(alignment, row) for _, row in table.iterrows()]
        tables.append(table)
    answer = _dataset(tables).assign_attrs(answer="controls", alpha=alpha)
    return with_claims(answer, claims, gaps)


def _controlled(board: xr.DataTree, alignment: Alignment) -> tuple[_Controlled, list[str]]:
    about = board["models"].to_dataset()
    models = [str(name) for name in about["model"].values]
    kind = dict(zip(models, map(str, about["control"].values), strict=True))
    base = dict(zip(models, map(str, about["base"].values), strict=True))
    column = {model: i for i, (model, c) in enumerate(alignment.names) if c == BASE}
    pairs: list[tuple[str, str]] = []
    members: list[list[int]] = []
    lacking = []
    for model in (m for m in column if not kind[m]):
        own: dict[str, list[int]] = {}
        for control in (m for m in column if kind[m] and base[m] == model):
            own.setdefault(kind[control], []).append(column[control])
        if not own:
            lacking.append(f"{model} has no control: run `-m untrained:{model}`")
        pairs += [(model, name) for name in own]
        members += own.values()
    means = alignment.means
    rows = {model: means[:, column[model]] for model, _ in pairs}
    rows |= {
        f"{name}:{model}": means[:, columns].mean(axis=1)
        for (model, name), columns in zip(pairs, members, strict=True)
    }
    scores = xr.DataArray(
        np.array(list(rows.values())).reshape(len(rows), len(means)),
        dims=("variant", "replicate"),
        coords={"variant": list(rows)},
    )
    return _Controlled(pairs, members, scores), lacking


def _verdict(row: pd.Series, alpha: float) -> Verdict:
    # A difference within the margin that is significantly above 0 is one all the same.
    if row["t_holm"] < alpha:
        return Verdict.YES if row["difference"] > 0 else Verdict.NO
    return Verdict.NO if row["tost_holm"] < alpha else Verdict.UNDECIDED


def _claim(alignment: Alignment, row: pd.Series) -> Claim:
    seeds = f" (mean of {row['seeds']} seeds)" if row["seeds"] > 1 else ""
    verdict = Verdict(row["outcome"])
    same = ""
    if row["equivalent"]:
        same = f"; equivalent within {margin_text(alignment.margin)}"
    said = (
        f"beats its {row['control']} control{seeds}: {verdict}, "
        f"difference {short(row['difference'])}, "
        f"95 % CI {interval(row['low'], row['high'])}, d_z {short(row['dz'], 2)}, "
        f"{probability(row['t_holm'])} (t, Holm), "
        f"{probability(row['wilcoxon_holm'])} (Wilcoxon, Holm), "
        f"n = {alignment.counted(row['n'])}{same}"
    )
    return Claim(f"{row['model']} on {alignment.label}", said, verdict)


def _dataset(tables: Sequence[pd.DataFrame]) -> xr.Dataset:
    if not tables:
        return xr.Dataset()
    keys = ["benchmark", "model", "control"]
    table = pd.concat(tables).rename(columns={old: new for new, old in COLUMNS.items()})
    found: xr.Dataset = table.set_index(keys)[[*COLUMNS, "seeds", "outcome"]].to_xarray()
    # Which models a benchmark has differs: where there is no contrast there is no outcome.
    found["outcome"] = found["outcome"].where(found["outcome"].notnull(), "")
    return found
