"""What compression costs in alignment, and what it saves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.stats
import xarray as xr

from harness.board.answers.alignment import Alignment, alignments, controls, resampled, texts
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
from harness.board.answers.exceptions import FEWEST, Exceptions, find_exceptions
from harness.board.answers.front import pareto_front
from harness.board.answers.grid import Grid, coverages, make_grid, methods_of, on_board
from harness.board.answers.paired import Paired
from harness.board.answers.units import mebibytes, quantity
from harness.numeric.arrays import Doubles
from harness.spec.measures import ScoreMeasure

COSTS = {
    "bits_per_weight_model": "compression",
    "sparsity_model": "compression",
    "bytes_packed": "compression",
    "perplexity": "compression",
    "tokens_per_second": "compression",
    "peak_memory": "cells",
}
"""What a compressor changes, and the group of the board that knows it."""


TESTED = (
    "difference",
    "low",
    "high",
    "low90",
    "high90",
    "dz",
    "p",
    "p_holm",
    "p_equivalence",
    "p_equivalence_holm",
    "detectable",
    "n",
)
"""Columns of the tests of one pair."""


def robustness(
    board: xr.DataTree,
    benchmarks: Sequence[str] | None = None,
    *,
    measure: ScoreMeasure | None = None,
    alpha: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
    partly: bool = False,
) -> xr.Dataset:
    """Compare every compressed model with its base, participant by participant (or by story).

    Where scores by part of the stimulus are on the board, parts are drawn as participants are; and
    where a calibrated compressor was drawn several times (``gptq-int4#0``, ``gptq-int4#1``), so are
    its draws: all are random effects, crossed.

    Parameters
    ----------
    board : DataTree
    benchmarks : sequence of str, optional
        Names and globs; all.
    measure : ScoreMeasure, optional
        What of a score; each benchmark's headline.
    alpha : float
        Level of the tests, over all pairs of a benchmark (Holm).
    draws, seed : int
        Resamples of participants and parts.
    partly : bool
        Whether variants count of which less than 90 % of the blocks' weights were compressed;
        else each is named as a gap.

    Returns
    -------
    Dataset
        Over (benchmark, model, compressor): ``difference`` from the base, 95 % interval ``low``,
        ``high``, 90 % interval ``low90``, ``high90``, ``dz``, ``p``, ``p_holm``,
        ``p_equivalence``, ``p_equivalence_holm``, ``detectable``, ``n``, ``draws``,
        ``outcome`` (equivalent, worse, better, undecided), the costs, ``value``, ``on_front``
        (alignment against bytes) and ``front_share`` (share of resamples in which it is). Over
        (benchmark, compressor): ``exception`` (1 or 0), ``contrast`` with its peers,
        ``contrast_p``. Over (benchmark, cost): ``rank_correlation`` of the difference with the
        cost, ``rank_low``, ``rank_high``. And claims.

    Raises
    ------
    SelectionError
        A pattern selects no benchmark.
    """
    found, gaps = alignments(board, benchmarks, measure)
    parts, claims = [], []
    for alignment in found:
        grid, lacking = make_grid(board, alignment, partly=partly)
        gaps += [f"{alignment.benchmark}: {text}" for text in lacking]
        if not grid.rows:
            continue
        tests = grid.tested(alignment.margin, alpha)
        costs = _costs(board, grid, alignment.benchmark)
        methods = methods_of(board, grid)
        changes = grid.spread(grid.means)
        exceptions = find_exceptions(changes, methods, alignment.margin, alpha, grid.factors)
        if exceptions is None:
            gaps.append(
                f"{alignment.benchmark}: an exception needs {FEWEST} methods on the same models"
            )
        if np.all(tests.high90 - tests.low90 >= 2 * alignment.margin):
            gaps.append(
                f"{alignment.benchmark}: too few {alignment.unit}: every 90 % interval is wider "
                "than the margin, so that equivalence cannot be shown"
            )
        part = _dataset(grid, tests, costs | {"coverage": coverages(board, grid)})
        part = part.merge(_front(board, alignment, grid, costs["bytes_packed"], draws, seed))
        part = part.merge(_ranks(grid, costs, min(draws, 500), seed))
        part = part.merge(_exception_columns(grid, exceptions))
        parts.append(part.expand_dims(benchmark=texts([alignment.benchmark])))
        claims += _claims(alignment, grid, tests)
        claims += _exception_claims(alignment, grid, exceptions, methods)
        claims += _front_claims(alignment, part)
    answer = xr.concat(parts, "benchmark", join="outer") if parts else xr.Dataset()
    if parts:
        gaps += [
            f"{name.replace('_', ' ')} is not on the board"
            for name in COSTS
            if not np.isfinite(answer[name].values).any()
        ]
    return with_claims(answer.assign_attrs(answer="robustness", alpha=alpha), claims, gaps)


def _costs(board: xr.DataTree, grid: Grid, benchmark: str) -> dict[str, Doubles]:
    found: dict[str, Doubles] = {}
    for name, group in COSTS.items():
        known = board[group].to_dataset()
        if name not in known:
            found[name] = np.full((len(grid.models), len(grid.compressors)), math.nan)
            continue
        column = known[name].sel(benchmark=benchmark) if group == "cells" else known[name]
        column = column.sel(model=grid.models, compressor=on_board(board, grid))
        found[name] = np.asarray(column.transpose("model", "compressor").values, np.float64)
    return found


def _dataset(grid: Grid, tests: Paired, costs: dict[str, Doubles]) -> xr.Dataset:
    dims = ("model", "compressor")
    outcome = np.full((len(grid.models), len(grid.compressors)), "", object)
    for k, at in enumerate(grid.rows):
        outcome[at] = tests.outcome(k)
    return xr.Dataset(
        {name: (dims, grid.spread(getattr(tests, name))) for name in TESTED}
        | {name: (dims, column) for name, column in costs.items()}
        | {
            "outcome": (dims, outcome),
            "draws": (dims, grid.spread(np.array([float(c.shape[-1]) for c in grid.changes]))),
        },
        coords={"model": texts(grid.models), "compressor": texts(grid.compressors)},
    )


def _front(
    board: xr.DataTree,
    alignment: Alignment,
    grid: Grid,
    packed: Doubles,
    draws: int,
    seed: int,
) -> xr.Dataset:
    """Find the front over all variants of models proper, the uncompressed included."""
    control = controls(board)
    kept = [k for k, (model, _) in enumerate(alignment.names) if not control[model]]
    names = [alignment.names[k] for k in kept]
    scores = alignment.sampled[..., kept]
    size = board["compression"].to_dataset()["bytes_packed"]
    cost = np.array([float(size.sel(model=m, compressor=c)) for m, c in names])
    value = alignment.means[:, kept].mean(axis=0)
    on = pareto_front(cost, value)
    share = pareto_front(cost, resampled(scores, draws, seed, alignment.factors)).mean(axis=0)
    models = list(dict.fromkeys(m for m, _ in names))
    compressors = list(dict.fromkeys(c for _, c in names))
    columns = {"value": value, "on_front": on.astype(float), "front_share": share, "bytes": cost}
    out = {n: np.full((len(models), len(compressors)), math.nan) for n in columns}
    for k, (model, compressor) in enumerate(names):
        at = models.index(model), compressors.index(compressor)
        for name, column in columns.items():
            out[name][at] = column[k]
    dims = ("front_model", "front_compressor")
    return xr.Dataset(
        {name: (dims, column) for name, column in out.items()},
        coords={"front_model": texts(models), "front_compressor": texts(compressors)},
    )


def _ranks(grid: Grid, costs: dict[str, Doubles], draws: int, seed: int) -> xr.Dataset:
    """Spearman correlation of the change with each cost, over pairs of variant and base."""
    at = tuple(np.array(grid.rows).T)
    changes = grid.means
    own = changes.reshape(-1, changes.shape[-1]).mean(axis=0)
    means = np.vstack([own, resampled(changes, draws, seed, grid.factors)])
    found = np.full((3, len(costs)), math.nan)
    for i, column in enumerate(costs.values()):
        cost = column[at]
        known = np.isfinite(cost) & np.isfinite(means).all(axis=0)
        if known.sum() < 4 or np.ptp(cost[known]) == 0:
            continue
        ranks = scipy.stats.rankdata(means[:, known], axis=1)
        ranks -= ranks.mean(axis=1, keepdims=True)
        other = scipy.stats.rankdata(cost[known])
        other -= other.mean()
        with np.errstate(invalid="ignore"):
            rho = ranks @ other / np.sqrt(np.square(ranks).sum(axis=1) * np.square(other).sum())
        found[:, i] = rho[0], *np.nanquantile(rho[1:], [0.025, 0.975])
    names = ("rank_correlation", "rank_low", "rank_high")
    return xr.Dataset(
        {name: ("cost", row) for name, row in zip(names, found, strict=True)},
        coords={"cost": texts(list(costs))},
    )


def _exception_columns(grid: Grid, exceptions: Exceptions | None) -> xr.Dataset:
    n = len(grid.compressors)
    contrast, p = np.full((2, n), math.nan)
    flag = np.zeros(n)
    if exceptions is not None:
        contrast, p = exceptions.tests.difference, exceptions.tests.p_holm
        flag[list(exceptions.flagged)] = 1
    return xr.Dataset(
        {
            "exception": ("compressor", flag),
            "contrast": ("compressor", contrast),
            "contrast_p": ("compressor", p),
        }
    )


def _claims(alignment: Alignment, grid: Grid, tests: Paired) -> list[Claim]:
    claims, digits = [], alignment.digits
    for k, (i, j) in enumerate(grid.rows):
        subject = f"{grid.compressors[j]} on {grid.models[i]}, {alignment.label}"
        drawn, n = grid.changes[k].shape[-1], alignment.counted(tests.n[k])
        if drawn > 1:
            n += f", {drawn} draws of the compressor"
        least = float(tests.detectable[k])
        moved = quantity(short(tests.difference[k], digits), alignment.scale)
        change = (
            f"changes the score by {moved}, 95 % CI "
            f"{interval(float(tests.low[k]), float(tests.high[k]), digits)}, "
            f"d_z {short(tests.dz[k], 2)}, {probability(tests.p_holm[k])} (Holm)"
        )
        if math.isnan(alignment.margin):  # there is a difference, or it is not known
            verdict = Verdict.YES if tests.p_holm[k] < tests.alpha else Verdict.UNDECIDED
            change += f", n = {n}"
            if verdict is Verdict.UNDECIDED:
                change += could_show(least, digits)
        else:
            verdict = tests.equivalence_verdict(k)
            ends = float(tests.low90[k]), float(tests.high90[k])
            said = equivalence(alignment.margin, verdict, ends, n, least, digits, alignment.scale)
            if verdict is Verdict.UNDECIDED and tests.p_equivalence[k] < tests.alpha:
                said += f" ({probability(tests.p_equivalence_holm[k])} after Holm)"
            change = f"{said}; {change}"
        claims.append(Claim(subject, change, verdict))
    return claims


def _exception_claims(
    alignment: Alignment, grid: Grid, exceptions: Exceptions | None, methods: list[str]
) -> list[Claim]:
    if exceptions is None:
        return []
    subject = f"exceptions on {alignment.label}"
    if not exceptions.flagged:
        n = len(set(methods))
        said = f"a compressor that loses more or less than the others: no, of {n} methods"
        return [Claim(subject, said, Verdict.NO)]
    tests, claims = exceptions.tests, []
    for j in exceptions.flagged:
        less = "more" if tests.difference[j] < 0 else "less"
        said = (
            f"{grid.compressors[j]} loses {less} than its peers on the same models: yes, by "
            f"{short(abs(tests.difference[j]))}, 95 % CI of the difference "
            f"{interval(float(tests.low[j]), float(tests.high[j]))}, n = {int(tests.n[j])}"
        )
        claims.append(Claim(subject, said, Verdict.YES))
        claims.append(_second_implementation(subject, grid, tests, j))
    return claims


def _second_implementation(subject: str, grid: Grid, tests: Paired, j: int) -> Claim:
    name = grid.compressors[j]
    others = [k for k, c in enumerate(grid.compressors) if k != j and _plain(c) == _plain(name)]
    if not others:
        lacking = f"{name} has no second implementation (METHOD@LIBRARY) on the board"
        return Claim(subject, lacking, Verdict.UNDECIDED)
    said: list[str] = []
    holds: list[bool] = []
    for k in others:
        same = np.sign(tests.difference[k]) == np.sign(tests.difference[j])
        holds.append(bool(same and tests.p[k] < tests.alpha))
        said.append(
            f"{grid.compressors[k]}: {'yes' if holds[-1] else 'no'}, "
            f"{short(tests.difference[k])}, 95 % CI "
            f"{interval(float(tests.low[k]), float(tests.high[k]))}"
        )
    sentence = f"{name} is an exception in its second implementation, too: {'; '.join(said)}"
    return Claim(subject, sentence, Verdict.YES if all(holds) else Verdict.NO)


def _plain(compressor: str) -> str:
    """Name of a compressor without its library: gptq@gptqmodel-int4 is gptq-int4."""
    method, at, rest = compressor.partition("@")
    return method + (f"-{rest.partition('-')[2]}" if at and "-" in rest else "")


def _front_claims(alignment: Alignment, part: xr.Dataset) -> list[Claim]:
    at = np.argwhere(part["on_front"].values == 1)
    if not len(at):
        return []
    size = part["bytes"].values
    at = at[np.argsort([size[i, j] for i, j in at])]
    said = [
        f"{part['front_model'].values[i]}+{part['front_compressor'].values[j]} "
        f"({mebibytes(size[i, j])}, {short(part['value'].values[i, j])}, "
        f"in {part['front_share'].values[i, j]:.0%} of resamples)"
        for i, j in at
    ]
    sentence = f"best for its size: {', '.join(said)}"
    return [Claim(f"score against bytes, {alignment.label}", sentence, Verdict.YES)]
