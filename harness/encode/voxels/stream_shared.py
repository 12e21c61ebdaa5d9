"""Streaming with one penalty for all voxels of a participant, chosen from their cross-products."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.encode.design.options import Metric
from harness.encode.solve.choice import best_index
from harness.encode.solve.scan import ScanFit
from harness.encode.solve.shared import CrossProducts, SharedPlan
from harness.encode.solve.steps import keep
from harness.encode.voxels.stream_job import StreamJob
from harness.encode.voxels.stream_options import PenaltyScope, StreamOptions
from harness.store.atomic import writing


def is_crossed(metric: Metric, stream: StreamOptions) -> bool:
    """Whether a penalty is chosen from cross-products: shared, and by R2, which is quadratic."""
    return stream.scope is PenaltyScope.PARTICIPANT and metric is Metric.R2


def cross_voxels(job: StreamJob, say: Callable[[str], None]) -> None:
    """Sum cross-products of each participant's voxels, for every fold that is not done.

    One pass over the voxels for each outer fold; all layers use it.

    Parameters
    ----------
    job : StreamJob
        Its checkpoint has a folder: there they go.
    say : callable
        Is told what is being computed.

    Raises
    ------
    StoreError
        The folder is full.
    """
    for fold, split in enumerate(job.splits):
        for place, name in job.undone(job.n_layers - 1, fold):
            path = _file(job, place, fold)
            if path.exists():
                continue
            say(f"cross-products of {name}, fold {fold + 1} of {len(job.splits)}")
            products = CrossProducts(
                split.inner, len(split.outer.train), job.options.typed, job.device
            )
            for block in job.blocks(name):
                y = job.responses(name, block, job.tallies[name].usable(block))
                products.add(y[split.outer.train])
            with writing(path) as beside, beside.open("wb") as file:
                np.save(file, products.mean(), allow_pickle=False)


def score_shared(
    job: StreamJob, place: int, name: str, plan: SharedPlan, fold: int, layer: int
) -> None:
    """Choose a participant's penalty and take all voxels through it, into the tally.

    Parameters
    ----------
    job : StreamJob
    place : int
        Number of the participant.
    name : str
    plan : SharedPlan
        Of the layer in the fold.
    fold, layer : int
        Their numbers.
    """
    tally, split = job.tallies[name], job.splits[fold]
    scores = plan.score(np.load(_file(job, place, fold), mmap_mode="r", allow_pickle=False))
    best = int(best_index(scores))
    fit = plan.at(best)
    for block in job.blocks(name):
        usable = tally.usable(block)
        y = job.responses(name, block, usable)
        inner, predictions = fit.fit(y[split.outer.train])
        found = ScanFit(inner[None], np.full(len(usable), best), predictions)
        keep(tally, split, fold, layer, usable, y, found, inner)
    tally.count_ends(fold, layer, len(plan.penalties))
    tally.done += 1


def _file(job: StreamJob, place: int, fold: int) -> Path:
    assert job.kept.folder is not None
    return job.kept.folder / f"{place}-{fold}.crossed.npy"
