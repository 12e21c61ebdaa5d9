"""Encode any number of voxels from every layer of a recording, within a memory budget.

For each layer and outer fold everything that depends on features alone is computed once
(:mod:`harness.encode.solve.scan`); then the voxels of all participants, who had the same stimulus,
stream
through it in blocks read from disk. What is kept is a few numbers for each voxel and layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.ceilings.voxel_ceilings import CEILING_THRESHOLD
from harness.encode.design.band import Band, make_band, make_columns
from harness.encode.design.confounds import (
    Cleaning,
    Drift,
    Projection,
    confound_basis,
    joined,
)
from harness.encode.design.kernel import FloatArray, model_grid, nuisance_grid
from harness.encode.design.narrowed import narrowed
from harness.encode.design.options import EncodingOptions, Precision, Readout, Solver
from harness.encode.design.sources import ResponseSource
from harness.encode.design.splits import Fold, check_runs, held_out_pieces
from harness.encode.design.targets import make_splits
from harness.encode.solve.choice import best_index
from harness.encode.solve.plan import Plan, make_plan
from harness.encode.solve.scan import Scan
from harness.encode.solve.shared import plan_shared
from harness.encode.solve.steps import keep, score_alone, score_joint, score_layer
from harness.encode.voxels.checkpoint import checkpoint, fingerprint
from harness.encode.voxels.repeated import has_repeats
from harness.encode.voxels.stream_job import StreamJob, block_width
from harness.encode.voxels.stream_options import STREAM, PenaltyScope, StreamOptions
from harness.encode.voxels.stream_results import participant_scores
from harness.encode.voxels.stream_shared import cross_voxels, is_crossed, score_shared
from harness.errors import DataError, ScoreError
from harness.place.place import here

DEFAULT = EncodingOptions()

__all__ = ["PenaltyScope", "StreamOptions", "stream_layers"]


def stream_layers(
    recording: xr.DataArray,
    source: ResponseSource,
    *,
    options: EncodingOptions = DEFAULT,
    nuisance: FloatArray | None = None,
    folds: Sequence[Fold] | None = None,
    ceilings: Mapping[str, npt.ArrayLike] | None = None,
    threshold: float = CEILING_THRESHOLD,
    stream: StreamOptions = STREAM,
    progress: Callable[[str], None] | None = None,
    drift: Drift | None = None,
    confounds: FloatArray | None = None,
) -> dict[str, xr.Dataset]:
    """Score how well each layer predicts each voxel, and the layer chosen on training rows.

    The analysis is that of :func:`harness.encode.solve.layers.encode_layers`: features z-scored by
    run
    and delayed, responses z-scored by run, penalty and layer of each voxel chosen on inner folds of
    the training rows, scores computed within each held-out fold and averaged.

    Parameters
    ----------
    recording : DataArray (sample, layer, unit)
        In the time base of the responses. Layers are read one by one, so that it may be open on
        disk only.
    source : ResponseSource
        Responses of all participants.
    options : EncodingOptions
        Choices. Here products with voxels are in float32 by default, decompositions in float64.
    nuisance : array, shape (n_samples, n_regressors), optional
        Regressors that the model has to beat, the same for all voxels; z-scored and delayed like
        the features.
    folds : sequence of Fold, optional
        Outer folds, where the data set prescribes them
        (:func:`harness.encode.design.splits.held_out_run`). By default contiguous or grouped folds.
    ceilings : mapping, optional
        Highest r of each voxel, (n_voxels,), by participant. By default from the repeats, where
        the source has them.
    threshold : float
        Voxels with a lower ceiling have no normalised score.
    stream : StreamOptions
        Memory, device, and who shares a penalty.
    progress : callable, optional
        Is told what is being computed.
    drift : Drift, optional
        Slow periods; taken out of responses and their repeats, and of the delayed features and
        nuisance regressors (:mod:`harness.encode.design.confounds`).
    confounds : array, shape (n_samples, n_confounds), optional
        What else is taken out of responses, features and nuisance: motion of the one participant of
        this source.

    Returns
    -------
    dict of Dataset
        By participant. By (layer, voxel): ``r`` and ``r2``, the layer curve, a description. By
        (fold, voxel): ``layer_best``, the layer chosen on training rows, ``penalty_best``, the
        index of its penalty, ``inner_best``, their inner score, and ``fold_r_best``, their held-out
        r. By (voxel,): ``r_best``, ``r2_best``, means over folds at the chosen layers, ``ceiling``,
        ``normalised`` (``r_best / ceiling``, never clipped, of voxels whose repeats agree beyond
        chance: a description; a mean of it overstates, see
        :mod:`harness.encode.ceilings.cross_fit`) and, with permutations, ``p`` and ``q``
        (Benjamini-Hochberg over the voxels of the participant). ``grid_ends`` (end, fold, layer):
        share of voxels whose penalty is the lowest or the highest. With repeats, by (part, voxel):
        ``part_r`` and ``part_ceiling``, and by (voxel,) ``ceiling_null``: see
        :class:`harness.encode.ceilings.cross_fit.Parts`. With nuisance, by (voxel,):
        ``nuisance_r``, ``nuisance_r2``, of nuisance alone; ``joint_r``, ``joint_r2``, of nuisance
        and the chosen layer, a penalty for each; ``unique_r2 = joint_r2 - nuisance_r2``;
        ``with_model``, share of folds in which the joint fit took the model in at all; by (band,
        voxel): ``split_r2``, product-measure shares of ``joint_r2``. NaN, and -1 for indices, where
        a voxel is unusable; attributes say how many and why, the share of voxels under the
        threshold, and warn.

    Raises
    ------
    DataError
        Shapes do not fit, runs are too short, or features are not finite.
    ScoreError
        The memory does not hold what one layer needs, or nuisance was given where penalties are
        not chosen by voxel.
    """
    options = options.in_precision(Precision.SINGLE)
    options.only("voxels", readout=Readout.BEST, partition=False, cross=False)
    if options.metric.compares:
        raise DataError(f"{options.metric} predicts no voxels", "metric=r2 or correlation")
    labels = check_runs(source.runs)
    if recording.dims != ("sample", "layer", "unit") or len(recording) != len(labels):
        raise DataError(
            f"the recording has shape {dict(recording.sizes)}, the responses {len(labels)} rows",
            "give (sample, layer, unit) in the time base of the responses",
        )
    recording = narrowed(recording, labels, options.projected)
    cleaned = drift is not None or confounds is not None
    splits = make_splits(labels, options, folds, cleaned=cleaned)
    slow: Cleaning | None = None
    own: Projection | None = None
    cleaning: Projection | None = None
    if cleaned:
        pieces = held_out_pieces(labels, [split.outer for split in splits])
        slow = (drift or Drift(1.0, None)).cleaning(labels, pieces)
        cleaning = slow.pieces
        if confounds is not None:
            own = confound_basis(pieces, confounds).beyond(slow.pieces)
            cleaning = joined(slow.pieces, own)
    beside = None
    if nuisance is not None:
        beside = make_columns(nuisance, labels, options.delays, name="nuisance", confounds=slow)
        beside = beside if own is None else beside.through(own)
    say = progress or (lambda _: None)
    layers = np.asarray(recording["layer"].values)
    folder = stream.folder or here().unfinished
    mark = ""
    if folder is not None:
        # How many permutations there are changes nothing that is kept.
        kept_for = replace(options, permutations=min(options.permutations, 1))
        settings = [kept_for, stream.scope]
        basis = None if cleaning is None else cleaning.basis
        mark = fingerprint(recording, source, splits, ceilings, settings, nuisance, basis)
    crossed = is_crossed(options.metric, stream)
    keep_predictions = options.permutations > 0 or (ceilings is None and has_repeats(source))
    with checkpoint(folder, mark, predictions=keep_predictions, files=crossed) as kept:
        n_columns = 0 if beside is None else beside.columns.shape[1]
        width = block_width(labels, recording.sizes["unit"], options, stream, n_columns)
        job = StreamJob(
            source,
            labels,
            splits,
            options,
            stream,
            width,
            kept,
            len(layers),
            beside,
            drift=drift,
            cleaning=cleaning,
        )
        _check_scope(job)
        for number, name in enumerate(source.participants):
            say(f"reading {name}")
            job.open(number, name, ceilings)
        _alone(job, say)
        if crossed:
            cross_voxels(job, say)
        for number, layer in enumerate(layers):
            if not job.undone(number, len(splits) - 1):
                continue
            band = make_band(
                np.asarray(recording[:, number].values),
                labels,
                options.delays,
                name=f"layer {layer}",
                precision=options.typed,
                confounds=slow,
            )
            band = band if own is None else band.through(own)
            for fold in range(len(splits)):
                if not (undone := job.undone(number, fold)):
                    continue
                say(f"layer {layer}, fold {fold + 1} of {len(splits)}")
                take = _planned(job, band, fold, number)
                for place, name in undone:
                    take(place, name)
                    job.kept.save(place, job.tallies[name])
        for place, name in enumerate(source.participants):
            job.kept.save(place, job.tallies[name], now=True)
        return {
            name: participant_scores(job, name, layers, threshold, say)
            for name in source.participants
        }


def _check_scope(job: StreamJob) -> None:
    """Refuse choices that penalties shared by a participant's voxels rule out.

    Raises
    ------
    ScoreError
        There are nuisance regressors, or himalaya solves.
    """
    if job.stream.scope is PenaltyScope.VOXEL:
        return
    if job.nuisance is not None:
        raise ScoreError(
            f"unique variance needs penalties by voxel, not by {job.stream.scope}",
            "choose PenaltyScope.VOXEL, or give no nuisance",
        )
    if job.options.solver is Solver.HIMALAYA:
        raise ScoreError(
            f"himalaya chooses penalties by voxel here, not by {job.stream.scope}",
            "choose PenaltyScope.VOXEL, or solver=brainpress",
        )


def _alone(job: StreamJob, say: Callable[[str], None]) -> None:
    """Take all voxels through fits of nuisance alone, where that is not done."""
    if job.nuisance is None:
        return
    for fold, split in enumerate(job.splits):
        if not (undone := job.undone(-1, fold)):
            continue
        say(f"nuisance, fold {fold + 1} of {len(job.splits)}")
        plan = make_plan(
            job.nuisance, split, job.options, job.n_voxels, device=job.device, grid=nuisance_grid
        )
        for place, name in undone:
            tally = job.tallies[name]
            for block in job.blocks(name):
                usable = tally.usable(block)
                score_alone(tally, plan, fold, usable, job.responses(name, block, usable))
            tally.done += 1
            job.kept.save(place, tally)


def _planned(job: StreamJob, band: Band, fold: int, layer: int) -> Callable[[int, str], None]:
    """Plan a layer in a fold; what comes back takes the voxels of a participant through."""
    split, options = job.splits[fold], job.options
    if is_crossed(options.metric, job.stream):
        spectrum = band.spectrum(split.outer)
        shared = plan_shared(
            spectrum,
            split.inner,
            model_grid(options, spectrum),
            precision=options.typed,
            device=job.device,
        )
        return lambda place, name: score_shared(job, place, name, shared, fold, layer)
    plan = make_plan(band, split, options, job.n_voxels, device=job.device, keep=True)
    joint = None if job.nuisance is None else plan.joint(job.nuisance)

    def take(_: int, name: str) -> None:
        tally = job.tallies[name]
        if job.stream.scope is PenaltyScope.PARTICIPANT:
            _share(job, name, plan, fold, layer)
        else:
            for block in job.blocks(name):
                usable = tally.usable(block)
                y = job.responses(name, block, usable)
                fit, better = score_layer(tally, plan, fold, layer, usable, y)
                # At the end it is the joint fit of each voxel's layer; none is planned twice.
                if joint is not None and better.any():
                    voxels, own = usable[better], y[:, better]
                    score_joint(tally, joint, split, fold, voxels, own, fit.inner[:, better])
        tally.count_ends(fold, layer, len(plan.ridge.penalties))
        tally.done += 1

    return take


def _share(job: StreamJob, name: str, plan: Plan, fold: int, layer: int) -> None:
    """Take all voxels through the penalty of the highest mean inner score."""
    tally, split = job.tallies[name], job.splits[fold]
    assert isinstance(plan.ridge, Scan)
    scores = np.full((len(plan.ridge.penalties), tally.n_voxels), np.nan)
    for block in job.blocks(name):
        usable = tally.usable(block)
        y = job.responses(name, block, usable)
        scores[:, usable] = plan.ridge.inner(y[split.outer.train])
    best = int(best_index(np.nanmean(scores, axis=1)))
    for block in job.blocks(name):
        usable = tally.usable(block)
        y = job.responses(name, block, usable)
        fit = plan.ridge.fit(y[split.outer.train], np.full(len(usable), best))
        keep(tally, split, fold, layer, usable, y, fit, scores[best, usable])
