"""Encode any number of voxels from every layer of a recording, within a memory budget.

For each layer and outer fold everything that depends on features alone is computed once
(:mod:`harness.encode.solve.scan`); then the voxels of all participants, who had the same stimulus,
stream through it in blocks read from disk. What is kept is a few numbers for each voxel and layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.ceilings.voxel_ceilings import CEILING_THRESHOLD
from harness.encode.design.band import Band, make_band, make_columns
from harness.encode.design.confounds import Drift, confound_basis, joined
from harness.encode.design.kernel import model_grid, nuisance_grid
from harness.encode.design.narrowed import narrowed
from harness.encode.design.options import EncodingOptions, Metric, Precision, Readout, Solver
from harness.encode.design.sources import ResponseSource
from harness.encode.design.splits import Fold, check_runs, held_out_pieces
from harness.encode.design.targets import make_splits
from harness.encode.solve.choice import best_index
from harness.encode.solve.plan import Plan, make_plan
from harness.encode.solve.scan import Scan, ScanFit
from harness.encode.solve.shared import CrossProducts, SharedPlan, plan_shared
from harness.encode.solve.steps import keep, score_alone, score_joint
from harness.encode.voxels.checkpoint import checkpoint, fingerprint
from harness.encode.voxels.outcome import participant_scores
from harness.encode.voxels.repeated import has_repeats
from harness.encode.voxels.stream_job import StreamJob, block_width
from harness.encode.voxels.stream_options import STREAM, PenaltyScope, StreamOptions
from harness.errors import DataError, ScoreError
from harness.numeric.arrays import Doubles, Floats, Positions
from harness.place.place import here
from harness.store.atomic import writing

DEFAULT = EncodingOptions()

Say = Callable[[str], None]

__all__ = ["PenaltyScope", "StreamOptions", "stream_layers"]


def stream_layers(
    recording: xr.DataArray,
    source: ResponseSource,
    *,
    options: EncodingOptions = DEFAULT,
    nuisance: Floats | None = None,
    folds: Sequence[Fold] | None = None,
    ceilings: Mapping[str, npt.ArrayLike] | None = None,
    threshold: float = CEILING_THRESHOLD,
    stream: StreamOptions = STREAM,
    progress: Callable[[str], None] | None = None,
    drift: Drift | None = None,
    confounds: Floats | None = None,
    only: str = "",
) -> dict[str, xr.Dataset]:
    """Score how well each layer predicts each voxel, and the layer chosen on training rows.

    The analysis is that of :func:`harness.encode.solve.layers.encode_layers`, with responses
    z-scored by run, in blocks read from disk.

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
    only : str
        A participant of the source whose voxels alone are taken through; what comes of it stays in
        the folder, from which a call without it goes on.

    Returns
    -------
    dict of Dataset
        By participant; empty with ``only``. By (layer, voxel): ``r`` and ``r2``, the layer curve, a
        description. By (fold, voxel): ``layer_best``, the layer chosen on training rows,
        ``penalty_best``, the index of its penalty, ``inner_best``, their inner score, and
        ``fold_r_best``, their held-out r. By (voxel,): ``r_best``, ``r2_best``, means over folds at
        the chosen layers, ``ceiling``, ``normalised`` (``r_best / ceiling``, never clipped, of
        voxels whose repeats agree beyond chance: a description; a mean of it overstates, see
        :mod:`harness.encode.ceilings.cross_fit`) and, with permutations, ``p`` and ``q``
        (Benjamini-Hochberg over the voxels of the participant), and ``unique_p`` and ``unique_q``
        of unique R2 (:func:`harness.stats.sign_flips.sign_flips` over stretches of 20 rows).
        ``grid_ends`` (end, fold, layer): share of voxels whose penalty is the lowest or the
        highest. With repeats, by (part, voxel): ``part_r`` and ``part_ceiling``, and by (voxel,)
        ``ceiling_null``: see :class:`harness.encode.ceilings.cross_fit.Parts`. With nuisance, by
        (voxel,): ``nuisance_r``, ``nuisance_r2``, of nuisance alone; ``joint_r``, ``joint_r2``, of
        nuisance and the chosen layer, a penalty for each; ``unique_r2 = joint_r2 - nuisance_r2``;
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
    _check_scope(options, stream.scope, nuisance)
    cleaned = drift is not None or confounds is not None
    splits = make_splits(labels, options, folds, cleaned=cleaned)
    slow = own = cleaning = beside = None
    if cleaned:
        pieces = held_out_pieces(labels, [split.outer for split in splits])
        slow = (drift or Drift(1.0, None)).cleaning(labels, pieces)
        cleaning = slow.pieces
        if confounds is not None:
            own = confound_basis(pieces, confounds).beyond(slow.pieces)
            cleaning = joined(slow.pieces, own)
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
        basis = None if cleaning is None else cleaning.basis
        settings = [kept_for, stream.scope]
        mark = fingerprint(recording, source, splits, ceilings, settings, nuisance, basis)
    crossed = is_crossed(options.metric, stream)
    keep_predictions = options.permutations > 0 or (ceilings is None and has_repeats(source))
    with checkpoint(folder, mark, predictions=keep_predictions, files=crossed) as kept:
        n_columns = 0 if beside is None else beside.columns.shape[1]
        job = StreamJob(
            source,
            labels,
            splits,
            options,
            stream,
            block_width(labels, recording.sizes["unit"], options, stream, n_columns),
            kept,
            len(layers),
            beside,
            drift,
            cleaning,
        )
        for name in source.participants:
            if only and name != only:
                continue
            say(f"reading {name}")
            job.open(name, ceilings)
        _alone(job, say)
        if crossed:
            _cross(job, say)
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
                if undone := job.undone(number, fold):
                    say(f"layer {layer}, fold {fold + 1} of {len(splits)}")
                    _score(job, band, fold, number, undone)
        for name in job.tallies:
            job.save(name, now=True)
        if only:
            return {}
        return {
            name: participant_scores(job, name, layers, threshold, say)
            for name in source.participants
        }


