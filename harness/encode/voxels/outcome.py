"""What a streamed analysis found of a participant: scores, normalised scores, p and q."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.ceilings.cross_fit import Z_VOXEL
from harness.encode.ceilings.voxel_ceilings import normalised
from harness.encode.voxels.repeated import voxel_parts
from harness.encode.voxels.stream_job import StreamJob
from harness.numeric.arrays import Doubles
from harness.stats.fdr import benjamini_hochberg
from harness.stats.permutation import fold_permutation
from harness.stats.sign_flips import sign_flips


def _p_values(job: StreamJob, name: str) -> tuple[Doubles, Doubles]:
    """Compute p of every voxel's score at its chosen layer, and q over the participant's voxels."""
    tally = job.tallies[name]
    p = np.full(job.source.n_voxels(name), np.nan)
    tests = [split.outer.test for split in job.splits]
    rows = np.concatenate(tests)
    for usable, y in job.blocks(name):
        p[usable] = fold_permutation(
            y[rows],
            tally.predicted(usable),
            job.runs,
            tests,
            n=job.options.permutations,
            seed=job.stream.seed,
        ).p
    return p, benjamini_hochberg(p)


def participant_scores(
    job: StreamJob,
    name: str,
    layers: npt.NDArray[Any],
    threshold: float,
    say: Callable[[str], None],
) -> xr.Dataset:
    """Lay out what a tally holds, with normalised scores and, where asked for, p and q.

    ``layers`` are their names; see :func:`harness.encode.voxels.stream.stream_layers`.
    """
    tally = job.tallies[name]
    data = tally.dataset(layers)
    known, parts = tally.ceiling, None
    if tally.ceiling_kind == "repeats":
        parts = voxel_parts(job, name)
    if parts is not None:
        known = np.where(parts.z > Z_VOXEL, known, np.nan)
        data = data.assign(
            part_r=(("part", "voxel"), parts.r.astype(np.float32)),
            part_ceiling=(("part", "voxel"), parts.ceiling.astype(np.float32)),
            ceiling_null=("voxel", parts.null.astype(np.float32)),
        )
    share = normalised(data["r_best"].values, known, threshold)
    data = data.assign(
        ceiling=("voxel", tally.ceiling.astype(np.float32)),
        normalised=("voxel", share.value.astype(np.float32)),
    )
    if job.options.permutations:
        say(f"permuting {name}")
        p, q = _p_values(job, name)
        data = data.assign(p=("voxel", p), q=("voxel", q))
        if tally.nuisance is not None:
            p = sign_flips(tally.nuisance.gains, job.options.permutations, job.stream.seed)
            q = benjamini_hochberg(p)
            data = data.assign(unique_p=("voxel", p), unique_q=("voxel", q))
    said = {
        "participant": name,
        "encoding_options": json.dumps(asdict(job.options), default=str),
        "penalty_scope": str(job.stream.scope),
        "scan": str(job.options.speed),
        "ceiling_kind": tally.ceiling_kind,
        "ceiling_threshold": threshold,
        "excluded_share": share.excluded,
        "permutations": job.options.permutations,
        "unusable": len(tally.unusable),
        "unusable_reasons": json.dumps(tally.reasons()),
        "warnings": "; ".join(tally.warnings()),
    }
    return data.assign_attrs(said)
