"""One step of a streamed analysis: the voxels of a participant through the plan of a layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from harness.encode.design.kernel import DoubleArray, FloatArray
from harness.encode.design.scores import pearson, r_squared
from harness.encode.design.splits import IntArray
from harness.encode.design.targets import Split
from harness.encode.solve.joint_scan import JointScan
from harness.encode.solve.scan import Scan
from harness.encode.voxels.stream_job import StreamJob
from harness.encode.voxels.stream_nuisance import score_beyond
from harness.encode.voxels.stream_options import PenaltyScope


def score_step(
    job: StreamJob, name: str, scan: Scan, fold: int, layer: int, beyond: JointScan | None = None
) -> None:
    """Take all voxels of a participant through a plan, into the tally.

    Parameters
    ----------
    job : StreamJob
    name : str
        The participant.
    scan : Scan
        Of the layer in the fold.
    fold, layer : int
        Their numbers.
    beyond : JointScan, optional
        Of the same, jointly with nuisance regressors.
    """
    tally = job.tallies[name]
    split = job.splits[fold]
    shared = None
    if job.stream.scope is PenaltyScope.PARTICIPANT:
        shared = _shared_scores(job, name, scan, fold)
    for block in job.blocks(name):
        usable = tally.usable(block)
        y = job.responses(name, block, usable)
        train, measured = y[split.outer.train], y[split.outer.test]
        if shared is None:
            fit = scan.fit(train)
            inner = np.take_along_axis(fit.inner, fit.chosen[None], axis=0)[0]
        else:
            best = int(np.nanmean(shared, axis=1)[::-1].argmax())
            best = len(shared) - 1 - best
            fit = scan.fit(train, np.full(len(usable), best))
            inner = shared[best, usable]
        better = keep_scores(
            job, name, fold, layer, usable, measured, inner, fit.chosen, fit.predictions
        )
        if beyond is not None and better.any():
            score_beyond(
                job, name, beyond, fold, usable[better], y[:, better], fit.inner[:, better]
            )
    tally.count_ends(fold, layer, len(scan.penalties))
    tally.done += 1


def keep_scores(
    job: StreamJob,
    name: str,
    fold: int,
    layer: int,
    voxels: IntArray,
    measured: FloatArray,
    inner: DoubleArray,
    chosen: IntArray,
    predictions: FloatArray,
) -> npt.NDArray[np.bool_]:
    """Score predictions of held-out rows and add them to a participant's tally.

    Parameters
    ----------
    job : StreamJob
    name : str
        The participant.
    fold, layer : int
        Their numbers.
    voxels : array of int, shape (n_voxels,)
        Their numbers.
    measured, predictions : array, shape (n_heldout, n_voxels)
    inner : array, shape (n_voxels,)
        Inner scores at the chosen penalties.
    chosen : array of int, shape (n_voxels,)
        Index of the penalty.

    Returns
    -------
    array of bool, shape (n_voxels,)
        Voxels that the layer suits better than those before.
    """
    return job.tallies[name].add(
        fold,
        layer,
        voxels,
        inner=inner,
        penalty=chosen,
        r=pearson(measured, predictions),
        r2=r_squared(measured, predictions),
        rows=_heldout_rows(job.splits, fold),
        predictions=predictions,
    )


def _shared_scores(job: StreamJob, name: str, scan: Scan, fold: int) -> DoubleArray:
    """Inner scores of all voxels, (n_penalties, n_voxels)."""
    tally = job.tallies[name]
    scores = np.full((len(scan.penalties), job.source.n_voxels(name)), np.nan)
    for block in job.blocks(name):
        usable = tally.usable(block)
        y = job.responses(name, block, usable)
        scores[:, usable] = scan.fit(y[job.splits[fold].outer.train]).inner
    return scores


def _heldout_rows(splits: Sequence[Split], fold: int) -> slice:
    """Where a fold's held-out rows are among those of all folds."""
    before = sum(len(split.outer.test) for split in splits[:fold])
    return slice(before, before + len(splits[fold].outer.test))
