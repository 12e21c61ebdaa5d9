"""Ceilings of voxels and scores relative to them, for the voxels that have one worth the name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.encode.ceilings.estimates import explainable_variance
from harness.numeric.arrays import Doubles, Floats

CEILING_THRESHOLD = 0.05
"""Ceilings on r below it are noise, and a score divided by them is too (Oota et al.)."""


@dataclass(frozen=True, eq=False)
class Normalised:
    """Scores relative to their ceilings.

    Parameters
    ----------
    value : array, shape (n_voxels,)
        ``r / ceiling``, not clipped; NaN where the ceiling is under the threshold or there is none.
    excluded : float
        Share of the voxels with a score that have no normalised one; NaN without any ceiling.
    """

    value: Doubles
    excluded: float


def normalised(r: Floats, ceiling: Floats, threshold: float) -> Normalised:
    """Divide scores by ceilings that reach a threshold.

    Parameters
    ----------
    r : array, shape (n_voxels,)
        Scores; NaN where a voxel has none.
    ceiling : array, shape (n_voxels,)
        Highest expected r; NaN where there is none.
    threshold : float
        Lowest ceiling in use.

    Returns
    -------
    Normalised
    """
    c = np.asarray(ceiling, dtype=np.float64)
    kept = c >= threshold  # False for NaN
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(kept, np.asarray(r, dtype=np.float64) / c, np.nan)
    scored = np.isfinite(r)
    if np.isnan(c).all() or not scored.any():
        return Normalised(value, np.nan)
    return Normalised(value, float((scored & ~kept).sum() / scored.sum()))


def repeat_ceiling(repeats: Floats) -> Doubles:
    """Highest r with the mean of repeats, from their explainable variance.

    Parameters
    ----------
    repeats : array, shape (n_repeats, n_rows, n_voxels)
        May hold NaN.

    Returns
    -------
    array, shape (n_voxels,)
        NaN where a repeat is not finite or does not vary, or no signal is found.
    """
    out = np.full(repeats.shape[-1], np.nan)
    finite = np.isfinite(repeats).all(axis=(0, 1))
    if finite.any():
        out[finite] = explainable_variance(repeats[:, :, finite]).value
    return out
