"""What is unique to a model beyond nuisance: a headline, with interval, test and ceiling."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats
import xarray as xr

from harness.errors import ScoreError
from harness.stats.bootstrap import bootstrap_interval
from harness.stats.crossed import Crossed, crossed
from harness.stats.fdr import benjamini_hochberg


def unique_part(score: xr.Dataset, seed: int = 0) -> xr.Dataset:
    """Summarise unique R2, and cross participants with held-out parts of the stimulus.

    Parameters
    ----------
    score : Dataset
        ``fold_r`` and, with nuisance, ``fold_unique_r2`` (fold, participant, roi), ``nuisance_r``
        and ``unique_r2`` (participant, roi); ``ceiling_repeats`` or ``ceiling_loo``.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Dataset
        ``crossed_low``, ``crossed_high``: 95 % interval of ``value`` with participants and held-out
        parts both random. With nuisance: ``nuisance``, mean r of nuisance alone; ``unique``, mean
        unique R2 over participants and regions; ``unique_low`` and ``unique_high``, its bootstrap
        interval over participants, ``unique_crossed_low`` and ``unique_crossed_high``, its crossed
        one; ``unique_p``, two-sided, crossed; ``unique_of_ceiling``, its share of the squared
        ceiling. By (roi,): ``unique_roi``, with ``_low``, ``_high``, ``_p`` (crossed) and ``_q``
        (Benjamini-Hochberg). By (participant,): ``unique_participant``, with ``_low``, ``_high``
        and ``_p`` by t over the held-out parts. ``unique_by_roi`` (participant, roi) is
        ``unique_r2``, under the name that it has everywhere.
    """
    found: dict[str, Any] = {}
    overall = _crossed(score["fold_r"].mean("roi"))
    if overall is not None:
        found["crossed_low"], found["crossed_high"] = map(float, overall.interval())
    if "fold_unique_r2" not in score:
        return xr.Dataset(found)
    people = score["unique_r2"].mean("roi")
    interval = bootstrap_interval(people.values, seed=seed)
    found["nuisance"] = float(score["nuisance_r"].mean())
    found["unique"] = float(people.mean())
    found["unique_low"], found["unique_high"] = float(interval.low), float(interval.high)
    found["unique_by_roi"] = score["unique_r2"]
    top = "ceiling_repeats" if "ceiling_repeats" in score else "ceiling_loo"
    if top in score:
        ceiling = float((np.sign(score[top]) * score[top] ** 2).mean())
        found["unique_of_ceiling"] = found["unique"] / ceiling if ceiling > 0 else np.nan
    folds = score["fold_unique_r2"]
    overall = _crossed(folds.mean("roi"))
    if overall is not None:
        low, high = map(float, overall.interval())
        found["unique_crossed_low"], found["unique_crossed_high"] = low, high
        found["unique_p"] = float(overall.p())
        regions = _crossed(folds)
        assert regions is not None
        ends, p = regions.interval(), regions.p()
        found |= {
            "unique_roi": ("roi", regions.estimate),
            "unique_roi_low": ("roi", ends[0]),
            "unique_roi_high": ("roi", ends[1]),
            "unique_roi_p": ("roi", p),
            "unique_roi_q": ("roi", benjamini_hochberg(p)),
        }
    return xr.Dataset(found | _each_participant(folds))


def _crossed(folds: xr.DataArray) -> Crossed | None:
    """Cross (fold, participant, …); None where there are too few of either."""
    try:
        return crossed(folds.transpose("participant", "fold", ...).values)
    except ScoreError:
        return None


def _each_participant(folds: xr.DataArray) -> dict[str, Any]:
    values = folds.mean("roi").transpose("participant", "fold").values
    n = np.isfinite(values).sum(axis=1)  # of parts that a participant lacks there is no score
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(values, axis=1) / n
        error = np.sqrt(np.nansum(np.square(values - mean[:, None]), axis=1) / (n - 1) / n)
    half = scipy.stats.t.ppf(0.975, n - 1) * error
    with np.errstate(invalid="ignore", divide="ignore"):
        p = 2 * scipy.stats.t.sf(np.abs(mean / error), n - 1)
    return {
        "unique_participant": ("participant", mean),
        "unique_participant_low": ("participant", mean - half),
        "unique_participant_high": ("participant", mean + half),
        "unique_participant_p": ("participant", p),
    }
