"""Many tests at once: adjusted p-values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.stats

from harness.numeric.arrays import Doubles


def benjamini_hochberg(p: npt.ArrayLike) -> Doubles:
    """Adjust p-values so that a threshold bounds the false discovery rate.

    Benjamini & Hochberg (1995), step-up; valid under independence and positive dependence.

    Parameters
    ----------
    p : array
        p-values of one family (all voxels of a participant). NaN is no test and stays NaN.

    Returns
    -------
    array
        Of the same shape.
    """
    values = np.asarray(p, dtype=np.float64)
    tests = ~np.isnan(values)
    out = np.full(values.shape, np.nan)
    if tests.any():
        out[tests] = scipy.stats.false_discovery_control(values[tests])
    return out


def holm(p: npt.ArrayLike) -> Doubles:
    """Adjust p-values so that a threshold bounds the chance of any false claim (Holm 1979).

    Parameters
    ----------
    p : array
        p-values of one family of contrasts. NaN is no test and stays NaN.

    Returns
    -------
    array
        Of the same shape.
    """
    values = np.asarray(p, dtype=np.float64)
    tests = ~np.isnan(values)
    order = np.argsort(values[tests], kind="stable")
    stepped = values[tests][order] * np.arange(len(order), 0, -1)
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    out = np.full(values.shape, np.nan)
    out[tests] = adjusted
    return out
