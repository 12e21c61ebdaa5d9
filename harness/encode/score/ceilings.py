"""Ceilings of regions, and scores relative to them: from other participants, or from repeats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from harness.encode.ceilings.cross_fit import (
    Z_REGION,
    Parts,
    Ratio,
    mean_ratio,
    repeated_parts,
    shared_parts,
)
from harness.encode.ceilings.estimates import leave_one_out, split_half
from harness.encode.ceilings.voxel_ceilings import repeat_ceiling
from harness.encode.score.relative import relative
from harness.encode.score.responses import Responses
from harness.numeric.arrays import Doubles, Positions

SPLITS = 200
"""Random halves of the participants that the split-half ceiling averages over."""
FEWEST = 3
"""Participants from which on there is a ceiling between them."""
OTHERS = "leave-one-out inter-participant correlation"
REPEATS = "explainable variance of the mean of repeats, square root"


def ceiling_kind(score: xr.Dataset) -> str:
    """Say which ceilings ``ceiling`` and ``normalised`` are of."""
    return REPEATS if "ceiling_repeats" in score else OTHERS


def others_ceilings(values: Doubles, seed: int) -> xr.Dataset:
    """Ceilings between participants who have the same rows; none for fewer than three.

    Parameters
    ----------
    values : array, shape (n_participants, n_samples, n_rois)
    seed : int
        Of the random halves.

    Returns
    -------
    Dataset
        ``ceiling_loo`` (participant, roi); ``group_reliability`` and ``group_ceiling`` (roi,).
    """
    if len(values) < FEWEST:
        return xr.Dataset()
    halves = split_half(values, n_splits=SPLITS, seed=seed)
    others = leave_one_out(values)
    return xr.Dataset(
        {
            "ceiling_loo": (("participant", "roi"), np.asarray(others.per_participant)),
            "group_reliability": (("roi",), np.asarray(halves.reliability)),
            "group_ceiling": (("roi",), np.asarray(halves.value)),
        }
    )


def repeat_ceilings(data: Responses) -> xr.Dataset:
    """Highest r with the mean of repeats, ``ceiling_repeats`` (participant, roi), if there are any.

    NaN where a participant has no repeats, or these have nothing in common.
    """
    if not data.repeats:
        return xr.Dataset()
    nothing = np.full(len(data.rois), np.nan)
    each = repeats_without_drift(data)
    found = [repeat_ceiling(each[p]) if p in each else nothing for p in data.participants]
    return xr.Dataset({"ceiling_repeats": (("participant", "roi"), np.stack(found))})


def repeats_without_drift(data: Responses) -> dict[str, Doubles]:
    """Take slow periods out of every repeat, (n_repeats, n_rows, n_rois), by participant."""
    if data.drift is None:
        return dict(data.repeats)
    found = {}
    for name, each in data.repeats.items():
        slow = data.drift.projection(np.zeros(each.shape[1], np.int64))
        found[name] = np.stack([slow.rows(repeat) for repeat in each])
    return found


def relative_to_others(
    people: Sequence[str],
    rois: Sequence[str],
    parts: Mapping[str, Parts | None],
    seed: int,
    *,
    reason: str,
) -> xr.Dataset:
    """Relate r to ceilings, by participant and region (:func:`relative`).

    Parameters
    ----------
    people, rois : sequence of str
    parts : mapping
        By participant, of their regions; None where there is no ceiling.
    seed : int
        Of the bootstrap.
    reason : str
        Why there are none.
    """
    nothing = Ratio(math.nan, math.nan, math.nan, reason)
    each, regions = {}, {}
    for name in people:
        own = parts[name]
        each[name] = nothing if own is None else mean_ratio(own, Z_REGION)
        regions[name] = {
            roi: nothing if own is None else mean_ratio(own.of(np.arange(len(rois)) == j), Z_REGION)
            for j, roi in enumerate(rois)
        }
    if all(own is None for own in parts.values()):
        return relative(each, seed=seed)
    return relative(each, regions, seed, together=True)


def parts_of_others(
    values: Doubles, predictions: Doubles, tests: Sequence[Positions], number: int
) -> Parts:
    """Cut a participant's r, and the correlation with the others' mean, into parts.

    Parameters
    ----------
    values : array, shape (n_participants, n_samples, n_rois)
        NaN where a participant lacks a run. Rows that nobody else has are left out.
    predictions : array, shape (n_held_out, n_rois)
        For this participant, held-out rows of one fold after the other.
    tests : sequence of array of int
        These rows.
    number : int
        Which participant.
    """
    rows = np.concatenate(tests)
    held = values[:, rows]
    others = np.delete(held, number, axis=0)
    if not np.isfinite(others).all():
        present = np.asarray(np.isfinite(others).all(axis=2))
        known = present.any(axis=0)
        count = np.maximum(present.sum(axis=0), 1)
        mean = np.where(present[:, :, None], others, 0.0).sum(axis=0) / count[:, None]
        ends = np.cumsum([len(test) for test in tests])[:-1]
        lengths = [int(part.sum()) for part in np.split(known, ends)]
        kept = [n for n in lengths if n]
        return shared_parts(held[number][known], mean[known], predictions[known], kept)
    mean = (held.sum(axis=0) - held[number]) / (len(held) - 1)
    return shared_parts(held[number], mean, predictions, [len(test) for test in tests])


def parts_of_repeats(
    data: Responses, predictions: Doubles, tests: Sequence[Positions]
) -> dict[str, Parts | None] | None:
    """Cut r with a single repeat, and what repeats share, into parts, by participant.

    Parameters
    ----------
    data : Responses
    predictions : array, shape (n_held_out, n_participants * n_rois)
    tests : sequence of array of int

    Returns
    -------
    dict, or None
        None where nobody has repeats, or the repeated run is not held out as a whole.
    """
    if not data.repeats or data.repeated_rows is None:
        return None
    held = np.concatenate(tests)
    order = np.argsort(held, kind="stable")
    places = np.searchsorted(held, data.repeated_rows, sorter=order).clip(max=len(held) - 1)
    found = order[places]
    if not np.array_equal(held[found], data.repeated_rows):
        return None
    each, k = repeats_without_drift(data), len(data.rois)
    return {
        name: repeated_parts(each[name], predictions[found, i * k : (i + 1) * k])
        if name in each
        else None
        for i, name in enumerate(data.participants)
    }
