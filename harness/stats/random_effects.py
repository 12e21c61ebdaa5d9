"""A mean over units that were drawn: participants, parts of the stimulus, draws of a compressor.

What is to hold for others than those at hand has an error from each kind of unit: random effects,
crossed, one observation a cell (Cornfield & Tukey 1956; Baayen, Davidson & Bates 2008).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, combinations
from math import prod

import numpy as np

from harness.errors import ScoreError
from harness.numeric.arrays import Doubles, Floats

Subset = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class RandomMean:
    """A mean, its standard error, and the degrees of freedom of the error (Satterthwaite 1946).

    Arrays have the shape of what follows the axes that were drawn.
    """

    estimate: Doubles
    error: Doubles
    freedom: Doubles


def random_mean(values: Floats, factors: int) -> RandomMean:
    """Estimate a mean over crossed factors, all of them random.

    With the mean square ``MS_S`` of the interaction of each set S of factors (a main effect where S
    is one), and N observations, the variance of the mean is ``sum (-1)^(|S|+1) MS_S / N``: of two
    factors ``(MS_p + MS_f - MS_pf) / N``. The same is estimated with some of the factors alone
    drawn, and the largest stands, so that a factor more never narrows an interval.

    Parameters
    ----------
    values : array, shape (n_1, ..., n_factors, ...)
        One score each, such as a difference between two models; all finite. A factor with one
        level is fixed.
    factors : int
        Number of leading axes that were drawn.

    Returns
    -------
    RandomMean

    Raises
    ------
    ScoreError
        No axis has two levels.
    """
    x = np.asarray(values, np.float64)
    drawn = tuple(i for i in range(factors) if x.shape[i] > 1)
    if not drawn or x.ndim < factors:
        raise ScoreError(
            f"a mean over {factors} factors of shape {x.shape[:factors]} has no error",
            "at least two levels of one of them are needed",
        )
    sizes = x.shape[:factors]
    squares = dict(_mean_squares(x, drawn, factors))
    total = prod(sizes)
    error: Doubles | None = None
    for subset in _subsets(drawn):
        parts = {s: (-1) ** (len(s) + 1) * squares[s][0] / total for s in _subsets(subset)}
        variance = np.asarray(sum(parts.values()))
        with np.errstate(invalid="ignore", divide="ignore"):
            freedom = variance**2 / sum(part**2 / squares[s][1] for s, part in parts.items())
        freedom = np.maximum(np.nan_to_num(freedom, nan=1.0, posinf=1.0), 1.0)
        if error is None:
            error, kept = variance, freedom
            continue
        wider = variance >= error
        error, kept = np.where(wider, variance, error), np.where(wider, freedom, kept)
    assert error is not None
    mean = x.mean(axis=tuple(range(factors)))
    return RandomMean(np.asarray(mean), np.sqrt(np.maximum(error, 0.0)), np.asarray(kept))


def _subsets(factors: Subset) -> Iterator[Subset]:
    """Yield the sets of factors that are not empty, small ones first."""
    return chain.from_iterable(combinations(factors, k + 1) for k in range(len(factors)))


def _mean_squares(
    x: Doubles, drawn: Subset, factors: int
) -> Iterator[tuple[Subset, tuple[Doubles, float]]]:
    """Mean square of every interaction, and its degrees of freedom."""
    sizes = x.shape[:factors]
    means: dict[Subset, Doubles] = {}
    for kept in [(), *_subsets(drawn)]:
        over = tuple(i for i in range(factors) if i not in kept)
        means[kept] = np.asarray(x.mean(axis=over, keepdims=True)) if over else x
    for subset in _subsets(drawn):
        effect = np.asarray(
            sum((-1) ** (len(subset) - len(part)) * means[part] for part in [(), *_subsets(subset)])
        )
        freedom = float(prod(sizes[i] - 1 for i in subset))
        times = prod(n for i, n in enumerate(sizes) if i not in subset)
        sums = np.square(effect).sum(axis=tuple(range(factors)))
        yield subset, (np.asarray(times * sums / freedom), freedom)
