"""Whether gains are above 0: signs of stretches flipped, with nothing assumed of their sizes."""

from __future__ import annotations

import numpy as np

from harness.numeric.arrays import Doubles, Floats

_BLOCK = 2**24
"""Numbers a temporary array may hold."""


def sign_flips(gains: Floats, n: int, seed: int = 0) -> Doubles:
    """Test that the sum of gains over stretches is above 0.

    Where nothing is gained, gains of stretches that are long enough to be independent are as likely
    above as below 0 (Fisher 1935). A larger model that predicts no better is below 0 on average:
    the test errs to the careful side.

    Parameters
    ----------
    gains : array, shape (n_stretches, n_targets)
        What is lost without a model, such as squared error.
    n : int
        Flips; the smallest p is ``1 / (n + 1)``.
    seed : int
        Of the flips, the same for all targets.

    Returns
    -------
    array, shape (n_targets,)
        One-sided p; NaN where a gain is NaN, 1 where all gains are 0.
    """
    x = np.asarray(gains, np.float64)
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(n, len(x)))
    found = x.sum(axis=0)
    # What ties with what was found, to rounding, is as large.
    slack = 1e-12 * np.abs(x).sum(axis=0)
    count = np.zeros(x.shape[1])
    width = max(1, _BLOCK // max(n, 1))
    for start in range(0, x.shape[1], width):
        own = slice(start, start + width)
        count[own] = (signs @ x[:, own] >= found[own] - slack[own]).sum(axis=0)
    return np.where(np.isfinite(found), (count + 1) / (n + 1), np.nan)
