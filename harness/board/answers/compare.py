"""Two variants on everything they share."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence

import numpy as np
import scipy.stats
import xarray as xr

from harness.board.answers.alignment import (
    BASE,
    NOT_THERE,
    Alignment,
    alignments,
    detail,
    selected,
    texts,
)
from harness.board.answers.claims import (
    Claim,
    Verdict,
    could_show,
    equivalence,
    interval,
    probability,
    short,
    with_claims,
)
from harness.board.answers.competence import competence, probed
from harness.board.answers.paired import paired
from harness.board.answers.units import quantity, unit_of
from harness.errors import SelectionError
from harness.numeric.arrays import Doubles, Texts
from harness.spec.layout import COUNTED_GAIN
from harness.spec.measures import ScoreMeasure
from harness.stats.crossed import detectable
from harness.stats.fdr import holm


def compare(
    board: xr.DataTree,
    variants: Sequence[str],
    benchmarks: Sequence[str] | None = None,
    *,
    measure: ScoreMeasure | None = None,
    alpha: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
) -> xr.Dataset:
    """Compare two variants on every benchmark that both have a score on.

    Over participants or stories where a benchmark has them, else over its pairs, items or probes;
    first minus second.

    Parameters
    ----------
    board : DataTree
    variants : sequence of two str
        ``MODEL`` or ``MODEL+COMPRESSOR``.
    benchmarks : sequence of str, optional
        Names and globs; all.
    measure : ScoreMeasure, optional
        What of a neural score; each benchmark's headline. ``first`` and ``second`` are of it.
    alpha : float
        Level.
    draws, seed : int
        Resamples of pairs, items or probes.

    Returns
    -------
    Dataset
        Over dim benchmark: ``first``, ``second``, ``difference``, 95 % interval ``low``, ``high``,
        90 % interval ``low90``, ``high90``, ``p``, ``p_holm``, ``p_equivalence``,
        ``detectable``, ``margin``, ``measure``, ``n`` and ``unit`` (what n counts; empty where
        there is no detail). And claims.

    Raises
    ------
    SelectionError
        A variant is not on the board, or there are not two.
    """
    if len(variants) != 2:
        raise SelectionError("compare takes two variants", "as MODEL or MODEL+COMPRESSOR")
    first, second = (_variant(board, name) for name in variants)
    found, lacking = alignments(board, benchmarks, measure)
    by_name = {a.benchmark: a for a in found}
    about, cells = board["benchmarks"].to_dataset(), board["cells"].to_dataset()
    rows: list[dict[str, float | str]] = []
    gaps = [gap for gap in lacking if NOT_THERE in gap]
    without = {gap.partition(": ")[0] for gap in gaps if measure is not None}
    for name in selected(board, benchmarks):
        values = [
            float(cells["value"].sel(model=m, compressor=c, benchmark=name))
            for m, c in (first, second)
        ]
        if not np.isfinite(values).all():
            gaps.append(f"{name}: one of the two has no score")
            continue
        margin = float(about["margin"].sel(benchmark=name))
        row = _empty(name, values, margin)
        row |= _said_of(about.sel(benchmark=name))
        if (alignment := by_name.get(name)) is not None:
            row |= _over_replicates(alignment, first, second, alpha)
        elif pairs := _over_pairs(board, name, (first, second), margin, alpha, draws, seed):
            row |= pairs
        elif name not in without:
            gaps.append(
                f"{name}: no participants, stories, pairs, items or probes: nothing can be tested"
            )
        rows.append(row)
    if not rows:
        gaps.append("the two variants share no benchmark")
        empty = xr.Dataset(attrs={"answer": "compare"})
        return with_claims(empty, [], gaps)
    adjusted = holm([float(row["p"]) for row in rows])
    for row, p in zip(rows, adjusted, strict=True):
        row["p_holm"] = float(p)
    claims = [claim for row in rows if row["unit"] for claim in _claims(variants, row, alpha)]
    for row in rows:
        for name in ("counted", "scale", "better"):
            del row[name]
    names_of = texts([str(row.pop("benchmark")) for row in rows])
    answer = xr.Dataset(
        {key: ("benchmark", _column([row[key] for row in rows])) for key in rows[0]},
        coords={"benchmark": names_of},
        attrs={"answer": "compare", "first": "+".join(first), "second": "+".join(second)},
    )
    return with_claims(answer, claims, gaps)


LOWER = "lower"
"""Which end of a score is the better one, where it is not the higher."""
_TESTED = ("low", "high", "low90", "high90", "p", "p_equivalence", "detectable", "n")
"""Numbers of a test, by the names of :class:`harness.board.answers.paired.Paired`."""


def _over_replicates(
    alignment: Alignment, first: tuple[str, str], second: tuple[str, str], alpha: float
) -> dict[str, float | str]:
    at = [alignment.names.index(name) for name in (first, second)]
    scores, means = alignment.sampled, alignment.means.mean(axis=0)
    change = (scores[..., at[0]] - scores[..., at[1]])[..., None]
    tests = paired(change, alignment.margin, alpha, alignment.factors)
    columns = (*_TESTED, "difference")
    return {
        **{name: float(getattr(tests, name)[0]) for name in columns},
        "first": float(means[at[0]]),
        "second": float(means[at[1]]),
        "margin": alignment.margin,
        "unit": alignment.unit,
        "measure": str(alignment.measure),
        "scale": alignment.scale,
        "counted": alignment.counted(tests.n[0]),
    }


def _said_of(about: xr.Dataset) -> dict[str, float | str]:
    """Return what sentences need of a benchmark: the unit of its value, and which end is better."""
    lower = "lower_is_better" in about and bool(about["lower_is_better"])
    metric = str(about["metric"].item()) if "metric" in about else ""
    return {"scale": unit_of(metric), "better": LOWER if lower else "higher"}


def _column(values: list[float | str]) -> Texts | Doubles:
    if isinstance(values[0], str):
        return texts([str(v) for v in values])
    return np.array(values, np.float64)


def _variant(board: xr.DataTree, name: str) -> tuple[str, str]:
    cells = board["cells"].to_dataset()
    models = [str(m) for m in cells["model"].values]
    compressors = [str(c) for c in cells["compressor"].values]
    model, _, compressor = name.rpartition("+") if name not in models else (name, "", BASE)
    if model in models and compressor in compressors:
        return model, compressor
    known = [f"{m}+{c}" for m in models for c in compressors] + models
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"models: {', '.join(models)}"
    raise SelectionError(f"no variant {name!r} on the board", hint)


def _empty(name: str, values: list[float], margin: float) -> dict[str, float | str]:
    return {
        "benchmark": name,
        "first": values[0],
        "second": values[1],
        "difference": values[0] - values[1],
        **dict.fromkeys(_TESTED, math.nan),
        "margin": margin,
        "unit": "",
        "measure": str(ScoreMeasure.VALUE),
        "counted": "",
    }


def _over_pairs(
    board: xr.DataTree,
    name: str,
    pair: tuple[tuple[str, str], tuple[str, str]],
    margin: float,
    alpha: float,
    draws: int,
    seed: int,
) -> dict[str, float | str] | None:
    known = detail(board, name)
    if known is None:
        return None
    names = list(zip(known["model"].values, known["compressor"].values, strict=True))
    known = known.isel(variant=[names.index(name) for name in pair])
    read = competence(known, name, 0.0, draws, seed) or probed(known, name, draws, seed)
    if read is None:
        return None
    # The benchmark's value is a mean over tasks: categories weigh by their number of tasks.
    if read.unit == "probes":
        weights = read.pairs / read.pairs.sum()  # every task has as many seeds
    else:
        of_task = [str(c) for c in known["task_category"].values]
        weights = np.array([of_task.count(c) for c in read.categories]) / len(of_task)
    scores, resamples = read.accuracy, read.draws
    if COUNTED_GAIN in known and read.lexical is not None and read.lexical_draws is not None:
        # The value is what is gained over each variant's own lexical baseline.
        scores, resamples = scores - read.lexical, resamples - read.lexical_draws
    difference = float(weights @ (scores[:, 0] - scores[:, 1]))
    drawn = (resamples[:, :, 0] - resamples[:, :, 1]) @ weights
    error = float(drawn.std())
    low, low90, high90, high = np.quantile(drawn, [0.025, 0.05, 0.95, 0.975])
    normal = scipy.stats.norm
    p = 2 * normal.sf(abs(difference) / error) if error else float(difference == 0)
    same = math.nan
    if not math.isnan(margin) and error:
        same = normal.sf((margin - abs(difference)) / error)
    return {
        "difference": difference,
        "low": float(low),
        "high": float(high),
        "low90": float(low90),
        "high90": float(high90),
        "p": float(p),
        "p_equivalence": float(same),
        "n": float(read.pairs.sum()),
        "unit": read.unit,
        "counted": f"{int(read.pairs.sum())} {read.unit}",
        "detectable": float(detectable(np.array(error), np.array(np.inf), alpha)),
    }


def _claims(variants: Sequence[str], row: dict[str, float | str], alpha: float) -> Iterator[Claim]:
    """Say which of the two is better and whether that is significant; then, if they are alike."""
    measure = ScoreMeasure(str(row["measure"]))
    digits, least, scale = measure.digits, float(row["detectable"]), str(row["scale"])
    named = f"{row['benchmark']} ({measure.label})" if measure.label else str(row["benchmark"])
    difference, different = float(row["difference"]), float(row["p_holm"]) < alpha
    ends = interval(float(row["low"]), float(row["high"]), digits)
    numbers = (
        f"{variants[0]} minus {variants[1]}: {quantity(short(difference, digits), scale)}, "
        f"95 % CI {ends}, {probability(float(row['p_holm']))} (Holm), n = {row['counted']}"
    )
    if different:
        better = variants[int((difference < 0) is not (row["better"] == LOWER))]
        yield Claim(named, f"{better} is better: yes, {numbers}", Verdict.YES)
    else:
        said = f"neither is shown to be better, {numbers}{could_show(least, digits)}"
        yield Claim(named, said, Verdict.UNDECIDED)
    margin = float(row["margin"])
    if math.isnan(margin):
        return
    low90, high90 = float(row["low90"]), float(row["high90"])
    verdict = Verdict.UNDECIDED
    if float(row["p_equivalence"]) < alpha:
        verdict = Verdict.YES
    elif low90 > margin or high90 < -margin:
        verdict = Verdict.NO
    counted = str(row["counted"])
    same = equivalence(margin, verdict, (low90, high90), counted, least, digits, scale)
    yield Claim(named, same, verdict)
