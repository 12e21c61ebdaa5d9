"""Word rate against responses at many lags: whether the two clocks are one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.encode.design.confounds import Projection, drift_basis
from harness.encode.design.features import zscore_by_run
from harness.numeric.arrays import Doubles, Floats

EARLY, LATE = -6, 12
LAGS = tuple(range(EARLY, LATE + 1))
"""Volumes by which responses are looked at after the words (before, where negative)."""
SHIFTS = 199
"""Circular shifts of the word rate that stand for data on another clock."""
LONGEST = 128.0
"""Periods above this many seconds are taken out first, where the description names no cutoff: two
slow drifts correlate at every lag."""
SOONEST, LATEST = 2.0, 10.0
"""Seconds after the words within which responses of the blood must be best."""


@dataclass(frozen=True, eq=False)
class LagCurve:
    """Correlation of word rate and responses by lag.

    Parameters
    ----------
    lags : tuple of int
        Volumes.
    mean : array, shape (n_participants, n_lags)
        r with the mean response of each participant.
    spread : array, shape (n_lags,)
        Root mean square of r over columns and participants: it finds responses of either sign.
    null : array, shape (n_shifts,)
        The largest ``spread`` over lags, of word rates that were shifted in a circle.
    """

    lags: tuple[int, ...]
    mean: Doubles
    spread: Doubles
    null: Doubles

    @property
    def best(self) -> int:
        """Lag at which responses follow the words most."""
        return self.lags[int(self.spread.argmax())]

    @property
    def p(self) -> float:
        """Share of shifted word rates that follow as much at any lag."""
        return float((1 + (self.null >= self.spread.max()).sum()) / (1 + len(self.null)))


def lag_curve(
    rate: npt.ArrayLike,
    responses: Sequence[Floats],
    runs: npt.ArrayLike,
    tr: float,
    cutoff: float | None = None,
    *,
    lags: Sequence[int] = LAGS,
    shifts: int = SHIFTS,
    seed: int = 0,
) -> LagCurve:
    """Correlate word rate with responses at lags, run by run.

    Parameters
    ----------
    rate : array, shape (n_samples,)
        Words a volume.
    responses : sequence of array, shape (n_samples, n_columns)
        Of each participant; finite.
    runs : array, shape (n_samples,)
        Run label of every row.
    tr : float
        s.
    cutoff : float, optional
        Longest period that is kept, s. Default: ``LONGEST``.
    lags : sequence of int
        Volumes; a run that is no longer than the largest says nothing.
    shifts, seed : int
        Shifts in a circle within each run, by more than any lag.

    Returns
    -------
    LagCurve
    """
    labels = np.asarray(runs)
    slow = drift_basis(labels, tr, cutoff or LONGEST)
    pace = _clean(np.asarray(rate, np.float64)[:, None], labels, slow)[:, 0]
    clean = [_clean(np.asarray(r, np.float64), labels, slow) for r in responses]
    averages = [zscore_by_run(c.mean(axis=1, keepdims=True), labels) for c in clean]
    mean = np.stack([_r(pace, np.asarray(a, np.float64), labels, lags)[:, 0] for a in averages])
    rng = np.random.default_rng(seed)
    null = []
    for _ in range(shifts):
        moved = _shifted(pace, labels, rng, max(abs(lag) for lag in lags))
        null.append(_spread([_r(moved, c, labels, lags) for c in clean]).max())
    spread = _spread([_r(pace, c, labels, lags) for c in clean])
    return LagCurve(tuple(lags), mean, spread, np.array(null))


def _clean(values: Floats, labels: npt.NDArray[np.generic], slow: Projection) -> Doubles:
    left = slow.rows(zscore_by_run(values, labels))
    return np.asarray(zscore_by_run(left, labels), np.float64)


def _r(
    pace: Doubles, values: Doubles, labels: npt.NDArray[np.generic], lags: Sequence[int]
) -> Doubles:
    """Correlate at each lag, (n_lags, n_columns): pairs of all runs together, z-scored by run."""
    total = np.zeros((len(lags), values.shape[1]))
    pairs = np.zeros(len(lags))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        one, y = pace[rows], values[rows]
        moved = np.zeros((len(lags), len(rows)))
        for i, lag in enumerate(lags):
            if abs(lag) >= len(rows):
                continue
            if lag >= 0:
                moved[i, lag:] = one[: len(rows) - lag]
            else:
                moved[i, :lag] = one[-lag:]
            pairs[i] += len(rows) - abs(lag)
        total += moved @ y
    return np.asarray(total / np.maximum(pairs, 1)[:, None])


def _spread(r: Sequence[Doubles]) -> Doubles:
    squares = np.stack([np.square(each).mean(axis=1) for each in r])
    return np.asarray(np.sqrt(squares.mean(axis=0)))


def _shifted(
    pace: Doubles, labels: npt.NDArray[np.generic], rng: np.random.Generator, least: int
) -> Doubles:
    out = pace.copy()
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        room = len(rows) - 2 * least
        by = int(rng.integers(least, least + room)) if room > 1 else int(rng.integers(len(rows)))
        out[rows] = np.roll(pace[rows], by)
    return out
