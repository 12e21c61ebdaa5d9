"""Scores relative to ceilings: a ratio of means over units whose ceiling is above its own null.

A mean of ratios ``r / ceiling`` overstates, because a ceiling that came out too low by chance
weighs most, and a threshold on the same measurements keeps the ceilings that came out too high.
Here the measurements are cut into parts: half of the parts select units (voxels, regions), the
other half gives the means of r and of the ceiling of those, and the other way round.

A ceiling from repeats is a square root of a noisy share of variance, which is too low on average
(and no number where the share came out below 0). Shares are averaged over units of similar
reliability, which is unbiased, and what the square root makes of the scatter of *true* shares
within such a group comes from products of different parts of the measurement, whose noise is
independent: ``E sqrt(S) = sqrt(m) (1 - v / 8)`` to second order, ``v`` the relative variance of
true shares. Units without any signal that pass by chance are as many as the null says, and are
taken out of the means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats

from harness.numeric.arrays import Bools, Doubles, Floats, Ints

PARTS = 10
"""Parts of the measurement: every other one selects, the others estimate."""
ALIKE = 100
"""Units of similar reliability, among which shares of variance are averaged."""
SHIFTS = 40
"""Circular shifts, at most, behind the null of a ceiling."""
NEAREST = 10
"""Rows that a shift moves at least: noise of neighbouring rows is alike."""

Z_VOXEL = float(scipy.stats.norm.isf(0.01))
"""How far above its null a voxel's repeat correlation must be, in standard deviations."""
Z_REGION = float(scipy.stats.norm.isf(0.05))
"""How far the ceiling of a region must be, and that of a participant as a whole."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Scores and ceilings of units, in parts of the measurement.

    Parameters
    ----------
    r : array, shape (n_parts, n_units)
        Contribution of each part to a unit's r; the mean over parts is r.
    ceiling : array, shape (n_parts, n_units)
        The same of its ceiling, or, where ``squared``, of the square of it. Unbiased: below 0 by
        chance where there is no signal.
    null : array, shape (n_units,)
        Standard deviation of the mean over parts of ``ceiling`` where there is nothing to find.
    squared : bool
        Whether ``ceiling`` is a share of variance.
    """

    r: Doubles
    ceiling: Doubles
    null: Doubles
    squared: bool

    def of(self, units: Bools) -> Parts:
        """Return some of the units."""
        return Parts(
            self.r[:, units], self.ceiling[:, units], self.null[units], squared=self.squared
        )

    def of_parts(self, parts: Bools) -> Parts:
        """Return some of the parts; the null is that of so many."""
        scale = np.sqrt(len(self.r) / max(int(parts.sum()), 1))
        return Parts(self.r[parts], self.ceiling[parts], self.null * scale, squared=self.squared)

    @property
    def z(self) -> Doubles:
        """How many standard deviations each ceiling is above its null, (n_units,)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.ceiling.mean(axis=0) / self.null)


@dataclass(frozen=True, eq=False)
class Ratio:
    """A score relative to its ceiling; NaN where there is no reliable one.

    Parameters
    ----------
    r, ceiling : float
        Means over the units that were used.
    used : float
        Share of units that were selected, mean over the halves.
    reason : str
        Why there is no value; empty where there is.
    """

    r: float
    ceiling: float
    used: float
    reason: str = ""

    @property
    def value(self) -> float:
        """Mean r over mean ceiling, not clipped."""
        return self.r / self.ceiling


def repeated_parts(repeats: Floats, predictions: Floats) -> Parts:
    """Cut r with a single repeat, and the share of signal in one, into parts of the rows.

    Single repeats, because the power of their mean grows with what two of them have in common in
    the *other* half: selected by it, a voxel would be one whose other half came out low. The ratio
    is that with the mean of the repeats: r and ceiling differ by one factor.

    Parameters
    ----------
    repeats : array, shape (n_repeats, n_rows, n_units)
        Finite.
    predictions : array, shape (n_rows, n_units)
        Of what was repeated.

    Returns
    -------
    Parts
        ``r``: mean over repeats. ``ceiling``: signal power, the mean product of two different
        repeats, over the mean power of a repeat (Sahani & Linden 2003, eq. 1). ``null``: from
        circular shifts of the repeats against each other, the mean of a unit's own variance and
        that of all units. NaN where something does not vary.
    """
    y = np.asarray(repeats, np.float64)
    y = y - y.mean(axis=1, keepdims=True)
    p = np.asarray(predictions, np.float64)
    p = p - p.mean(axis=0)
    mean = y.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        power = np.square(y).sum(axis=1).mean(axis=0)
        power[np.ptp(y, axis=1).min(axis=0) == 0] = np.nan
        fit = p * mean / np.sqrt(np.square(p).sum(axis=0) * power)
        share = _between(y) / power
        chance = [_between(moved).sum(axis=0) / power for moved in _shifted(y)]
    return Parts(_parts(fit), _parts(share), _spread(chance), squared=True)


def shared_parts(
    responses: Floats,
    others: Floats,
    predictions: Floats,
    lengths: Sequence[int] | None = None,
) -> Parts:
    """Cut r, and the correlation with what other participants have in common, into parts.

    Parameters
    ----------
    responses, others, predictions : array, shape (n_rows, n_units)
        Of one participant; mean of the others; what a model predicts. Held-out rows of one fold
        after the other.
    lengths : sequence of int, optional
        Rows of each fold; r and ceiling are means over folds of correlations within each.

    Returns
    -------
    Parts
    """
    ends = np.cumsum([len(responses)] if lengths is None else lengths)[:-1]

    def within(x: Floats) -> Doubles:
        folds = np.split(np.asarray(x, np.float64), ends)
        return np.concatenate([_unit(fold) for fold in folds])

    y, o, p = within(responses), within(others), within(predictions)
    n_folds = len(ends) + 1
    chance = [(y * moved).sum(axis=0) / n_folds for moved in _moves(o)]
    return Parts(
        _parts(p * y / n_folds), _parts(o * y / n_folds), _spread(chance, own=True), squared=False
    )


def given_ratio(r: Floats, ceiling: Floats, threshold: float) -> Ratio:
    """Divide the mean r by the mean of ceilings that are given, where these reach a threshold.

    Parameters
    ----------
    r, ceiling : array, shape (n_units,)
        NaN where there is none. Nothing is known of how ceilings scatter.
    threshold : float
        Lowest ceiling in use.

    Returns
    -------
    Ratio
    """
    top = np.asarray(ceiling, np.float64)
    scored = np.isfinite(r)
    kept = scored & (top >= threshold)
    if not kept.any():
        reason = (
            "there are no ceilings"
            if not np.isfinite(top).any()
            else (f"no ceiling reaches {threshold:g}")
        )
        return Ratio(np.nan, np.nan, 0.0 if scored.any() else np.nan, reason)
    share = float(kept.sum() / scored.sum())
    return Ratio(float(np.asarray(r, np.float64)[kept].mean()), float(top[kept].mean()), share)


def mean_ratio(parts: Parts, z: float) -> Ratio:
    """Divide the mean r by the mean ceiling of the units that have one, cross-fitted.

    Parameters
    ----------
    parts : Parts
    z : float
        Standard deviations above its null at which a unit is selected, on the other half.

    Returns
    -------
    Ratio
        NaN where nothing is selected, or where the mean share or ceiling of what is selected is
        not itself above 0 (one-sided t over all parts, none of which selected what it measures, at
        the level of ``z``).
    """
    known = np.isfinite(parts.r).all(axis=0) & np.isfinite(parts.ceiling).all(axis=0)
    known &= parts.null > 0
    parts = parts.of(known)
    odd = np.arange(len(parts.r)) % 2 == 1
    above = below = 0.0
    counts, measured = [], []
    for half in (odd, ~odd):
        where = parts.of_parts(half).z
        chosen = where > z
        counts.append(int(chosen.sum()))
        if not chosen.any():
            continue
        rest = parts.of_parts(~half).of(chosen)
        above += float(rest.r.mean(axis=0).sum())
        # Without signal half of the units are below 0.
        empty = min(len(where), 2 * int((where < 0).sum()))
        below += _sum_of_ceilings(rest, where[chosen], z, empty)
        measured.append(rest.ceiling.mean(axis=1))
    n = parts.r.shape[1]
    used = float(np.mean(counts)) / n if n else np.nan
    if not measured:
        return Ratio(np.nan, np.nan, used, "no ceiling is above its null")
    found = np.concatenate(measured)
    error = found.std(ddof=1) / np.sqrt(len(found))
    if (
        not found.mean() > scipy.stats.t.isf(scipy.stats.norm.sf(z), len(found) - 1) * error
        or below <= 0
    ):
        return Ratio(
            np.nan, np.nan, used, "the ceilings above their null on one half are not on the other"
        )
    return Ratio(above / sum(counts), below / sum(counts), used)


def _sum_of_ceilings(rest: Parts, z: Doubles, least: float, empty: float) -> float:
    """Add up the ceilings of selected units.

    Parameters
    ----------
    rest : Parts
        The selected units, on the parts that did not select them.
    z : array, shape (n_units,)
        Where each was on those that did.
    least : float
        Lowest z.
    empty : float
        How many units, selected or not, have no signal: about normal in z around 0.
    """
    if not rest.squared:
        return float(rest.ceiling.mean(axis=0).sum())
    order = np.argsort(z)
    groups = np.array_split(order, max(1, len(order) // ALIKE))
    highest = [z[group[-1]] for group in groups[:-1]]
    tails = scipy.stats.norm.sf(np.array([least, *highest, np.inf]))
    chance = empty * (tails[:-1] - tails[1:])
    return sum(
        _sum_of_roots(rest.ceiling[:, group], lost)
        for group, lost in zip(groups, chance, strict=True)
    )


def _sum_of_roots(shares: Doubles, empty: float) -> float:
    """Add up square roots of true shares, of which some are 0.

    Parameters
    ----------
    shares : array, shape (n_parts, n_units)
        Unbiased, with independent errors of the parts.
    empty : float
        How many of the units have a share of 0.
    """
    n_parts, n_units = shares.shape
    left = n_units - empty
    if left <= 0:
        return 0.0
    total = shares.sum(axis=0)
    mean = float(total.sum()) / n_parts / left
    if mean <= 0:
        return 0.0
    if n_parts < 2:
        return left * float(np.sqrt(mean))
    pairs = np.square(total) - np.square(shares).sum(axis=0)
    square = float(pairs.sum()) / (n_parts * (n_parts - 1)) / left
    scatter = square / mean**2 - 1
    # Below 0 by chance, or so large that two terms do not make a root.
    return left * float(np.sqrt(mean)) * min(max(1 - scatter / 8, 0.5), 1.1)


def _between(y: Doubles) -> Doubles:
    """Average the products of different repeats, row by row."""
    n = len(y)
    return np.asarray((np.square(y.sum(axis=0)) - np.square(y).sum(axis=0)) / (n * (n - 1)))


def _distances(n_rows: int) -> Ints:
    """How far rows are shifted: evenly, and never near."""
    nearest = min(NEAREST, max(1, n_rows // 4))
    found = np.linspace(nearest, n_rows - nearest, SHIFTS).round().astype(np.int64)
    return np.unique(found)


def _shifted(y: Doubles) -> Iterator[Doubles]:
    """Shift repeats against each other, each by another distance."""
    distances = _distances(y.shape[1])
    n = len(distances)
    for number in range(n):
        # The first stays; the others are apart from it and, where there are enough, each other.
        moves = [0, *(distances[(number + k * n // len(y)) % n] for k in range(len(y) - 1))]
        yield np.stack([np.roll(repeat, move, 0) for repeat, move in zip(y, moves, strict=True)])


def _moves(x: Doubles) -> Iterator[Doubles]:
    for distance in _distances(len(x)):
        yield np.roll(x, distance, axis=0)


def _spread(chance: list[Doubles], *, own: bool = False) -> Doubles:
    """Take the spread by chance: of few draws, so that it leans on that of all units."""
    square = np.square(np.stack(chance)).mean(axis=0)
    if own:
        return np.asarray(np.sqrt(square))
    return np.asarray(np.sqrt((square + np.nanmean(square)) / 2))


def _parts(rows: Doubles) -> Doubles:
    """Add up contiguous parts of rows, scaled so that their mean is the sum of all rows."""
    parts = np.array_split(np.arange(len(rows)), min(PARTS, len(rows)))
    return np.stack([rows[part].sum(axis=0) * len(parts) for part in parts])


def _unit(x: Floats) -> Doubles:
    """Centre columns and give them norm 1; NaN where a column does not vary."""
    values = np.asarray(x, np.float64)
    centred = values - values.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        norm = np.sqrt(np.square(centred).sum(axis=0))
        return np.asarray(centred / np.where(np.ptp(values, axis=0) > 0, norm, np.nan))