def is_crossed(metric: Metric, stream: StreamOptions) -> bool:
    """Whether a penalty is chosen from cross-products: shared, and by R2, which is quadratic."""
    return stream.scope is PenaltyScope.PARTICIPANT and metric is Metric.R2


def _check_scope(options: EncodingOptions, scope: PenaltyScope, nuisance: Floats | None) -> None:
    """Refuse what penalties shared by a participant's voxels rule out: nuisance, himalaya."""
    if scope is PenaltyScope.VOXEL:
        return
    if nuisance is not None:
        raise ScoreError(
            f"unique variance needs penalties by voxel, not by {scope}",
            "choose PenaltyScope.VOXEL, or give no nuisance",
        )
    if options.solver is Solver.HIMALAYA:
        raise ScoreError(
            f"himalaya chooses penalties by voxel here, not by {scope}",
            "choose PenaltyScope.VOXEL, or solver=brainpress",
        )


def _alone(job: StreamJob, say: Say) -> None:
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
        for name in undone:
            for usable, y in job.blocks(name):
                score_alone(job.tallies[name], plan, fold, usable, y)
            job.finish(name)


def _cross(job: StreamJob, say: Say) -> None:
    """Sum cross-products of each participant's voxels, for every fold that is not done.

    One pass over the voxels for each outer fold; all layers use it.
    """
    for fold, split in enumerate(job.splits):
        for name in job.undone(job.n_layers - 1, fold):
            path = _crossed(job, name, fold)
            if path.exists():
                continue
            say(f"cross-products of {name}, fold {fold + 1} of {len(job.splits)}")
            rows = split.outer.train
            products = CrossProducts(split.inner, len(rows), job.options.typed, job.device)
            for _, y in job.blocks(name):
                products.add(y[rows])
            with writing(path) as beside, beside.open("wb") as file:
                np.save(file, products.mean(), allow_pickle=False)


def _crossed(job: StreamJob, name: str, fold: int) -> Path:
    assert job.kept.folder is not None
    return job.kept.folder / f"{job.number(name)}-{fold}.crossed.npy"


def _score(job: StreamJob, band: Band, fold: int, layer: int, undone: Sequence[str]) -> None:
    """Take participants' voxels through a layer's plan in a fold."""
    split, options = job.splits[fold], job.options
    plan: Plan | SharedPlan
    joint = None
    if is_crossed(options.metric, job.stream):
        spectrum = band.spectrum(split.outer)
        penalties = model_grid(options, spectrum)
        plan = plan_shared(
            spectrum, split.inner, penalties, precision=options.typed, device=job.device
        )
    else:
        plan = make_plan(band, split, options, job.n_voxels, device=job.device, keep=True)
        penalties = plan.ridge.penalties
        joint = None if job.nuisance is None else plan.joint(job.nuisance)
    for name in undone:
        tally = job.tallies[name]
        if isinstance(plan, SharedPlan) or job.stream.scope is PenaltyScope.PARTICIPANT:
            _share(job, name, plan, fold, layer)
        else:
            for usable, y in job.blocks(name):
                fit = plan.ridge.fit(y[split.outer.train])
                better = keep(tally, split, fold, layer, usable, y, fit, fit.best)
                # At the end it is the joint fit of each voxel's layer; none is planned twice.
                if joint is not None and better.any():
                    inner = fit.inner[:, better]
                    score_joint(tally, joint, split, fold, usable[better], y[:, better], inner)
        tally.count_ends(fold, layer, len(penalties))
        job.finish(name)


def _share(job: StreamJob, name: str, plan: Plan | SharedPlan, fold: int, layer: int) -> None:
    """Take all voxels of a participant through the penalty of the highest mean inner score."""
    tally, split = job.tallies[name], job.splits[fold]
    rows = split.outer.train
    if isinstance(plan, SharedPlan):
        crosses = np.load(_crossed(job, name, fold), mmap_mode="r", allow_pickle=False)
        best = int(best_index(plan.score(crosses)))
        take = plan.at(best).fit

        def fitted(usable: Positions, train: Floats) -> tuple[Doubles, Floats]:
            return take(train)

    else:
        ridge = plan.ridge
        assert isinstance(ridge, Scan)
        scores = np.full((len(ridge.penalties), tally.n_voxels), np.nan)
        for usable, y in job.blocks(name):
            scores[:, usable] = ridge.inner(y[rows])
        best = int(best_index(np.nanmean(scores, axis=1)))

        def fitted(usable: Positions, train: Floats) -> tuple[Doubles, Floats]:
            chosen = np.full(len(usable), best)
            return scores[best, usable], ridge.fit(train, chosen).predictions

    for usable, y in job.blocks(name):
        inner, predictions = fitted(usable, y[rows])
        fit = ScanFit(inner[None], np.full(len(usable), best), predictions)
        keep(tally, split, fold, layer, usable, y, fit, inner)
