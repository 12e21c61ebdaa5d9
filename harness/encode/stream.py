"""Encode any number of voxels from every layer of a recording, within a memory budget.

For each layer and outer fold everything that depends on features alone is computed once
(:mod:`harness.encode.scan`); then the voxels of all participants, who had the same stimulus, stream
through it in blocks read from disk. What is kept is a few numbers for each voxel and layer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.band import make_band
from harness.encode.checkpoint import Checkpoint, checkpoint, fingerprint
from harness.encode.design import zscore_by_run
from harness.encode.kernel import DoubleArray, FloatArray, Precision, penalty_grid
from harness.encode.result import EncodingOptions
from harness.encode.scan import Scan, Speed, plan_scan
from harness.encode.scores import pearson, r_squared
from harness.encode.sources import ResponseSource
from harness.encode.splits import Fold, IntArray, check_runs
from harness.encode.tally import Tally
from harness.encode.targets import Split, make_splits, unusable_targets
from harness.encode.voxel_ceilings import CEILING_THRESHOLD, normalised, repeat_ceiling
from harness.encode.workplace import workplace
from harness.errors import DataError, ScoreError
from harness.stats.fdr import benjamini_hochberg
from harness.stats.permutation import fold_permutation

WIDEST = 8192
"""Voxels of a block: more are not faster."""


class PenaltyScope(StrEnum):
    """Who shares a penalty."""

    VOXEL = "voxel"
    PARTICIPANT = "participant"
    """One penalty for all voxels of a participant, by their mean inner score."""


@dataclass(frozen=True)
class StreamOptions:
    """How voxels stream.

    Memory, device and folder leave scores as they are; their defaults are those of
    :func:`harness.encode.workplace.workplace`.

    Parameters
    ----------
    memory : int, optional
        Bytes that may be used.
    device : str, optional
        Where products are made: ``cpu``, ``cuda``, …
    folder : Path, optional
        Keeps what is done, so that the same call after a kill goes on from there. It can be deleted
        once scores are safe.
    speed : Speed
        Whether the scan over penalties may be less precise.
    scope : PenaltyScope
        Who shares a penalty.
    permutations : int
        Block permutations behind p-values; 0 for none.
    seed : int
        Of the permutations.
    """

    memory: int | None = None
    device: str | None = None
    folder: Path | None = None
    speed: Speed = Speed.EXACT
    scope: PenaltyScope = PenaltyScope.VOXEL
    permutations: int = 0
    seed: int = 0


STREAM = StreamOptions()
SINGLE = EncodingOptions(precision=Precision.SINGLE)


@dataclass(frozen=True, eq=False)
class _Job:
    """What every step of a streamed analysis needs."""

    source: ResponseSource
    runs: npt.NDArray[Any]
    splits: tuple[Split, ...]
    options: EncodingOptions
    stream: StreamOptions
    width: int
    kept: Checkpoint
    n_layers: int
    tallies: dict[str, Tally] = field(default_factory=dict)

    @property
    def device(self) -> str:
        """Where products are made."""
        return self.stream.device or workplace().device

    def open(self, number: int, name: str, ceilings: Mapping[str, npt.ArrayLike] | None) -> None:
        """Start a participant's tally, or go on with what was kept of it."""
        n_heldout = sum(len(split.outer.test) for split in self.splits)
        self.tallies[name] = tally = self.kept.tally(
            number, len(self.splits), self.n_layers, self.source.n_voxels(name), n_heldout
        )
        if tally.done == 0:
            _examine(self, name, ceilings)

    def undone(self, layer: int, fold: int) -> list[tuple[int, str]]:
        """Participants whose score of a layer in a fold is still to be made, with their numbers."""
        step = layer * len(self.splits) + fold
        return [(i, name) for i, name in enumerate(self.tallies) if self.tallies[name].done <= step]

    def blocks(self, participant: str) -> Iterator[slice]:
        """Slices of a participant's voxels."""
        for start in range(0, self.source.n_voxels(participant), self.width):
            yield slice(start, min(start + self.width, self.source.n_voxels(participant)))

    def responses(self, participant: str, block: slice, usable: IntArray) -> FloatArray:
        """Read the usable voxels of a block, z-scored by run."""
        values = self.source.block(participant, block.start, block.stop)
        return zscore_by_run(values[:, usable - block.start], self.runs)


