"""What compression costs in alignment, and what it saves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats
import xarray as xr

from harness.board.answers.alignment import BASE, Alignment, alignments, controls, resampled, texts
from harness.board.answers.claims import (
    Claim,
    Verdict,
    equivalence,
    interval,
    probability,
    short,
    with_claims,
)
from harness.board.answers.exceptions import FEWEST, Exceptions, find_exceptions
from harness.board.answers.front import pareto_front
from harness.board.answers.paired import Paired, paired
from harness.compress.report.summary import COVERED
from harness.stats.bootstrap import DoubleArray

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
    "n",
)
"""Columns of the tests of one pair."""


@dataclass(frozen=True, eq=False)
class _Grid:
    """Pairs of variant and base, and where they are on the grid of models and compressors."""

    models: list[str]
    compressors: list[str]
    rows: list[tuple[int, int]]
    changes: DoubleArray
    """Shape (n_replicates, n_pairs)."""

    def spread(self, values: DoubleArray, fill: float = math.nan) -> DoubleArray:
        """Put values of pairs (last axis) on the grid: (..., n_models, n_compressors)."""
        shape = (*values.shape[:-1], len(self.models), len(self.compressors))
        out = np.full(shape, fill)
        for k, (i, j) in enumerate(self.rows):
            out[..., i, j] = values[..., k]
        return out


def robustness(
    board: xr.DataTree,
    benchmarks: Sequence[str] | None = None,
    *,
    alpha: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
    partly: bool = False,
) -> xr.Dataset:
    """Compare every compressed model with its base, participant by participant (or by story).

    Parameters
    ----------
    board : DataTree
    benchmarks : sequence of str, optional
        Names and globs; all.
    alpha : float
        Level of the tests, over all pairs of a benchmark (Holm).
    draws, seed : int
        Resamples of participants.
    partly : bool
        Whether variants count of which less than 90 % of the blocks' weights were compressed;
        else each is named as a gap.

    Returns
    -------
    Dataset
        Over (benchmark, model, compressor): ``difference`` from the base, 95 % interval ``low``,
        ``high``, 90 % interval ``low90``, ``high90``, ``dz``, ``p``, ``p_holm``,
        ``p_equivalence``, ``p_equivalence_holm``, ``n``, ``outcome`` (equivalent, worse, better,
        undecided), the costs, ``value``, ``on_front`` (alignment against bytes) and
        ``front_share`` (share of resamples in which it is). Over (benchmark, compressor):
        ``exception`` (1 or 0), ``contrast`` with its peers, ``contrast_p``. Over (benchmark, cost):
        ``rank_correlation`` of the difference with the cost, ``rank_low``, ``rank_high``. And
        claims.

    Raises
    ------
    SelectionError
        A pattern selects no benchmark.
    """
    found, gaps = alignments(board, benchmarks)
    parts, claims = [], []
    for alignment in found:
        grid, lacking = _grid(board, alignment, partly=partly)
        gaps += [f"{alignment.benchmark}: {text}" for text in lacking]
        if not grid.rows:
            continue
        tests = paired(grid.changes, alignment.margin, alpha)
        costs = _costs(board, grid, alignment.benchmark)
        methods = _methods(board, grid)
        exceptions = find_exceptions(grid.spread(grid.changes), methods, alignment.margin, alpha)
        if exceptions is None:
            gaps.append(
                f"{alignment.benchmark}: an exception needs {FEWEST} methods on the same models"
            )
        if np.all(tests.high90 - tests.low90 >= 2 * alignment.margin):
            gaps.append(
                f"{alignment.benchmark}: too few {alignment.unit}: every 90 % interval is wider "
                "than the margin, so that equivalence cannot be shown"
            )
        part = _dataset(grid, tests, costs | {"coverage": _coverages(board, grid)})
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


def _grid(board: xr.DataTree, alignment: Alignment, *, partly: bool) -> tuple[_Grid, list[str]]:
    control = controls(board)
    columns = {name: i for i, name in enumerate(alignment.names)}
    lacking, pairs = [], []
    for (model, compressor), column in columns.items():
        if compressor == BASE or control[model]:
            continue
        if (model, BASE) not in columns:
            lacking.append(f"{model} has no base (compressor {BASE}) to be compared with")
            continue
        share = _coverage(board, model, compressor)
        if share < COVERED and not partly:
            lacking.append(
                f"{model}+{compressor} is left out: {share:.0%} of its blocks' weights are "
                "compressed (--partly takes it in)"
            )
            continue
        pairs.append((model, compressor, column, columns[model, BASE]))
    if not pairs and not lacking:
        lacking.append("no compressed model is on the board")
    models = list(dict.fromkeys(p[0] for p in pairs))
    compressors = list(dict.fromkeys(p[1] for p in pairs))
    rows = [(models.index(m), compressors.index(c)) for m, c, *_ in pairs]
    means = alignment.means
    changes = means[:, [p[2] for p in pairs]] - means[:, [p[3] for p in pairs]]
    return _Grid(models, compressors, rows, changes), lacking


def _coverage(board: xr.DataTree, model: str, compressor: str) -> float:
    """Return the share of the blocks' weights that was compressed; nan where nobody counted."""
    known = board["compression"].to_dataset()
    if "coverage" not in known:
        return math.nan
    return float(known["coverage"].sel(model=model, compressor=compressor).item())


