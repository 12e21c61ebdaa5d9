"""Scores relative to ceilings, and what is unique to a model, by participant: one layout for all.

Regions, voxels, electrodes and items differ in where a ceiling comes from. What is said of it is
the same everywhere: `normalised` with its interval, by participant, and by region where there are
any.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from harness.encode.ceilings.cross_fit import Parts, Ratio, given_ratio, mean_ratio
from harness.errors import ScoreError
from harness.numeric.arrays import Bools, Doubles
from harness.stats.bootstrap import bootstrap_interval

Ratios = Mapping[str, Ratio]


def relative(
    each: Ratios,
    regions: Mapping[str, Mapping[str, Ratio]] | None = None,
    seed: int = 0,
    *,
    together: bool = False,
) -> xr.Dataset:
    """Lay out ratios to ceilings.

    Parameters
    ----------
    each : mapping
        By participant.
    regions : mapping, optional
        By participant, by region; the same regions of all.
    seed : int
        Of the bootstrap.
    together : bool
        Whether everybody's r is divided by the mean ceiling of all who have a reliable one. A
        participant's own, of a few regions in a few minutes, scatters by a third of itself, and the
        mean of ratios to it overstates (by 12 % on *Alice*). Thousands of voxels have one each.

    Returns
    -------
    Dataset
        ``normalised``, the mean of ``normalised_participant`` (participant,), ``normalised_low``
        and ``normalised_high`` (95 % bootstrap over participants), and ``normalised_by_roi``
        (participant, roi). NaN where there is no reliable ceiling; the attribute
        ``normalised_reasons`` says why, and ``normalised_used`` which share of the units had one.
    """
    r, top = (
        np.array([getattr(ratio, name) for ratio in each.values()], np.float64)
        for name in ("r", "ceiling")
    )
    values = _over(r, top, together=together)
    drawn = values
    if together and np.isfinite(values).any():
        # Ceilings are drawn with their participants: the ratio of means, to first order.
        drawn = values - np.nanmean(values) * (top / np.nanmean(top) - 1)
    mean, low, high = interval(drawn, seed)
    reasons = {name: ratio.reason for name, ratio in each.items() if ratio.reason}
    used = [ratio.used for ratio in each.values() if math.isfinite(ratio.used)]
    found: dict[str, Any] = {
        "normalised": mean,
        "normalised_low": low,
        "normalised_high": high,
        "normalised_participant": ("participant", values),
    }
    if regions:
        both = [[(ratio.r, ratio.ceiling) for ratio in own.values()] for own in regions.values()]
        r, top = np.moveaxis(np.array(both, np.float64), -1, 0)
        found["normalised_by_roi"] = (("participant", "roi"), _over(r, top, together=together))
        for name, own in regions.items():
            reasons |= {f"{name} {roi}": ratio.reason for roi, ratio in own.items() if ratio.reason}
    return xr.Dataset(
        found,
        attrs={
            "normalised_reasons": json.dumps(reasons),
            "normalised_used": float(np.mean(used)) if used else math.nan,
        },
    )


def _over(r: Doubles, top: Doubles, *, together: bool) -> Doubles:
    """Divide by own ceilings, or by their means over participants (first axis)."""
    if together:
        known = np.isfinite(top)
        count = known.sum(axis=0)
        mean = np.where(known, top, 0).sum(axis=0) / np.where(count > 0, count, np.nan)
        top = np.where(known, mean, np.nan)
    return np.asarray(r / top)


def unique_of(each: Doubles, regions: Doubles | None = None, seed: int = 0) -> dict[str, Any]:
    """Lay out unique R2 by participant.

    Parameters
    ----------
    each : array, shape (n_participants,)
        Mean over a participant's units; NaN where there is none.
    regions : array, shape (n_participants, n_rois), optional
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        ``unique``, ``unique_low``, ``unique_high`` (95 % bootstrap over participants),
        ``unique_participant`` (participant,) and ``unique_by_roi`` (participant, roi).
    """
    mean, low, high = interval(each, seed)
    found: dict[str, Any] = {
        "unique": mean,
        "unique_low": low,
        "unique_high": high,
        "unique_participant": ("participant", np.asarray(each, np.float64)),
    }
    if regions is not None:
        found["unique_by_roi"] = (("participant", "roi"), np.asarray(regions, np.float64))
    return found


def of_units(
    r: Doubles,
    ceiling: Doubles,
    parts: Parts | None,
    chosen: Bools,
    *,
    z: float,
    threshold: float,
) -> Ratio:
    """Divide the mean r of some units by the mean of their ceilings.

    Parameters
    ----------
    r, ceiling : array, shape (n_units,)
        Used where there are no parts: ceilings that are given.
    parts : Parts, optional
        Of all units.
    chosen : array of bool, shape (n_units,)
    z, threshold : float
        Which ceilings are in use: so far above their null; where given, so high.
    """
    if parts is None:
        return given_ratio(r[chosen], ceiling[chosen], threshold)
    return mean_ratio(parts.of(chosen), z)


def interval(values: Doubles, seed: int = 0) -> tuple[float, float, float]:
    """Mean over participants and its 95 % bootstrap interval; NaN where there is none."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return math.nan, math.nan, math.nan
    try:
        ends = bootstrap_interval(known, seed=seed)
    except ScoreError:
        return float(known.mean()), math.nan, math.nan
    return float(known.mean()), float(ends.low), float(ends.high)