def stream_layers(
    recording: xr.DataArray,
    source: ResponseSource,
    *,
    options: EncodingOptions = SINGLE,
    folds: Sequence[Fold] | None = None,
    ceilings: Mapping[str, npt.ArrayLike] | None = None,
    threshold: float = CEILING_THRESHOLD,
    stream: StreamOptions = STREAM,
    progress: Callable[[str], None] | None = None,
) -> dict[str, xr.Dataset]:
    """Score how well each layer predicts each voxel, and the layer chosen on training rows.

    The analysis is that of :func:`harness.encode.layers.encode_layers`: features z-scored by run
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
    folds : sequence of Fold, optional
        Outer folds, where the data set prescribes them
        (:func:`harness.encode.splits.held_out_run`). By default contiguous or grouped folds.
    ceilings : mapping, optional
        Highest r of each voxel, (n_voxels,), by participant. By default from the repeats, where
        the source has them.
    threshold : float
        Voxels with a lower ceiling have no normalised score.
    stream : StreamOptions
        Memory, device and permutations.
    progress : callable, optional
        Is told what is being computed.

    Returns
    -------
    dict of Dataset
        By participant. By (layer, voxel): ``r`` and ``r2``, the layer curve, a description. By
        (fold, voxel): ``layer_best``, the layer chosen on training rows, ``penalty_best``, the
        index of its penalty, ``inner_best``, their inner score, and ``fold_r_best``, their held-out
        r. By (voxel,): ``r_best``, ``r2_best``, means over folds at the chosen layers, ``ceiling``,
        ``normalised`` (``r_best / ceiling``, never clipped) and, with permutations, ``p`` and ``q``
        (Benjamini-Hochberg over the voxels of the participant). ``grid_ends`` (end, fold, layer):
        share of voxels whose penalty is the lowest or the highest. NaN, and -1 for indices, where a
        voxel is unusable; attributes say how many and why, the share of voxels under the threshold,
        and warn.

    Raises
    ------
    DataError
        Shapes do not fit, runs are too short, or features are not finite.
    ScoreError
        The memory does not hold what one layer needs.
    """
    labels = check_runs(source.runs)
    if recording.dims != ("sample", "layer", "unit") or len(recording) != len(labels):
        raise DataError(
            f"the recording has shape {dict(recording.sizes)}, the responses {len(labels)} rows",
            "give (sample, layer, unit) in the time base of the responses",
        )
    splits = make_splits(labels, options, folds)
    say = progress or (lambda _: None)
    layers = np.asarray(recording["layer"].values)
    folder = stream.folder or workplace().folder
    mark = ""
    if folder is not None:
        settings = [options, stream.scope, stream.speed, stream.permutations > 0]
        mark = fingerprint(recording, source, splits, ceilings, settings)
    with checkpoint(folder, mark, predictions=stream.permutations > 0) as kept:
        width = _width(labels, recording.sizes["unit"], options, stream)
        job = _Job(source, labels, splits, options, stream, width, kept, len(layers))
        for number, name in enumerate(source.participants):
            say(f"reading {name}")
            job.open(number, name, ceilings)
        for number, layer in enumerate(layers):
            if not job.undone(number, len(splits) - 1):
                continue
            band = make_band(
                np.asarray(recording[:, number].values),
                labels,
                options.delays,
                name=f"layer {layer}",
                precision=options.precision,
            )
            for fold, split in enumerate(splits):
                if not (undone := job.undone(number, fold)):
                    continue
                say(f"layer {layer}, fold {fold + 1} of {len(splits)}")
                spectrum = band.spectrum(split.outer)
                grid = penalty_grid(
                    spectrum.values,
                    spectrum.n_train,
                    options.penalties,
                    options.penalty_low,
                    options.penalty_high,
                )
                scan = plan_scan(
                    spectrum,
                    split.inner,
                    grid,
                    metric=options.metric,
                    precision=options.precision,
                    speed=stream.speed,
                    device=job.device,
                    n_voxels=sum(map(source.n_voxels, source.participants)),
                )
                del spectrum
                for place, name in undone:
                    _score(job, name, scan, fold, number)
                    job.kept.save(place, job.tallies[name])
        for place, name in enumerate(source.participants):
            job.kept.save(place, job.tallies[name], now=True)
        return {name: _result(job, name, layers, threshold, say) for name in source.participants}


