"""Windows around words: lags, first and last samples, means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.errors import DataError
from harness.numeric.arrays import Doubles, Ints, Singles


@dataclass(frozen=True)
class Lags:
    """Windows of one length, at even steps from the onset of a word.

    Parameters
    ----------
    middles : tuple of float
        Middles of the windows, s from the onset.
    window : float
        Their length, s.
    """

    middles: tuple[float, ...]
    window: float

    @classmethod
    def read(
        cls, earliest: float | str, latest: float | str, step: float | str, window: float | str
    ) -> Lags:
        """Read options; on the command line they are texts.

        Raises
        ------
        DataError
            One is no number, or they make no sense together.
        """
        try:
            first, last, every, long = (float(v) for v in (earliest, latest, step, window))
        except ValueError:
            first, last, every, long = 0.0, 0.0, 0.0, 0.0
        finite = math.isfinite(first + last + every + long)
        if not (finite and first <= last and every > 0 and long > 0):
            raise DataError(
                f"lags from {earliest} to {latest} s in steps of {step} s, over {window} s",
                "earliest is no later than latest; step and window are above 0",
            )
        n = math.floor((last - first) / every + 1e-9) + 1
        return cls(tuple(round(first + every * i, 6) for i in range(n)), long)

    @property
    def span(self) -> float:
        """From the beginning of the first window to the end of the last one, s."""
        return self.middles[-1] - self.middles[0] + self.window


def window_bounds(
    onsets: Doubles, lags: Sequence[float], window: float, rate: float, first: float = 0.0
) -> tuple[Ints, Ints]:
    """Return the first sample of each window and the one after its last.

    Parameters
    ----------
    onsets : array, shape (n_words,)
        In s.
    lags : sequence of float
        Middles of the windows, s from an onset.
    window : float
        Length of the windows, s; at least one sample.
    rate : float
        Samples a second.
    first : float
        Number of the first sample that there is, on the clock of the onsets.

    Returns
    -------
    begin, end : array of int, shape (n_words, n_lags)
    """
    middles = (onsets[:, None] + np.asarray(lags)) * rate - first
    length = max(1, round(window * rate))
    # Times have three decimals: a tie between two samples is one, whatever rounding made of it.
    begin = np.floor(np.round(middles - length / 2 + 0.5, 6)).astype(np.int64)
    return begin, begin + length


def window_means(signal: Doubles, begin: Ints, end: Ints) -> Singles:
    """Average a signal in windows.

    Parameters
    ----------
    signal : array, shape (n_channels, n_samples)
    begin, end : array of int, shape (n_words, n_lags)
        As :func:`window_bounds` gives them, within the signal.

    Returns
    -------
    array, shape (n_words, n_channels, n_lags)
    """
    # A running sum turns the mean of any window into one difference.
    sums = np.concatenate([np.zeros((len(signal), 1)), signal.cumsum(axis=1)], axis=1)
    means = (sums[:, end] - sums[:, begin]).swapaxes(0, 1) / (end - begin)[:, None]
    return np.asarray(means, np.float32)


def words_within(onsets: Doubles, seconds: float, runs: npt.ArrayLike | None = None) -> int:
    """Return how many words of a run, at most, begin within so many seconds: a purge gap.

    Parameters
    ----------
    onsets : array, shape (n_words,)
        In s, on the clock of their run.
    seconds : float
    runs : array, shape (n_words,), optional
        Run of each word; one by default.
    """
    labels = np.zeros(len(onsets)) if runs is None else np.asarray(runs)
    most = 0
    for label in np.unique(labels):
        own = np.sort(onsets[labels == label])
        within = np.searchsorted(own, own + seconds, side="right") - np.arange(len(own))
        most = max(most, int(within.max()))
    return most
