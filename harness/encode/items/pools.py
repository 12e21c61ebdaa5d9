"""How well pools of participants predict the others: what a ceiling is extrapolated from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from harness.encode.design.band import Band, make_band
from harness.encode.design.options import EncodingOptions
from harness.encode.design.scores import pearson
from harness.encode.design.splits import Fold
from harness.encode.design.targets import Split, make_splits
from harness.encode.solve.plan import make_plan
from harness.numeric.arrays import Bools, Doubles, Floats, Positions
from harness.numeric.threads import spread

TRIES = 50
"""Draws of a pool that was drawn before, until it is given up."""


@dataclass(frozen=True, eq=False)
class PoolScores:
    """Held-out scores of every target, predicted from pools of one size.

    Parameters
    ----------
    size : int
        Participants in a pool.
    pools : array of bool, shape (n_pools, n_participants)
        Who is in.
    r : array, shape (n_pools, n_folds, n_targets)
        NaN for the targets of who is in the pool.
    """

    size: int
    pools: Bools
    r: Doubles


def pool_sizes(largest: int) -> tuple[int, ...]:
    """Sizes of pools up to a largest: 1, 2, 3, and three more, evenly in their logarithm."""
    few = min(3, largest)
    rest = np.geomspace(few, largest, 4).round().astype(int)
    return tuple(sorted({*range(1, few + 1), *(int(size) for size in rest)}))


def draw_pools(n: int, size: int, draws: int, rng: np.random.Generator) -> Bools:
    """Draw different pools, so that everybody is left out of about equally many.

    Parameters
    ----------
    n, size : int
        Participants, and how many are in a pool.
    draws : int
        Pools that each participant is left out of, at least (fewer, where there are fewer).
    rng : Generator

    Returns
    -------
    array of bool, shape (n_pools, n)
    """
    wanted = min(draws, math.comb(n - 1, size))
    left_out = np.zeros(n, int)
    drawn: dict[bytes, Bools] = {}
    tries = 0
    while left_out.min() < wanted and tries < TRIES:
        # Who was left out least goes out first; chance decides between equals.
        order = np.lexsort([rng.random(n), left_out])
        if tries:
            order = rng.permutation(n)
        pool = np.ones(n, bool)
        pool[order[: n - size]] = False
        if pool.tobytes() in drawn:
            tries += 1
            continue
        tries = 0
        drawn[pool.tobytes()] = pool
        left_out += ~pool
    return np.array(list(drawn.values()))


def score_pools(
    responses: Floats,
    owner: Positions,
    runs: npt.ArrayLike,
    *,
    options: EncodingOptions,
    sizes: Sequence[int],
    folds: Sequence[Fold] | None = None,
    draws: int = 3,
    seed: int = 0,
) -> tuple[PoolScores, ...]:
    """Predict everybody's targets from all targets of pools of others, on held-out folds.

    A pool's decomposition serves everybody who is not in it: with ten participants some forty
    decompositions a fold instead of several hundred.

    Parameters
    ----------
    responses : array, shape (n_samples, n_targets)
        Finite; targets of all participants side by side.
    owner : array of int, shape (n_targets,)
        Number of the participant whose target it is, 0 to n - 1.
    runs : array, shape (n_samples,)
        Run label of every row.
    options : EncodingOptions
        The ridge regression that models go through; delays are not used, because others had the
        stimulus at the same time.
    sizes : sequence of int
        Sizes of pools.
    folds : sequence of Fold, optional
        Outer folds, where the data set prescribes them.
    draws, seed : int
        Pools of each size that everybody is predicted from, at least; and their seed.

    Returns
    -------
    tuple of PoolScores
        By size.
    """
    settings = replace(options, delays=(0,))
    splits = make_splits(runs, settings, folds)
    n = int(owner.max()) + 1
    rng = np.random.default_rng(seed)
    found = []
    with spread(len(responses)) as each:
        for size in sizes:
            pools = draw_pools(n, size, draws, rng)
            r = np.full((len(pools), len(splits), responses.shape[1]), np.nan)
            for pool, into in zip(pools, r, strict=True):
                inside = pool[owner]
                band = make_band(responses[:, inside], runs, (0,), name="pool")
                others = np.flatnonzero(~inside)
                job = partial(_score_fold, band, responses, others, splits, settings, into)
                each(job, range(len(splits)))
            found.append(PoolScores(size, pools, r))
    return tuple(found)


def _score_fold(
    band: Band,
    responses: Floats,
    others: Positions,
    splits: Sequence[Split],
    options: EncodingOptions,
    into: Doubles,
    fold: int,
) -> None:
    split = splits[fold]
    y = responses[:, others]
    plan = make_plan(band, split, options, len(others))
    fit = plan.ridge.fit(y[split.outer.train])
    into[fold, others] = pearson(y[split.outer.test], fit.predictions)
