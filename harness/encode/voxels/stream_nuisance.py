"""What a model explains beyond nuisance regressors, for voxels that stream.

The definition is that of :func:`harness.encode.solve.nuisance.score_nuisance`. Nuisance alone
takes one
pass over the voxels for each outer fold, before the layers. The joint fit is made while a layer's
plan is at hand, for the voxels that the layer suits better than those before: at the end it is that
of each voxel's chosen layer, and no layer is planned twice.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.encode.design.kernel import DoubleArray, FloatArray, Spectrum, nuisance_grid
from harness.encode.design.options import Metric
from harness.encode.design.scores import pearson, r_squared
from harness.encode.design.splits import IntArray
from harness.encode.solve.banded import product_measure
from harness.encode.solve.joint_scan import JointScan, plan_joint_scan
from harness.encode.solve.scan import Scan, plan_scan
from harness.encode.voxels.stream_job import StreamJob
from harness.encode.voxels.stream_options import PenaltyScope
from harness.errors import ScoreError


def check_nuisance(job: StreamJob) -> None:
    """Refuse choices under which voxels have no penalties of their own for both bands.

    Raises
    ------
    ScoreError
        The metric is not R2, or penalties are shared by a participant's voxels.
    """
    if job.nuisance is None:
        return
    if job.options.metric is not Metric.R2:
        raise ScoreError(
            f"unique variance of streamed voxels needs inner R2, not {job.options.metric}",
            "choose Metric.R2, score fewer voxels with encode_layers, or give no nuisance",
        )
    if job.stream.scope is not PenaltyScope.VOXEL:
        raise ScoreError(
            f"unique variance needs penalties by voxel, not by {job.stream.scope}",
            "choose PenaltyScope.VOXEL, or give no nuisance",
        )


def score_alone(job: StreamJob, say: Callable[[str], None]) -> None:
    """Take all voxels through fits of nuisance alone, where that is not done.

    Parameters
    ----------
    job : StreamJob
    say : callable
        Is told what is being computed.
    """
    if job.nuisance is None:
        return
    for fold, split in enumerate(job.splits):
        if not (undone := job.undone(-1, fold)):
            continue
        say(f"nuisance, fold {fold + 1} of {len(job.splits)}")
        spectrum = job.nuisance.spectrum(split.outer)
        scan = plan_scan(
            spectrum,
            split.inner,
            nuisance_grid(job.options, spectrum),
            precision=job.options.typed,
            device=job.device,
            n_voxels=job.n_voxels,
        )
        for place, name in undone:
            _participant_alone(job, name, scan, fold)
            job.kept.save(place, job.tallies[name])


def _participant_alone(job: StreamJob, name: str, scan: Scan, fold: int) -> None:
    tally, split = job.tallies[name], job.splits[fold]
    assert tally.nuisance is not None
    for block in job.blocks(name):
        usable = tally.usable(block)
        y = job.responses(name, block, usable)
        train, measured = y[split.outer.train], y[split.outer.test]
        fit = scan.fit(train)
        offset = train.mean(axis=0, dtype=np.float64)
        tally.nuisance.alone(
            fold,
            usable,
            inner=fit.inner.max(axis=0),
            r=pearson(measured, fit.predictions),
            r2=r_squared(measured, fit.predictions),
            share=product_measure(measured, (fit.predictions - offset)[None], offset)[0],
        )
    tally.done += 1


def plan_beyond(job: StreamJob, scan: Scan, spectrum: Spectrum, fold: int) -> JointScan | None:
    """Plan the joint fit of a layer in a fold.

    Parameters
    ----------
    job : StreamJob
    scan : Scan
        Of the layer.
    spectrum : Spectrum
        From which it was planned.
    fold : int

    Returns
    -------
    JointScan or None
        None without nuisance.
    """
    if job.nuisance is None:
        return None
    split = job.splits[fold]
    return plan_joint_scan(
        scan,
        spectrum,
        split.inner,
        job.nuisance.columns[split.outer.train],
        job.nuisance.columns[split.outer.test],
        nuisance_grid(job.options, job.nuisance.spectrum(split.outer)),
        precision=job.options.typed,
    )


def score_beyond(
    job: StreamJob,
    name: str,
    plan: JointScan,
    fold: int,
    voxels: IntArray,
    responses: FloatArray,
    inner: DoubleArray,
) -> None:
    """Fit model and nuisance jointly to voxels that a layer suits better than those before.

    Parameters
    ----------
    job : StreamJob
    name : str
        The participant.
    plan : JointScan
        Of the layer in the fold.
    fold : int
    voxels : array of int, shape (n_voxels,)
        Their numbers.
    responses : array, shape (n_samples, n_voxels)
    inner : array, shape (n_penalties, n_voxels)
        Inner scores of the model alone.
    """
    tally, split = job.tallies[name].nuisance, job.splits[fold]
    assert tally is not None
    tally.leave_out(fold, voxels)
    score, chosen = plan.choose(responses[split.outer.train], inner)
    better = score > tally.inner[fold, voxels]
    if not better.any():
        return
    train, measured = (responses[rows][:, better] for rows in (split.outer.train, split.outer.test))
    offset = train.mean(axis=0, dtype=np.float64)
    parts = np.stack(plan.predict(train, chosen[:, better]))
    predicted = parts.sum(axis=0) + offset
    tally.take_in(
        fold,
        voxels[better],
        r=pearson(measured, predicted),
        r2=r_squared(measured, predicted),
        split=product_measure(measured, parts, offset),
    )
