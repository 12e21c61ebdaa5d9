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


@dataclass(frozen=True)
class _Control:
    """A model's controls of one kind, and the columns of their scores: the seeds."""

    model: str
    kind: str
    columns: list[int]

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.model}"


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
        found_here, lacking = _controls(board, alignment)
        gaps += [f"{alignment.benchmark}: {text}" for text in lacking]
        if not found_here:
            continue
        pairs = [(each.model, each.name) for each in found_here]
        table = contrast_table(_scores(alignment, found_here), pairs, alignment.margin, alpha)
        table = table.assign(
            benchmark=alignment.benchmark,
            model=[each.model for each in found_here],
            control=[each.kind for each in found_here],
            seeds=[len(each.columns) for each in found_here],
            outcome=[str(_verdict(row, alpha)) for _, row in table.iterrows()],
        )
        claims += [_claim(alignment, row) for _, row in table.iterrows()]
        tables.append(table)
    answer = _dataset(tables).assign_attrs(answer="controls", alpha=alpha)
    return with_claims(answer, claims, gaps)


def _uncompressed(alignment: Alignment) -> dict[str, int]:
    """Column of every model that is not compressed."""
    return {model: i for i, (model, c) in enumerate(alignment.names) if c == BASE}


def _controls(board: xr.DataTree, alignment: Alignment) -> tuple[list[_Control], list[str]]:
    about = board["models"].to_dataset()
    models = [str(name) for name in about["model"].values]
    kind = dict(zip(models, map(str, about["control"].values), strict=True))
    base = dict(zip(models, map(str, about["base"].values), strict=True))
    column = _uncompressed(alignment)
    found: list[_Control] = []
    lacking = []
    for model in (m for m in column if not kind[m]):
        own: dict[str, list[int]] = {}
        for control in (m for m in column if kind[m] and base[m] == model):
            own.setdefault(kind[control], []).append(column[control])
        if not own:
            lacking.append(f"{model} has no control: run `-m untrained:{model}`")
        found += [_Control(model, name, columns) for name, columns in own.items()]
    return found, lacking


def _scores(alignment: Alignment, found: Sequence[_Control]) -> xr.DataArray:
    """Models, and the means over the seeds of their controls, (variant, replicate)."""
    means, column = alignment.means, _uncompressed(alignment)
    rows = {each.model: means[:, column[each.model]] for each in found}
    rows |= {each.name: means[:, each.columns].mean(axis=1) for each in found}
    return xr.DataArray(
        np.array(list(rows.values())),
        dims=("variant", "replicate"),
        coords={"variant": list(rows)},
    )


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
