"""What a board knows replicate by replicate: of participants, or of stories."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import xarray as xr

from harness.board.answers.measured import measured
from harness.board.answers.units import unit_of
from harness.errors import SelectionError
from harness.numeric.arrays import Doubles, Texts
from harness.spec.measures import ScoreMeasure, headline_of
from harness.spec.names import nearest, split_names
from harness.stats.replicates import Replicate, replicate_of

NOT_THERE = "the board has no"
"""How a gap begins that says what a board lacks of a measure, behind the benchmark's name."""
BASE = "none"
"""The compressor that compresses nothing."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Scores of one benchmark by variant, replicate and region.

    Parameters
    ----------
    benchmark : str
    values : DataArray, dims (variant, replicate)
        Replicates are participants or stories (:mod:`harness.stats.replicates`). With coordinates
        ``model`` and ``compressor``.
    regions : DataArray, dims (variant, replicate, roi)
        The same in each region; a benchmark without regions has one, "all".
    margin : float
        The difference that counts as none; NaN where the benchmark states none.
    chance : float
        The value of a guess.
    simulated : bool
    unit : str
        What replicates are, in the plural.
    nuisance : DataArray, dims (variant, replicate), optional
        What the nuisance regressors reach without a model, where the benchmark has any.
    measure : ScoreMeasure
        What the scores are.
    folds : DataArray, dims (variant, replicate, fold, roi), optional
        Scores on every part of the stimulus that was held out.
    scale : str
        The unit of the scores, as sentences write it; empty where they have none.
    """

    benchmark: str
    values: xr.DataArray
    regions: xr.DataArray
    margin: float
    chance: float
    simulated: bool
    unit: str
    nuisance: xr.DataArray | None = None
    measure: ScoreMeasure = ScoreMeasure.VALUE
    folds: xr.DataArray | None = None
    scale: str = ""

    @property
    def label(self) -> str:
        """The benchmark's name and measure, marked where its data are simulated."""
        said = ["simulated data"] * self.simulated + [self.measure.label] * bool(self.measure.label)
        return f"{self.benchmark} ({', '.join(said)})" if said else self.benchmark

    def counted(self, n: float) -> str:
        """Write a number of replicates, and what a claim about them holds for.

        Participants go without saying. Where scores by part of the stimulus are known, parts are
        drawn, too; else a claim is about these stimuli alone (of stories: about these readers).
        """
        if self.unit != "participants":
            return f"{int(n)} {self.unit}"
        if self.folds is None:
            return f"{int(n)}, for these stimuli alone"
        return f"{int(n)} x {self.folds.sizes['fold']} parts of the stimulus"

    @property
    def means(self) -> Doubles:
        """Score of each replicate, shape (n_replicates, n_variants)."""
        return np.asarray(self.values.transpose("replicate", "variant").values, np.float64)

    @property
    def digits(self) -> int:
        """Digits that sentences write."""
        return self.measure.digits

    @property
    def factors(self) -> int:
        """Number of leading axes of :attr:`sampled` that were drawn."""
        return 1 if self.folds is None else 2

    @property
    def sampled(self) -> Doubles:
        """Scores of what was drawn: (n_replicates, n_variants), or (n_replicates, n_parts, …).

        Their mean over parts is the score that the board shows. A score of all held-out rows
        together is no mean over parts to the last digit.
        """
        if self.folds is None:
            return self.means
        parts = self.folds.mean("roi").transpose("replicate", "fold", "variant").values
        return _centred(parts, self.means)

    @property
    def with_regions(self) -> Doubles:
        """The same over all regions, then of every region: (…, 1 + n_rois, n_variants)."""
        by_roi = self.regions.transpose("replicate", "roi", "variant").values
        if self.folds is not None:
            parts = self.folds.transpose("replicate", "fold", "roi", "variant").values
            by_roi = _centred(parts, by_roi)
        return np.concatenate([self.sampled[..., None, :], by_roi], axis=-2)

    @property
    def names(self) -> list[tuple[str, str]]:
        """Model and compressor of every variant."""
        models, compressors = self.values["model"].values, self.values["compressor"].values
        return [(str(m), str(c)) for m, c in zip(models, compressors, strict=True)]


def _centred(parts: Doubles, means: Doubles) -> Doubles:
    """Move scores by part, (n_replicates, n_parts, …), to a given mean over parts."""
    own = mean_present(parts, axis=1)
    return np.asarray(parts - own[:, None] + means[:, None], np.float64)


def mean_present(values: Doubles, axis: int) -> Doubles:
    """Mean of what is not NaN; NaN (without a warning) where nothing is."""
    present = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(
            np.where(present, values, 0.0).sum(axis=axis) / present.sum(axis=axis), np.float64
        )


def selected(board: xr.DataTree, patterns: Sequence[str] | None) -> list[str]:
    """Names of the benchmarks that patterns select, one by one or with commas; all without any.

    Raises
    ------
    SelectionError
        A pattern selects nothing.
    """
    names = [str(n) for n in board["benchmarks"].to_dataset()["benchmark"].values]
    wanted = split_names(patterns)
    for pattern in wanted:
        if not any(fnmatchcase(name, pattern) for name in names):
            near = nearest(pattern, names)
            hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(names)}"
            raise SelectionError(f"no benchmark on the board matches {pattern!r}", hint)
    return [n for n in names if not wanted or any(fnmatchcase(n, p) for p in wanted)]


def detail(board: xr.DataTree, benchmark: str) -> xr.Dataset | None:
    """Return what a board knows of a benchmark beyond its value, or None."""
    kind = str(board["benchmarks"].to_dataset()["kind"].sel(benchmark=benchmark).item())
    if kind in board.children and benchmark in board[kind].children:
        return board[f"{kind}/{benchmark}"].to_dataset()
    return None


