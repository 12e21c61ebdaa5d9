"""How well the best possible model could do, given how noisy the responses are.

Four kinds, each of which says what it is. All work on inner products between repeats or
participants, computed once: a split, or a left-out participant, is then a small weighted sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from harness.errors import DataError
from harness.numeric.arrays import Doubles, Floats


class CeilingKind(StrEnum):
    """Where a ceiling comes from."""

    SPLIT_HALF = "split-half"
    LEAVE_ONE_OUT = "leave-one-out"
    REPEATS = "repeats"
    EXTRAPOLATED = "extrapolated"


@dataclass(frozen=True, eq=False)
class Ceiling:
    """The Pearson r that a perfect model is expected to reach.

    Parameters
    ----------
    kind : CeilingKind
        How it was estimated.
    n : int
        Number of participants or repeats behind it.
    value : array, shape (n_targets,)
        Ceiling on r. NaN where none can be given (constant responses, reliability not above 0).
        Estimates are not clipped.
    reliability : array, shape (n_targets,), optional
        Share of the variance of the mean response that is signal; ``value`` is its square root.
    per_participant : array, shape (n_participants, n_targets), optional
        A value for each participant.
    excluded : array, shape (n_targets,), optional
        Share of resamples without a usable value.
    low, high : array, shape (n_targets,), optional
        95 % interval over resamples.
    """

    kind: CeilingKind
    n: int
    value: Doubles
    reliability: Doubles | None = None
    per_participant: Doubles | None = None
    excluded: Doubles | None = None
    low: Doubles | None = None
    high: Doubles | None = None


def split_half(responses: Floats, n_splits: int = 1000, seed: int = 0) -> Ceiling:
    """Reliability of the mean of participants, from random halves.

    The correlation between the means of two halves, averaged over splits, is extended to all
    participants (Spearman 1910, Brown 1910): with halves of ``m`` of ``n`` participants and
    ``k = n / m``, reliability is ``k r / (1 + (k - 1) r)``. With an odd number one participant sits
    out each split. The ceiling on r is the square root of reliability, because the mean that a
    model is compared with is itself noisy; reliability alone is the ceiling on R2.

    Parameters
    ----------
    responses : array, shape (n_participants, n_samples, n_targets)
        The same stimulus for all; averaged as they are (z-score before, to weigh all alike).
    n_splits : int
        Number of random splits.
    seed : int
        Seed of the splits.

    Returns
    -------
    Ceiling
        Of predicting the mean of the participants.

    Raises
    ------
    DataError
        There are fewer than two participants.
    """
    products = _products(responses, "participants")
    n = len(products)
    half = n // 2
    order = np.argsort(np.random.default_rng(seed).random((n_splits, n)), axis=1)
    first, second = (np.zeros((n_splits, n)) for _ in range(2))
    np.put_along_axis(first, order[:, :half], 1.0, axis=1)
    np.put_along_axis(second, order[:, half : 2 * half], 1.0, axis=1)
    r = np.empty(products.shape[2])
    for target in range(len(r)):
        gram = products[:, :, target]
        toward = first @ gram
        both = np.einsum("sp,sp->s", toward, second)
        own = np.einsum("sp,sp->s", toward, first)
        other = np.einsum("sp,sp->s", second @ gram, second)
        with np.errstate(invalid="ignore", divide="ignore"):
            r[target] = (both / np.sqrt(own * other)).mean()
    return _from_reliability(CeilingKind.SPLIT_HALF, n, spearman_brown(r, n / half))


def spearman_brown(r: Doubles, factor: float) -> Doubles:
    """Reliability of a measurement ``factor`` times as long (Spearman 1910, Brown 1910).

    Parameters
    ----------
    r : array
        Correlation between two parallel measurements.
    factor : float
        How many times as many participants (or items).

    Returns
    -------
    array
        ``factor * r / (1 + (factor - 1) * r)``.
    """
    return np.asarray(factor * r / (1 + (factor - 1) * r))


def leave_one_out(responses: Floats) -> Ceiling:
    """Correlate each participant with the mean of the others.

    A lower bound on the ceiling of a single participant: the others' mean is a noisy predictor
    (Nili et al. 2014).

    Parameters
    ----------
    responses : array, shape (n_participants, n_samples, n_targets)
        The same stimulus for all.

    Returns
    -------
    Ceiling
        ``value`` is the mean over participants.

    Raises
    ------
    DataError
        There are fewer than two participants.
    """
    products = _products(responses, "participants")
    own = np.einsum("ppv->pv", products)
    row = products.sum(axis=1)
    with_others = row - own
    others = row.sum(axis=0) - 2 * row + own
    with np.errstate(invalid="ignore", divide="ignore"):
        r = with_others / np.sqrt(own * others)
    return Ceiling(CeilingKind.LEAVE_ONE_OUT, len(products), r.mean(axis=0), per_participant=r)


def explainable_variance(repeats: Floats) -> Ceiling:
    """Share of the variance of the mean of repeats that is signal.

    Signal power ``(N var(mean) - mean(var)) / (N - 1)`` over the variance of the mean (Sahani &
    Linden 2003, eq. 1): unbiased in its numerator, where the plain ratio counts the noise left in
    the mean as signal. Its square root is the highest r with the mean of the repeats (Hsu et al.
    2004; Schoppe et al. 2016, eq. 8).

    Parameters
    ----------
    repeats : array, shape (n_repeats, n_samples, n_targets)
        Responses to the same stimulus.

    Returns
    -------
    Ceiling
        Of predicting the mean of the repeats.

    Raises
    ------
    DataError
        There are fewer than two repeats.
    """
    products = _products(repeats, "repeats")
    n = len(products)
    of_mean = products.sum(axis=(0, 1)) / n**2
    mean_of = np.einsum("ppv->v", products) / n
    signal = (n * of_mean - mean_of) / (n - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _from_reliability(CeilingKind.REPEATS, n, signal / of_mean)


def _from_reliability(kind: CeilingKind, n: int, reliability: Doubles) -> Ceiling:
    with np.errstate(invalid="ignore"):
        value = np.where(reliability > 0, np.sqrt(reliability), np.nan)
    return Ceiling(kind, n, value, reliability=reliability)


def _products(responses: Floats, what: str) -> Doubles:
    """Inner products over samples between participants or repeats, each centred."""
    y = np.asarray(responses, dtype=np.float64)
    if y.ndim != 3 or len(y) < 2 or y.shape[1] < 3:
        raise DataError(
            f"responses of shape {y.shape} have no ceiling",
            f"give at least two {what} and three samples: ({what}, sample, target)",
        )
    centred = y - y.mean(axis=1, keepdims=True)
    # Rounding leaves a constant response with a tiny, meaningless spread.
    centred[np.broadcast_to(np.ptp(y, axis=1, keepdims=True) == 0, y.shape)] = np.nan
    by_target = np.moveaxis(centred, 2, 0)
    return np.asarray(np.moveaxis(by_target @ by_target.swapaxes(1, 2), 0, 2))
