"""Many tests at once: adjusted p-values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from harness.stats.bootstrap import DoubleArray


def benjamini_hochberg(p: npt.ArrayLike) -> DoubleArray:
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
    ordered, order, tests = _ordered(values)
    adjusted = ordered * len(ordered) / np.arange(1, len(ordered) + 1)
    # No larger p may end up with a smaller adjusted one: running minimum from the end.
    return _restored(np.minimum.accumulate(adjusted[::-1])[::-1], order, tests, values)


def holm(p: npt.ArrayLike) -> DoubleArray:
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
    ordered, order, tests = _ordered(values)
    adjusted = ordered * np.arange(len(ordered), 0, -1)
    return _restored(np.maximum.accumulate(adjusted), order, tests, values)


def _ordered(
    values: DoubleArray,
) -> tuple[DoubleArray, npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    tests = ~np.isnan(values)
    order = np.argsort(values[tests], kind="stable")
    return values[tests][order], order, tests


def _restored(
    adjusted: DoubleArray,
    order: npt.NDArray[np.intp],
    tests: npt.NDArray[np.bool_],
    values: DoubleArray,
) -> DoubleArray:
    back = np.empty_like(adjusted)
    back[order] = np.minimum(adjusted, 1.0)
    out = np.full(values.shape, np.nan)
    out[tests] = back
    return out