def region_scores(known: xr.Dataset, replicate: Replicate) -> xr.DataArray | None:
    """Return the scores of replicates in each region, or None where there are no regions."""
    if "roi" not in known.dims or replicate.regions not in known:
        return None
    return known[replicate.regions]


def alignments(
    board: xr.DataTree,
    patterns: Sequence[str] | None,
    measure: ScoreMeasure | str | None = None,
) -> tuple[list[Alignment], list[str]]:
    """Read the scores by participant, or by story, of the selected benchmarks.

    Parameters
    ----------
    board : DataTree
    patterns : sequence of str, optional
        Names and globs; all.
    measure : ScoreMeasure or str, optional
        What of a score. Default: each benchmark's headline where the board has it, else the value.

    Returns
    -------
    alignments : list of Alignment
        Of the benchmarks that have replicates, at least two of them.
    gaps : list of str
        What cannot be answered, and why.
    """
    about = board["benchmarks"].to_dataset()
    wanted = None if measure is None else ScoreMeasure(measure)
    found, gaps = [], []
    for name in selected(board, patterns):
        known = detail(board, name)
        row = about.sel(benchmark=name)
        if known is None:
            gaps.append(f"{name}: no cell is done")
            continue
        replicate = replicate_of(known)
        if replicate is None:
            if str(row["kind"].item()) != "linguistic":
                gaps.append(f"{name}: the board has no scores by participant or by story")
            continue
        asked = wanted or headline_of(row)
        read = measured(known, replicate, asked)
        if read is None:
            lacking = f"{NOT_THERE} {asked.named} by participant"
            if wanted is not None:
                gaps.append(f"{name}: {lacking}")
                continue
            gaps.append(f"{name}: {lacking}, its headline: answered by its value")
            asked = ScoreMeasure.VALUE
            read = measured(known, replicate, asked)
        if read is None or read.values.sizes["replicate"] < 2:
            gaps.append(
                f"{name}: one {replicate.dim}; a difference needs at least two to be tested"
            )
            continue
        found.append(
            Alignment(
                name,
                read.values,
                read.regions,
                margin_on(row, asked),
                float(row["chance"]) if asked is ScoreMeasure.VALUE else 0.0,
                bool(row["simulated"]),
                replicate.plural,
                _nuisance(known, replicate) if asked is ScoreMeasure.VALUE else None,
                asked,
                read.folds,
                unit_of(str(row["metric"].item()) if "metric" in row else "", asked),
            )
        )
        gaps += list(_lacks(board, found[-1]))
    if not found and not gaps:
        gaps.append("none of the selected benchmarks has participants or stories")
    return found, gaps


def margin_on(row: xr.Dataset, measure: ScoreMeasure) -> float:
    """Return the margin of a measure from a benchmark's row on a board; NaN where there is none."""
    return float(row[measure.margin_field]) if measure.margin_field in row else math.nan


def _nuisance(known: xr.Dataset, replicate: Replicate) -> xr.DataArray | None:
    """Scores of each replicate without a model, averaged as its score is."""
    for name in replicate.nuisance:
        if name in known and replicate.dim in known[name].dims:
            values = known[name].rename({replicate.dim: "replicate"})
            return values.mean([d for d in values.dims if d not in ("variant", "replicate")])
    return None


def _lacks(board: xr.DataTree, alignment: Alignment) -> Iterator[str]:
    name = alignment.benchmark
    if math.isnan(alignment.margin):
        of = f" of {alignment.measure.label}" if alignment.measure.label else ""
        yield f"{name}: its spec has no margin{of}, so that equivalence cannot be tested"
    if not any(controls(board).get(model) for model, _ in alignment.names):
        yield f"{name}: no control (untrained:NAME, static:NAME) is on the board"


def controls(board: xr.DataTree) -> dict[str, str]:
    """Kind of control of every model; empty for a model proper."""
    models = board["models"].to_dataset()
    pairs = zip(models["model"].values, models["control"].values, strict=True)
    return {str(name): str(control) for name, control in pairs}


def resampled(values: Doubles, draws: int, seed: int, factors: int = 1) -> Doubles:
    """Means over resampled replicates, and parts of the stimulus.

    Parameters
    ----------
    values : array, shape (n_replicates, ...) or (n_replicates, n_parts, ...)
        NaN where a replicate has no score: left out of that mean.
    draws, seed : int
        Number and seed of the resamples, the same replicates and parts for every column.
    factors : {1, 2}
        With 2 the parts are drawn as well, independently of the replicates (Owen 2007).

    Returns
    -------
    array, shape (draws, ...)
    """
    rng = np.random.default_rng(seed)
    n = len(values)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)
    present = np.isfinite(values)
    sums, counts = np.where(present, values, 0.0), present.astype(np.float64)
    flat, known = (weights @ a.reshape(n, -1) for a in (sums, counts))
    if factors == 2:
        m = values.shape[1]
        parts = rng.multinomial(m, np.full(m, 1 / m), size=draws).astype(np.float64)
        flat, known = (np.einsum("dp,dpk->dk", parts, a.reshape(draws, m, -1))
                       for a in (flat, known))  # fmt: skip
    with np.errstate(invalid="ignore"):
        means = flat / known
    return np.asarray(means.reshape(draws, *values.shape[factors:]))


def texts(values: Sequence[str]) -> Texts:
    """Texts as xarray stores them."""
    return np.array([str(v) for v in values], dtype=object)