def _coverages(board: xr.DataTree, grid: _Grid) -> DoubleArray:
    shares = [[_coverage(board, m, c) for c in grid.compressors] for m in grid.models]
    return np.asarray(shares, np.float64)


def _methods(board: xr.DataTree, grid: _Grid) -> list[str]:
    """Name the method of every compressor, whatever library it is from."""
    method = board["compressors"].to_dataset()["method"]
    named = [str(method.sel(compressor=c).item()) or c for c in grid.compressors]
    return [name.split("@")[0] for name in named]


def _costs(board: xr.DataTree, grid: _Grid, benchmark: str) -> dict[str, DoubleArray]:
    found: dict[str, DoubleArray] = {}
    for name, group in COSTS.items():
        known = board[group].to_dataset()
        if name not in known:
            found[name] = np.full((len(grid.models), len(grid.compressors)), math.nan)
            continue
        column = known[name].sel(benchmark=benchmark) if group == "cells" else known[name]
        column = column.sel(model=grid.models, compressor=grid.compressors)
        found[name] = np.asarray(column.transpose("model", "compressor").values, np.float64)
    return found


def _dataset(grid: _Grid, tests: Paired, costs: dict[str, DoubleArray]) -> xr.Dataset:
    dims = ("model", "compressor")
    outcome = np.full((len(grid.models), len(grid.compressors)), "", object)
    for k, at in enumerate(grid.rows):
        outcome[at] = tests.outcome(k)
    return xr.Dataset(
        {name: (dims, grid.spread(getattr(tests, name))) for name in TESTED}
        | {name: (dims, column) for name, column in costs.items()}
        | {"outcome": (dims, outcome)},
        coords={"model": texts(grid.models), "compressor": texts(grid.compressors)},
    )


def _front(
    board: xr.DataTree,
    alignment: Alignment,
    grid: _Grid,
    packed: DoubleArray,
    draws: int,
    seed: int,
) -> xr.Dataset:
    """Find the front over all variants of models proper, the uncompressed included."""
    control = controls(board)
    kept = [k for k, (model, _) in enumerate(alignment.names) if not control[model]]
    names = [alignment.names[k] for k in kept]
    scores = alignment.means[:, kept]
    size = board["compression"].to_dataset()["bytes_packed"]
    cost = np.array([float(size.sel(model=m, compressor=c)) for m, c in names])
    value = scores.mean(axis=0)
    on = pareto_front(cost, value)
    share = pareto_front(cost, resampled(scores, draws, seed)).mean(axis=0)
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


def _ranks(grid: _Grid, costs: dict[str, DoubleArray], draws: int, seed: int) -> xr.Dataset:
    """Spearman correlation of the change with each cost, over pairs of variant and base."""
    at = tuple(np.array(grid.rows).T)
    means = np.vstack([grid.changes.mean(axis=0), resampled(grid.changes, draws, seed)])
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


def _exception_columns(grid: _Grid, exceptions: Exceptions | None) -> xr.Dataset:
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


def _claims(alignment: Alignment, grid: _Grid, tests: Paired) -> list[Claim]:
    claims = []
    for k, (i, j) in enumerate(grid.rows):
        subject = f"{grid.compressors[j]} on {grid.models[i]}, {alignment.label}"
        change = (
            f"changes alignment by {short(tests.difference[k])}, 95 % CI "
            f"{interval(float(tests.low[k]), float(tests.high[k]))}, dz {short(tests.dz[k], 2)}, "
            f"{probability(tests.p_holm[k])} (Holm)"
        )
        verdict = Verdict.UNDECIDED
        if not math.isnan(alignment.margin):
            verdict = tests.equivalence_verdict(k)
            low, high = float(tests.low90[k]), float(tests.high90[k])
            said = equivalence(alignment.margin, verdict, low, high, alignment.counted(tests.n[k]))
            if verdict is Verdict.UNDECIDED and tests.p_equivalence[k] < tests.alpha:
                said += f" ({probability(tests.p_equivalence_holm[k])} after Holm)"
            change = f"{said}; {change}"
        claims.append(Claim(subject, change, verdict))
    return claims


def _exception_claims(
    alignment: Alignment, grid: _Grid, exceptions: Exceptions | None, methods: list[str]
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


def _second_implementation(subject: str, grid: _Grid, tests: Paired, j: int) -> Claim:
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
        f"({size[i, j] / 2**20:.3g} MiB, {short(part['value'].values[i, j])}, "
        f"in {part['front_share'].values[i, j]:.0%} of resamples)"
        for i, j in at
    ]
    sentence = f"no variant as small does as well as: {', '.join(said)}"
    return [Claim(f"alignment against bytes, {alignment.label}", sentence, Verdict.YES)]
