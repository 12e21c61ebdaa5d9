"""How small a model can be and still do as well as the largest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from harness.board.answers.alignment import (
    BASE,
    Alignment,
    alignments,
    controls,
    mean_present,
    resampled,
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
from harness.board.answers.curves import CURVES, CurveFit, fit_curves
from harness.board.answers.paired import Paired, paired
from harness.board.answers.widths import ALL, width_gaps
from harness.numeric.arrays import Doubles
from harness.spec.measures import ScoreMeasure
from harness.stats.fdr import holm

MEAN = "mean"
"""Label of the mean over all regions."""


@dataclass(frozen=True, eq=False)
class _Group:
    """The models of a family, smallest first; ``column`` is where their scores are."""

    name: str
    models: tuple[str, ...]
    column: tuple[int, ...]
    parameters: Doubles


def saturation(
    board: xr.DataTree,
    benchmarks: Sequence[str] | None = None,
    *,
    measure: ScoreMeasure | None = None,
    alpha: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
) -> xr.Dataset:
    """Find the smallest model that is equivalent to the largest while the next smaller is not.

    Within a family, and over all models, the largest model is compared with ever smaller ones (TOST
    over participants or stories, at the benchmark's margin) until one is not equivalent. Because
    the order is fixed by size and the first failure ends it, the chance of calling too small a
    model equivalent is ``alpha`` for the whole sequence, without adjustment (Maurer, Hothorn &
    Lehmacher 1995).

    Parameters
    ----------
    board : DataTree
    benchmarks : sequence of str, optional
        Names and globs; all.
    measure : ScoreMeasure, optional
        What of a score; each benchmark's headline.
    alpha : float
        Level of each test.
    draws, seed : int
        Resamples of participants (and parts of the stimulus), and of models about the straight
        line.

    Returns
    -------
    Dataset
        Over dims (benchmark, family, roi, model): ``difference`` from the largest, its 90 %
        interval ``low``, ``high``, ``p`` and ``detectable``, the smallest difference that the data
        would probably have shown. Over (benchmark, family, roi): ``point``, parameters
        of the smallest equivalent model (NaN: none is shown), ``point_model``, ``below``, the next
        smaller model (empty where there is none), ``point_low`` and ``point_high``: 95 % bootstrap
        interval over participants of the smallest model whose mean is within the margin. Over
        (benchmark, family, roi, curve): ``error`` of predicting a left-out model, ``knot``, ``p``.
        ``roi`` begins with the mean over regions. And claims.

    Raises
    ------
    SelectionError
        A pattern selects no benchmark.
    """
    found, gaps = alignments(board, benchmarks, measure)
    parts, claims = [], []
    for alignment in found:
        groups, lacking = _groups(board, alignment)
        gaps += [f"{alignment.benchmark}: {text}" for text in lacking]
        gaps += width_gaps(board, alignment, {g.name: g.models for g in groups})
        scores = alignment.with_regions
        rois = [MEAN, *(str(r) for r in alignment.regions["roi"].values)]
        rows = [_Row.of(g, scores, alignment, alpha, draws, seed) for g in groups]
        if not rows:
            continue
        p = np.stack([row.curves.p for row in rows])
        adjusted = np.stack([holm(p[:, i, 0]) for i in range(len(CURVES))], axis=1)
        for row, p_curves in zip(rows, adjusted, strict=True):
            claims += _claims(alignment, row, p_curves, alpha)
        parts.append(_dataset(alignment.benchmark, rows, rois))
    answer = xr.concat(parts, "benchmark", join="outer") if parts else xr.Dataset()
    return with_claims(answer.assign_attrs(answer="saturation", alpha=alpha), claims, gaps)


@dataclass(frozen=True, eq=False)
class _Row:
    """What is found for one group: index 0 of a region axis is the mean over regions."""

    group: _Group
    tests: Paired
    low: Doubles
    high: Doubles
    curves: CurveFit
    alpha: float

    @staticmethod
    def of(
        group: _Group,
        scores: Doubles,
        alignment: Alignment,
        alpha: float,
        draws: int,
        seed: int,
    ) -> _Row:
        own, margin, factors = scores[..., list(group.column)], alignment.margin, alignment.factors
        tests = paired(own[..., :-1] - own[..., -1:], margin, alpha, factors)
        means = resampled(own, draws, seed, factors)
        within = np.abs(means[..., :-1] - means[..., -1:]) < margin
        ends = np.quantile(_smallest(within), [0.025, 0.975], axis=0)
        low = group.parameters[np.floor(ends[0]).astype(int)]
        high = group.parameters[np.ceil(ends[1]).astype(int)]
        y = mean_present(own.reshape(-1, *own.shape[factors:]), axis=0).T
        curves = fit_curves(np.log10(group.parameters), y, max(200, draws // 2), seed)
        return _Row(group, tests, low, high, curves, alpha)

    def point(self, roi: int) -> int:
        """Index of the smallest model shown to be equivalent; the largest where none is."""
        return int(_smallest(self.tests.p_equivalence[roi] < self.alpha))


def _smallest(equivalent: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Doubles:
    """Index of the smallest model such that it and all larger ones are equivalent (last axis)."""
    unbroken = np.logical_and.accumulate(equivalent[..., ::-1], axis=-1)
    return np.asarray(equivalent.shape[-1] - unbroken.sum(axis=-1), np.float64)


def _groups(board: xr.DataTree, alignment: Alignment) -> tuple[list[_Group], list[str]]:
    models = board["models"].to_dataset()
    control = controls(board)
    members: dict[str, list[tuple[float, str, int]]] = {}
    lacking = []
    for column, (model, compressor) in enumerate(alignment.names):
        if compressor != BASE or control[model]:
            continue
        size = float(models["parameters"].sel(model=model))
        if math.isnan(size):
            lacking.append(f"the number of parameters of {model} is not on the board")
            continue
        family = str(models["family"].sel(model=model).item())
        members.setdefault(family or model, []).append((size, model, column))
    if not members:
        lacking.append("no uncompressed model is on the board that is not a control")
    everything = [member for family in members.values() for member in family]
    if len(members) > 1:
        members[ALL] = everything
    groups = []
    for name, found in members.items():
        if len({size for size, *_ in found}) < 2:
            lacking.append(f"{name} has one size: saturation needs a smaller and a larger model")
            continue
        sizes, names, columns = zip(*sorted(found), strict=True)
        groups.append(_Group(name, names, columns, np.array(sizes)))
    return groups, lacking


def _claims(alignment: Alignment, row: _Row, p_curves: Doubles, alpha: float) -> list[Claim]:
    group = row.group
    subject = f"{group.name} on {alignment.label}"
    claims = []
    if not math.isnan(alignment.margin):
        claims.append(_point_claim(subject, alignment, row))
    else:
        claims.append(_difference_claim(subject, alignment, row))
    for i, name in enumerate(CURVES[1:], 1):
        if math.isnan(row.curves.error[i, 0]):
            continue
        better = p_curves[i] < alpha
        error = row.curves.error[:, 0]
        sentence = (
            f"a {name} over log parameters predicts a left-out model better than a straight line: "
            f"{'yes' if better else 'no'}, error {short(error[i], 4)} against {short(error[0], 4)},"
            f" {probability(p_curves[i])} (Holm), {len(group.models)} models"
        )
        if better:
            sentence += f"; it breaks at {_size(10 ** row.curves.knot[i, 0])}"
        claims.append(Claim(subject, sentence, Verdict.YES if better else Verdict.NO))
    if row.curves.sizes < 5:
        said = "at least 5 model sizes are needed to fit a broken line; this board has "
        claims.append(Claim(subject, f"{said}{row.curves.sizes}", Verdict.UNDECIDED))
    return claims


def _point_claim(subject: str, alignment: Alignment, row: _Row) -> Claim:
    group, tests, margin = row.group, row.tests, alignment.margin
    at, last = row.point(0), len(group.models) - 1

    def compared(i: int) -> str:
        verdict = tests.equivalence_verdict((0, i)) if i < at else Verdict.YES
        ends = float(tests.low90[0, i]), float(tests.high90[0, i])
        n, least = alignment.counted(tests.n[0, i]), float(tests.detectable[0, i])
        return equivalence(margin, verdict, ends, n, least, alignment.digits, alignment.scale)

    def name(i: int) -> str:
        return f"{group.models[i]} ({_size(group.parameters[i])})"

    largest = group.models[-1]
    bounds = f"95 % interval of the point {_size(row.low[0])} to {_size(row.high[0])}"
    if at == last:
        return Claim(
            subject,
            f"no smaller model is shown to equal {largest}: the next, {name(last - 1)}, and it are "
            f"{compared(last - 1)}; {bounds}",
            tests.equivalence_verdict((0, last - 1)),
        )
    if at == 0:
        said = f"{name(0)}, the smallest model, and {largest} are {compared(0)}"
        return Claim(subject, f"{said}; {bounds}", Verdict.YES)
    below = tests.equivalence_verdict((0, at - 1))
    said = "is not" if below is Verdict.NO else "cannot be told to be"
    return Claim(
        subject,
        f"{name(at)} and {largest} are {compared(at)}; the next smaller, "
        f"{name(at - 1)}, {said}: 90 % CI "
        f"{_ends90(tests, at - 1, alignment.digits)}; {bounds}",
        Verdict.YES if below is Verdict.NO else Verdict.UNDECIDED,
    )


def _ends90(tests: Paired, at: int, digits: int) -> str:
    return interval(float(tests.low90[0, at]), float(tests.high90[0, at]), digits)


def _difference_claim(subject: str, alignment: Alignment, row: _Row) -> Claim:
    """Say whether the largest model differs from the smallest: all there is without a margin."""
    tests, digits = row.tests, alignment.digits
    different = bool(tests.p[0, 0] < row.alpha)
    verdict = Verdict.UNDECIDED
    if different:
        verdict = Verdict.YES if tests.difference[0, 0] < 0 else Verdict.NO
    low, high = float(tests.low[0, 0]), float(tests.high[0, 0])
    said = (
        f"the largest, {row.group.models[-1]}, is above the smallest, {row.group.models[0]}: "
        f"{verdict}, by {short(-float(tests.difference[0, 0]), digits)}, 95 % CI "
        f"{interval(-high, -low, digits)}, {probability(float(tests.p[0, 0]))}, "
        f"n = {alignment.counted(tests.n[0, 0])}"
    )
    if not different:
        said += could_show(float(tests.detectable[0, 0]), digits)
    return Claim(subject, said, verdict)


def _size(parameters: float) -> str:
    if not math.isfinite(parameters):
        return "?"
    for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if parameters >= unit:
            return f"{parameters / unit:.3g} {letter}"
    return f"{parameters:.0f}"


def _dataset(benchmark: str, rows: list[_Row], rois: list[str]) -> xr.Dataset:
    parts = []
    for row in rows:
        group, tests = row.group, row.tests
        points = [row.point(i) for i in range(len(rois))]
        last = len(group.models) - 1
        shown = [p < last for p in points]
        by_roi = {
            "point": [
                group.parameters[p] if s else math.nan for p, s in zip(points, shown, strict=True)
            ],
            "point_low": row.low,
            "point_high": row.high,
            "point_model": texts(
                [group.models[p] if s else "" for p, s in zip(points, shown, strict=True)]
            ),
            "below": texts([group.models[p - 1] if p else "" for p in points]),
        }
        compared = {
            "difference": tests.difference,
            "low": tests.low90,
            "high": tests.high90,
            "p": tests.p_equivalence,
            "detectable": tests.detectable,
        }
        fit = row.curves
        curves = {"error": fit.error, "knot": fit.knot, "curve_p": fit.p}
        parts.append(
            xr.Dataset(
                {name: ("roi", values) for name, values in by_roi.items()}
                | {name: (("roi", "model"), values) for name, values in compared.items()}
                | {name: (("curve", "roi"), values) for name, values in curves.items()}
                | {"largest": group.models[-1]},
                coords={
                    "roi": texts(rois),
                    "model": texts(group.models[:-1]),
                    "curve": texts(CURVES),
                },
            )
        )
    families = texts([row.group.name for row in rows])
    joined = xr.concat(parts, xr.DataArray(families, dims="family", name="family"), join="outer")
    return joined.expand_dims(benchmark=texts([benchmark]))