def _width(
    labels: npt.NDArray[Any], n_units: int, options: EncodingOptions, stream: StreamOptions
) -> int:
    """Voxels of a block, from what is left of the memory beside a layer's plan."""
    n = len(labels)
    memory = workplace().memory if stream.memory is None else stream.memory
    # Measured: a kernel, its decomposition and those of the inner folds peak at 8 matrices.
    side = min(n, n_units * len(options.delays))
    plan = 8 * (8 * n * side + 2 * n * n_units)
    # A block as read, z-scored, its training rows, and what goes through the device.
    voxel = 8 * 4 * n
    width = (memory - plan) // voxel
    if width < 1:
        raise ScoreError(
            f"{memory / 2**30:.1f} GiB of memory do not hold a layer's plan of {plan / 2**30:.1f}"
            " GiB",
            f"allow at least {math.ceil((plan + 256 * voxel) / 2**29) / 2} GiB",
        )
    return min(width, WIDEST)


def _examine(job: _Job, name: str, ceilings: Mapping[str, npt.ArrayLike] | None) -> None:
    """Find what cannot be scored, and the ceilings; one pass over a participant's responses."""
    tally = job.tallies[name]
    if ceilings is not None:
        given = np.asarray(ceilings[name], dtype=np.float64)
        if given.shape != tally.ceiling.shape:
            raise DataError(
                f"participant {name} has {given.size} ceilings for {tally.ceiling.size} voxels"
            )
        tally.ceiling[:] = given
    for block in job.blocks(name):
        values = job.source.block(name, block.start, block.stop)
        for item in unusable_targets(values, values, job.splits):
            tally.unusable[block.start + item.target] = item.reason
        repeats = job.source.repeats(name, block.start, block.stop)
        if ceilings is None and repeats is not None:
            tally.ceiling[block] = repeat_ceiling(repeats)
            tally.ceiling_kind = "repeats"
    if ceilings is not None:
        tally.ceiling_kind = "given"
    tally.ceiling[list(tally.unusable)] = np.nan


def _score(job: _Job, name: str, scan: Scan, fold: int, layer: int) -> None:
    """Take all voxels of a participant through a plan."""
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
        tally.add(
            fold,
            layer,
            usable,
            inner=inner,
            penalty=fit.chosen,
            r=pearson(measured, fit.predictions),
            r2=r_squared(measured, fit.predictions),
            rows=_heldout_rows(job.splits, fold),
            predictions=fit.predictions,
        )
    tally.count_ends(fold, layer, len(scan.penalties))
    tally.done += 1


def _shared_scores(job: _Job, name: str, scan: Scan, fold: int) -> DoubleArray:
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


def _p_values(job: _Job, name: str) -> tuple[DoubleArray, DoubleArray]:
    """Compute p of every voxel's score at its chosen layer, and q over the participant's voxels."""
    tally = job.tallies[name]
    p = np.full(job.source.n_voxels(name), np.nan)
    tests = [split.outer.test for split in job.splits]
    rows = np.concatenate(tests)
    for block in job.blocks(name):
        usable = tally.usable(block)
        y = job.responses(name, block, usable)
        p[usable] = fold_permutation(
            y[rows],
            tally.predicted(usable),
            job.runs,
            tests,
            n=job.stream.permutations,
            seed=job.stream.seed,
        ).p
    return p, benjamini_hochberg(p)


def _result(
    job: _Job,
    name: str,
    layers: npt.NDArray[Any],
    threshold: float,
    say: Callable[[str], None],
) -> xr.Dataset:
    tally = job.tallies[name]
    data = tally.dataset(layers)
    share = normalised(data["r_best"].values, tally.ceiling, threshold)
    data = data.assign(
        ceiling=("voxel", tally.ceiling.astype(np.float32)),
        normalised=("voxel", share.value.astype(np.float32)),
    )
    if job.stream.permutations:
        say(f"permuting {name}")
        p, q = _p_values(job, name)
        data = data.assign(p=("voxel", p), q=("voxel", q))
    said = {
        "participant": name,
        "encoding_options": json.dumps(asdict(job.options), default=str),
        "penalty_scope": str(job.stream.scope),
        "scan": str(job.stream.speed),
        "ceiling_kind": tally.ceiling_kind,
        "ceiling_threshold": threshold,
        "excluded_share": share.excluded,
        "permutations": job.stream.permutations,
        "unusable": len(tally.unusable),
        "unusable_reasons": json.dumps(tally.reasons()),
        "warnings": "; ".join(tally.warnings()),
    }
    return data.assign_attrs(said)
