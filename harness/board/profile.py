"""What every variant can do, category by category, and what compression changed of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from harness.board.answers.alignment import detail, texts
from harness.board.answers.competence import compressed, kept_draws, outcomes, variants_of
from harness.numeric.arrays import Doubles, Positions
from harness.probe.tasks import CATEGORIES
from harness.probe.winning_rate import mean_winning_rate
from harness.spec.layout import PROBED, TASK_CATEGORY

Z = 1.959963984540054
"""Standard errors in half of a 95 % interval."""
SEEDS, ITEMS = "standard error over items and seeds", "standard error over items"
"""What a change is standardised by: of the base's score."""


@dataclass(frozen=True, eq=False)
class CategoryProfile:
    """Scores of one benchmark by category; arrays of shape (n_categories, n_variants).

    Parameters
    ----------
    categories : tuple of str
    names : list of (model, compressor)
    score, low, high : array
        With its 95 % interval.
    spread : array
        How far a variant's score moves by chance: its standard error, for probes over test
        documents and seeds (each of which trains on other documents), for pairs and items, which
        are answered once, over items. The spread over a handful of seeds alone would be a unit of
        a few thousandths, in which any change is large.
    wins : array
        Mean winning rate among the variants of the board over the category's tasks.
    change, error : array
        Difference to the variant's base and its standard error; NaN for a base itself.
    standard : str
        ``SEEDS`` or ``ITEMS``.
    """

    categories: tuple[str, ...]
    names: list[tuple[str, str]]
    score: Doubles
    low: Doubles
    high: Doubles
    spread: Doubles
    wins: Doubles
    change: Doubles
    error: Doubles
    standard: str


def with_profile(board: xr.DataTree) -> xr.DataTree:
    """Add ``/profile`` to a board that has categories of competence."""
    found = category_profile(board)
    if not found.sizes:
        return board
    return board.assign({"profile": xr.DataTree(found)})


def category_profile(board: xr.DataTree, benchmarks: Sequence[str] | None = None) -> xr.Dataset:
    """Lay the categories of every linguistic benchmark side by side.

    Parameters
    ----------
    board : DataTree
    benchmarks : sequence of str, optional
        Names; all that the board has.

    Returns
    -------
    Dataset
        Over (linguistic, category, model, compressor), NaN where a benchmark lacks the category or
        the variant: ``score``, ``low``, ``high``; ``winning_rate`` among the board's variants, mean
        over tasks; ``change`` (to the uncompressed model),
        ``change_low``, ``change_high``, ``error``; ``spread`` (of the base) and ``standardised``,
        ``standardised_low``, ``standardised_high``: the change in units of that spread. Over
        linguistic: ``standard``, which spread that is. Empty where no benchmark has categories.
    """
    names = [str(n) for n in board["benchmarks"].to_dataset()["benchmark"].values]
    details = {n: detail(board, n) for n in benchmarks or names}
    profiles = {n: profile_of(d) for n, d in details.items() if d is not None}
    found = {n: p for n, p in profiles.items() if p is not None}
    if not found:
        return xr.Dataset()
    own = dict.fromkeys(c for p in found.values() for c in p.categories)
    labels = {
        "linguistic": list(found),
        "category": sorted(own, key=lambda c: (*CATEGORIES, c).index(c)),
        "model": list(dict.fromkeys(m for p in found.values() for m, _ in p.names)),
        "compressor": list(dict.fromkeys(c for p in found.values() for _, c in p.names)),
    }
    place = {dim: {label: i for i, label in enumerate(of)} for dim, of in labels.items()}
    shape = tuple(map(len, labels.values()))
    columns: dict[str, Doubles] = {}
    for i, profile in enumerate(found.values()):
        row = [place["category"][c] for c in profile.categories]
        model = [place["model"][m] for m, _ in profile.names]
        compressor = [place["compressor"][c] for _, c in profile.names]
        for name, values in _columns(profile).items():
            column = columns.setdefault(name, np.full(shape, math.nan))
            column[i, np.array(row)[:, None], model, compressor] = values
    return xr.Dataset(
        {name: (tuple(labels), column) for name, column in columns.items()}
        | {"standard": ("linguistic", texts([p.standard for p in found.values()]))},
        coords={dim: texts(of) for dim, of in labels.items()},
    )


def _columns(profile: CategoryProfile) -> dict[str, Doubles]:
    variants, bases = compressed(profile.names)
    spread = np.full_like(profile.score, math.nan)
    spread[:, variants] = profile.spread[:, bases]
    half = Z * profile.error
    ends = {"": profile.change, "_low": profile.change - half, "_high": profile.change + half}
    with np.errstate(invalid="ignore", divide="ignore"):
        # A base that no seed moves has no unit to measure a change in.
        unit = np.where(spread > 0, spread, math.nan)
        return (
            {"score": profile.score, "low": profile.low, "high": profile.high}
            | {"winning_rate": profile.wins}
            | {f"change{end}": values for end, values in ends.items()}
            | {"error": profile.error, "spread": spread}
            | {f"standardised{end}": values / unit for end, values in ends.items()}
        )


