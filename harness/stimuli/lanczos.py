"""Lanczos resampling of irregular events onto a regular clock, as a sparse matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from harness.errors import StimulusError
from harness.numeric.arrays import Doubles

LOBES = 3


def lanczos_matrix(events: Doubles, times: Doubles, lobes: int = LOBES) -> Any:
    """Matrix that filters values at ``events`` onto ``times``.

    Parameters
    ----------
    events : array (n_events,)
        Times of the events (word midpoints), in s.
    times : array (n_times,)
        Times to resample onto (volumes), in s, increasing.
    lobes : int
        Lobes of the kernel: events further than ``lobes`` sampling steps away weigh nothing.

    Returns
    -------
    csr_array (n_times, n_events)
        ``L(t) = sinc(t) sinc(t / lobes)`` with t in sampling steps; the cut-off is the sampling
        rate. The sum over events is not divided by their number (Huth et al. 2016).

    Raises
    ------
    StimulusError
        There are fewer than two times, or they do not increase.
    """
    events, times = np.asarray(events, float), np.asarray(times, float)
    if len(times) < 2 or not np.all(np.diff(times) > 0):
        raise StimulusError("volume times must be at least two, and increase")
    step = float(np.mean(np.diff(times)))
    reach = lobes * step
    order = np.argsort(events, kind="stable")
    first = np.searchsorted(events[order], times - reach, side="left")
    last = np.searchsorted(events[order], times + reach, side="right")
    counts = last - first
    rows = np.repeat(np.arange(len(times)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = order[np.repeat(first, counts) + within]
    lag = (times[rows] - events[columns]) / step
    values = np.sinc(lag) * np.sinc(lag / lobes)
    return sparse.csr_array((values, (rows, columns)), shape=(len(times), len(events)))


def frames_matrix(
    first: float, step: float, count: int, times: Sequence[float], lobes: int = LOBES
) -> Any:
    """Matrix that filters evenly spaced frames onto ``times``.

    Parameters
    ----------
    first : float
        Middle of the first frame, s.
    step : float
        From one frame to the next, s.
    count : int
        Number of frames.
    times : sequence of float, length n_times
        Times to resample onto (volumes), in s, increasing.
    lobes : int
        As for :func:`lanczos_matrix`.

    Returns
    -------
    csr_array (n_times, count)
        :func:`lanczos_matrix` times ``step`` over the sampling step: weights of a volume that
        frames surround add up to 1, so that features are in the units of the frames. Outside the
        frames there is nothing, 0.
    """
    onto: Doubles = np.asarray(times, np.float64)
    matrix = lanczos_matrix(first + step * np.arange(count, dtype=np.float64), onto, lobes)
    return matrix * (step / float(np.mean(np.diff(onto))))
