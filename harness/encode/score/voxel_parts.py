"""Scores by voxel on every held-out part of the stimulus: for crossed intervals, and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats
import xarray as xr

from harness.numeric.arrays import Bools, Doubles
from harness.stats.fdr import benjamini_hochberg

Masks = Mapping[str, Mapping[str, Bools]]

FEWEST = 3
"""Parts, below which no voxel is tested over them."""
PARTS = {"fold_r_best": "fold_r", "fold_unique_r2": "fold_unique_r2"}
"""Scores (fold, voxel) of a participant, and what their means over voxels are called."""


def by_part(scores: Mapping[str, xr.Dataset], masks: Masks, rois: Sequence[str]) -> dict[str, Any]:
    """Average scores on held-out parts over voxels, and test what is unique in every voxel.

    Parameters
    ----------
    scores : mapping
        By participant, datasets with ``fold_r_best`` and, with nuisance, ``fold_unique_r2``
        (fold, voxel).
    masks : mapping
        By participant, the voxels of each region.
    rois : sequence of str
        Regions; where there are none, means are over all voxels.

    Returns
    -------
    dict
        Variables: ``fold_r`` and ``fold_unique_r2``, (fold, participant, roi), without ``roi``
        where there are no regions; where participants have the same number of parts. A score with a
        coordinate ``fold`` is of these parts alone (the participant lacks a run): NaN in the
        others. And, with at least three parts, ``voxel_unique_p`` (voxel,), of no unique part,
        two-sided, by t over parts, and ``voxel_unique_q``, adjusted over the voxels of a
        participant (Benjamini-Hochberg); not where permutations were asked for, which test it
        themselves.
    """
    found: dict[str, Any] = {}
    first = next(iter(scores.values()))
    whole = {score.sizes["fold"] for score in scores.values() if "fold" not in score.coords}
    last = [int(s["fold"].max()) + 1 for s in scores.values() if "fold" in s.coords]
    n_parts = max([*whole, *last])
    for source, name in PARTS.items():
        if source not in first or len(whole) > 1:
            continue
        each = [
            _means(_placed(s[source], n_parts), masks.get(p, {}), rois) for p, s in scores.items()
        ]
        dims = ("fold", "participant", "roi") if rois else ("fold", "participant")
        found[name] = (dims, np.stack(each, axis=1))
    tested = "unique_p" in first
    if "fold_unique_r2" in first and n_parts >= FEWEST and not tested:
        p = [_tested(score["fold_unique_r2"].values) for score in scores.values()]
        q = [benjamini_hochberg(own) for own in p]
        found["voxel_unique_p"] = ("voxel", np.concatenate(p))
        found["voxel_unique_q"] = ("voxel", np.concatenate(q))
    return found


def unique_p(folds: npt.NDArray[Any]) -> Doubles:
    """Test the mean over parts of every voxel against 0, two-sided.

    Parameters
    ----------
    folds : array, shape (n_parts, n_voxels)
        A voxel of which a part is NaN has no p. Where the model was left out of all fits, so that
        nothing is unique to it, p is 1.

    Returns
    -------
    array, shape (n_voxels,)
    """
    x = np.asarray(folds, np.float64)
    n = len(x)
    mean, error = x.mean(axis=0), x.std(axis=0, ddof=1) / np.sqrt(n)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = np.asarray(2 * scipy.stats.t.sf(np.abs(mean / error), n - 1))
    return np.where((mean == 0) & (error == 0), 1.0, p)


def _placed(folds: xr.DataArray, n_parts: int) -> npt.NDArray[Any]:
    """Put parts where they are among all, (n_parts, n_voxels); NaN in the others."""
    if "fold" not in folds.coords:
        return folds.values
    placed = np.full((n_parts, folds.sizes["voxel"]), np.nan)
    placed[folds["fold"].values] = folds.values
    return placed


def _tested(folds: npt.NDArray[Any]) -> Doubles:
    return unique_p(folds) if len(folds) >= FEWEST else np.full(folds.shape[1], np.nan)


def _means(folds: npt.NDArray[Any], masks: Mapping[str, Bools], rois: Sequence[str]) -> Doubles:
    """Means over usable voxels, (fold, roi) or (fold,); NaN of a region that somebody lacks."""
    if not rois:
        return _mean(folds)
    nothing = np.full(len(folds), np.nan)
    columns = [_mean(folds[:, masks[roi]]) if roi in masks else nothing for roi in rois]
    return np.stack(columns, axis=1)


def _mean(folds: npt.NDArray[Any]) -> Doubles:
    present = np.isfinite(folds)
    with np.errstate(invalid="ignore"):
        sums = np.where(present, folds, 0.0).sum(axis=1, dtype=np.float64)
        return np.asarray(sums / present.sum(axis=1))
