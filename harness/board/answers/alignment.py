"""What a board knows replicate by replicate: of participants, or of stories."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.errors import SelectionError
from harness.spec.names import nearest, split_names
from harness.stats.bootstrap import DoubleArray
from harness.stats.replicates import Replicate, replicate_of

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
    """

    benchmark: str
    values: xr.DataArray
    regions: xr.DataArray
    margin: float
    chance: float
    simulated: bool
    unit: str
    nuisance: xr.DataArray | None = None

    @property
    def label(self) -> str:
        """The benchmark's name, marked where its data are simulated."""
        return f"{self.benchmark} (simulated data)" if self.simulated else self.benchmark

    def counted(self, n: float) -> str:
        """Write a number of replicates; participants go without saying."""
        return f"{int(n)}" if self.unit == "participants" else f"{int(n)} {self.unit}"

    @property
    def means(self) -> DoubleArray:
        """Score of each replicate, shape (n_replicates, n_variants)."""
        return np.asarray(self.values.transpose("replicate", "variant").values, np.float64)

    @property
    def with_regions(self) -> DoubleArray:
        """Scores over all regions, then of every region: (n_replicates, 1 + n_rois, n_variants)."""
        by_roi = self.regions.transpose("replicate", "roi", "variant").values
        return np.concatenate([self.means[:, None], by_roi], axis=1)

    @property
    def names(self) -> list[tuple[str, str]]:
        """Model and compressor of every variant."""
        models, compressors = self.values["model"].values, self.values["compressor"].values
        return [(str(m), str(c)) for m, c in zip(models, compressors, strict=True)]


def mean_present(values: DoubleArray, axis: int) -> DoubleArray:
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
    board: xr.DataTree, patterns: Sequence[str] | None
) -> tuple[list[Alignment], list[str]]:
    """Read the scores by participant, or by story, of the selected benchmarks.

    Returns
    -------
    alignments : list of Alignment
        Of the benchmarks that have replicates, at least two of them.
    gaps : list of str
        What cannot be answered, and why.
    """
    about = board["benchmarks"].to_dataset()
    found, gaps = [], []
    for name in selected(board, patterns):
        known = detail(board, name)
        if known is None:
            gaps.append(f"{name}: no cell is done")
            continue
        replicate = replicate_of(known)
        if replicate is None:
            if str(about["kind"].sel(benchmark=name).item()) != "linguistic":
                gaps.append(f"{name}: the board has no scores by participant or by story")
            continue
        values = known[replicate.variable].rename({replicate.dim: "replicate"})
        if values.sizes["replicate"] < 2:
            gaps.append(
                f"{name}: one {replicate.dim}; a difference needs at least two to be tested"
            )
            continue
        # Regions, and experiments of one participant (parts), count together: those that took part.
        values = values.mean([d for d in values.dims if d not in ("variant", "replicate")])
        row = about.sel(benchmark=name)
        found.append(
            Alignment(
                name,
                values.transpose("variant", "replicate"),
                _regions(known, replicate, values),
                float(row["margin"]),
                float(row["chance"]),
                bool(row["simulated"]),
                replicate.plural,
                _nuisance(known, replicate),
            )
        )
        gaps += list(_lacks(board, found[-1]))
    if not found and not gaps:
        gaps.append("none of the selected benchmarks has participants or stories")
    return found, gaps


def _nuisance(known: xr.Dataset, replicate: Replicate) -> xr.DataArray | None:
    """Scores of each replicate without a model, averaged as its score is."""
    for name in replicate.nuisance:
        if name in known and replicate.dim in known[name].dims:
            values = known[name].rename({replicate.dim: "replicate"})
            return values.mean([d for d in values.dims if d not in ("variant", "replicate")])
    return None


def _regions(known: xr.Dataset, replicate: Replicate, values: xr.DataArray) -> xr.DataArray:
    """Scores by region, or those over all as one region."""
    regions = region_scores(known, replicate)
    if regions is None:
        return values.expand_dims(roi=np.array(["all"], object)).transpose(..., "roi")
    return regions.rename({replicate.dim: "replicate"}).transpose("variant", "replicate", "roi")


def _lacks(board: xr.DataTree, alignment: Alignment) -> Iterator[str]:
    name = alignment.benchmark
    if math.isnan(alignment.margin):
        yield f"{name}: its spec has no margin, so that equivalence cannot be tested"
    if not any(controls(board).get(model) for model, _ in alignment.names):
        yield f"{name}: no control (untrained:NAME, static:NAME) is on the board"


def controls(board: xr.DataTree) -> dict[str, str]:
    """Kind of control of every model; empty for a model proper."""
    models = board["models"].to_dataset()
    pairs = zip(models["model"].values, models["control"].values, strict=True)
    return {str(name): str(control) for name, control in pairs}


def resampled(values: DoubleArray, draws: int, seed: int) -> DoubleArray:
    """Means over resampled replicates.

    Parameters
    ----------
    values : array, shape (n_replicates, ...)
        NaN where a replicate has no score: left out of that mean.
    draws, seed : int
        Number and seed of the resamples, the same replicates for every column.

    Returns
    -------
    array, shape (draws, ...)
    """
    n = len(values)
    flat = values.reshape(n, -1)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws)
    weights = weights.astype(np.float64)
    present = np.isfinite(flat)
    with np.errstate(invalid="ignore"):
        means = (weights @ np.where(present, flat, 0.0)) / (weights @ present.astype(np.float64))
    return np.asarray(means.reshape(draws, *values.shape[1:]))


def texts(values: Sequence[str]) -> npt.NDArray[np.object_]:
    """Texts as xarray stores them."""
    return np.array([str(v) for v in values], dtype=object)