def profile_of(known: xr.Dataset) -> CategoryProfile | None:
    """Read the profile of one benchmark from a board's detail; None where it has no categories."""
    return _counted(known) or _probed(known)


def _counted(known: xr.Dataset) -> CategoryProfile | None:
    """Pairs, or items that pass or fail: tasks weigh the same, items are resampled within tasks."""
    found = outcomes(known)
    if found is None:
        return None
    _, right, task = found
    of_task = [str(c) for c in known[TASK_CATEGORY].values]
    categories = tuple(dict.fromkeys(of_task))
    member = np.array([[c == name for c in of_task] for name in categories], float)
    member /= member.sum(axis=1, keepdims=True)
    names = variants_of(known)
    mean, variance = _by_task(right, task, len(of_task))
    score, spread = (mean @ member.T).T, np.sqrt(variance @ np.square(member).T).T
    change, error = np.full_like(score, math.nan), np.full_like(score, math.nan)
    variants, bases = compressed(names)
    if variants:
        # The same items for both: what is hard for both is no error of their difference.
        mean, variance = _by_task(right[variants] - right[bases], task, len(of_task))
        change[:, variants] = (mean @ member.T).T
        error[:, variants] = np.sqrt(variance @ np.square(member).T).T
    wins = _wins(known, "accuracy", categories)
    low, high = _stated(known, categories, score - Z * spread, score + Z * spread)
    return CategoryProfile(categories, names, score, low, high, spread, wins, change, error, ITEMS)


def _by_task(values: Doubles, task: Positions, n_tasks: int) -> tuple[Doubles, Doubles]:
    """Mean of each row's items by task, and the variance of that mean: (n_rows, n_tasks)."""
    count = np.bincount(task, minlength=n_tasks).astype(np.float64)
    order = np.argsort(task, kind="stable")
    starts = np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.intp)
    sums = np.add.reduceat(values[:, order], starts, axis=1)
    squares = np.add.reduceat(np.square(values[:, order]), starts, axis=1)
    mean = sums / count
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.maximum(squares / count - np.square(mean), 0) / (count - 1)
    return mean, variance


def _stated(
    known: xr.Dataset, categories: tuple[str, ...], low: Doubles, high: Doubles
) -> tuple[Doubles, Doubles]:
    """Return the ends of the score's own intervals where the board has them."""
    if "category_low" not in known or "category_high" not in known:
        return low, high
    ends = (known[n].sel(category=list(categories)) for n in ("category_low", "category_high"))
    low, high = (np.asarray(e.transpose("category", "variant").values, float) for e in ends)
    return low, high


def _wins(known: xr.Dataset, by_task: str, categories: tuple[str, ...]) -> Doubles:
    """Winning rates by category; NaN where a board has no tasks, or nobody to win against."""
    wins = np.full((len(categories), known.sizes["variant"]), math.nan)
    if by_task not in known or TASK_CATEGORY not in known or known.sizes["variant"] < 2:
        return wins
    of_task = known[TASK_CATEGORY].values.astype(str)
    for i, category in enumerate(categories):
        scores = known[by_task].isel(task=np.flatnonzero(of_task == category))
        wins[i] = mean_winning_rate(scores.reset_coords(drop=True)).values
    return wins


def _probed(known: xr.Dataset) -> CategoryProfile | None:
    """Probes: boards keep intervals over test documents and seeds, and the spread over seeds.

    Where scores keep their resamples, a change is one between the same documents and seeds. Else
    variants are taken as independent although their test items are the same, so the interval of a
    change is too wide rather than too short.
    """
    if not set(PROBED) <= set(known.variables):
        return None
    score, low, high = (
        known[name].transpose("category", "variant").values.astype(np.float64) for name in PROBED
    )
    names = variants_of(known)
    own = (high - low) / (2 * Z)
    change, error = np.full_like(score, math.nan), np.full_like(score, math.nan)
    variants, bases = compressed(names)
    change[:, variants] = score[:, variants] - score[:, bases]
    error[:, variants] = np.hypot(own[:, variants], own[:, bases])
    deviations = kept_draws(known)
    if deviations is not None:
        paired = (deviations[..., variants] - deviations[..., bases]).std(axis=0)
        error[:, variants] = np.where(np.isfinite(paired), paired, error[:, variants])
    categories = tuple(str(c) for c in known["category"].values)
    wins = _wins(known, "score", categories)
    return CategoryProfile(categories, names, score, low, high, own, wins, change, error, SEEDS)
