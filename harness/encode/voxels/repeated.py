"""Scores and ceilings of voxels in parts of the run that was repeated."""

from __future__ import annotations

import numpy as np

from harness.encode.ceilings.cross_fit import Parts, repeated_parts
from harness.encode.design.sources import ResponseSource
from harness.encode.voxels.stream_job import StreamJob
from harness.numeric.arrays import Positions

SAME = 0.999
"""Correlation from which on the rows of a run are the mean of the repeats."""
LOOKED_AT = 64
"""Voxels that are read to find the run that was repeated."""


def has_repeats(source: ResponseSource) -> bool:
    """Whether a run was repeated: held-out predictions are needed then."""
    return source.repeats(source.participants[0], 0, 1) is not None


def repeated_rows(source: ResponseSource, participant: str) -> Positions | None:
    """Find the rows that are the mean of the repeats.

    Returns
    -------
    array of int, shape (n_rows,)
        None where no run of that length is their mean (responses that were z-scored or cleaned
        otherwise than the repeats still are).
    """
    width = min(LOOKED_AT, source.n_voxels(participant))
    repeats = source.repeats(participant, 0, width)
    if repeats is None:
        return None
    mean = np.asarray(repeats, np.float64).mean(axis=0)
    block = np.asarray(source.block(participant, 0, width), np.float64)
    runs = np.asarray(source.runs)
    for run in np.unique(runs):
        rows = np.flatnonzero(runs == run)
        if len(rows) != len(mean):
            continue
        a, b = block[rows], mean
        known = np.isfinite(a).all(axis=0) & np.isfinite(b).all(axis=0)
        known &= (np.ptp(a, axis=0) > 0) & (np.ptp(b, axis=0) > 0)
        if not known.any():
            continue
        a, b = (x[:, known] - x[:, known].mean(axis=0) for x in (a, b))
        r = (a * b).sum(axis=0) / np.sqrt(np.square(a).sum(axis=0) * np.square(b).sum(axis=0))
        if np.median(r) > SAME:
            return rows
    return None


def voxel_parts(job: StreamJob, name: str) -> Parts | None:
    """Cut every voxel's r and ceiling into parts of the repeated run.

    Returns
    -------
    Parts
        Of all voxels; NaN where one is unusable. None where nothing was repeated, the repeated run
        is not held out as a whole, or predictions were not kept.
    """
    rows = repeated_rows(job.source, name)
    tally = job.tallies[name]
    if rows is None or tally.predictions is None:
        return None
    tests = np.concatenate([split.outer.test for split in job.splits])
    order = np.argsort(tests, kind="stable")
    found = order[np.searchsorted(tests, rows, sorter=order).clip(max=len(tests) - 1)]
    if not np.array_equal(tests[found], rows):
        return None
    whole: Parts | None = None
    for usable, repeats in job.repeats(name):
        own = repeated_parts(repeats, tally.predicted(usable)[found])
        if whole is None:
            shape = (len(own.r), job.source.n_voxels(name))
            whole = Parts(
                np.full(shape, np.nan),
                np.full(shape, np.nan),
                np.full(shape[1], np.nan),
                squared=True,
            )
        whole.r[:, usable], whole.ceiling[:, usable] = own.r, own.ceiling
        whole.null[usable] = own.null
    return whole
