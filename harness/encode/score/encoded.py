"""Fits to all participants side by side, and to their mean, laid out as a score has them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.design.confounds import Confounds
from harness.encode.design.options import EncodingOptions, Readout
from harness.encode.design.result import EncodingResult
from harness.encode.design.splits import Fold
from harness.encode.score.ceilings import OTHERS, REPEATS
from harness.encode.score.responses import Cleaned, Responses
from harness.encode.score.stacked import stacked
from harness.encode.solve.layers import encode_layers
from harness.errors import ScoreError
from harness.numeric.arrays import Doubles
from harness.stats.bootstrap import bootstrap_interval
from harness.stats.fdr import benjamini_hochberg
from harness.stats.permutation import fold_permutation

PERMUTATIONS = 1000
"""Block permutations behind a p-value; the smallest is 1 / 1001."""


def encode_people(
    features: Doubles,
    data: Responses,
    clean: Cleaned,
    options: EncodingOptions,
    folds: Sequence[Fold],
) -> tuple[EncodingResult, EncodingResult]:
    """Encode the targets of all participants side by side, and those of their mean.

    Returns
    -------
    result, group : EncodingResult
        Targets (participant, roi), and (roi,) of the mean.
    """
    pools = [f"participants {roi}" for roi in data.rois] * len(data.participants)
    group_pools = [f"group {roi}" for roi in data.rois]
    beside = np.column_stack(list(data.nuisance.values())) if data.nuisance else None

    def encoded(targets: Doubles, groups: list[str], confounds: Confounds | None) -> EncodingResult:
        found = encode_layers(
            features,
            targets,
            data.runs,
            options=options,
            target_groups=groups,
            nuisance=beside,
            confounds=confounds,
            folds=folds,
        )
        if options.readout is Readout.BEST:
            return found
        return stacked(
            found,
            features,
            targets,
            data.runs,
            nuisance=beside,
            confounds=confounds,
            folds=folds,
        )

    each = np.concatenate(list(clean.values), axis=1)
    if clean.confounds is not None and clean.confounds.own:
        return (
            encoded(each, pools, clean.confounds),
            encoded(clean.group, group_pools, clean.group_confounds),
        )
    # One design for all: decomposed once.
    targets = np.concatenate([each, clean.group], axis=1)
    both = encoded(targets, pools + group_pools, clean.confounds)
    n = each.shape[1]
    return both.of_targets(np.arange(n)), both.of_targets(np.arange(n, targets.shape[1]))


def permuted(
    result: EncodingResult, group: EncodingResult, data: Responses, clean: Cleaned, seed: int
) -> xr.Dataset:
    """Permute predictions in blocks: ``p`` and ``q`` (participant, roi), and those of the mean."""
    tests = [fold.test for fold in result.folds]
    targets = np.concatenate([*clean.values, clean.group], axis=1)
    try:
        found = fold_permutation(
            targets[np.concatenate(tests)],
            np.concatenate([result.predictions, group.predictions], axis=1),
            data.runs,
            tests,
            n=PERMUTATIONS,
            seed=seed,
        )
    except ScoreError as error:
        return xr.Dataset(attrs={"no_p": error.message})
    each = found.p.reshape(-1, len(data.rois))  # participants, then the group mean
    q = np.stack([benjamini_hochberg(family) for family in each])
    dims = ("participant", "roi")
    return xr.Dataset(
        {
            "p": (dims, each[:-1]),
            "q": (dims, q[:-1]),
            "group_p": ("roi", each[-1]),
            "group_q": ("roi", q[-1]),
        },
        attrs={"permutations": found.n, "permutation_blocks": found.n_blocks},
    )


def score_table(
    result: EncodingResult, group: EncodingResult, data: Responses, layers: npt.NDArray[Any]
) -> xr.Dataset:
    """Lay out scores by (participant, roi, …), and those of the mean of participants."""
    shape = len(data.participants), len(data.rois)
    front = ("participant", "roi")
    variables: dict[str, Any] = {}
    for name, (values, dims) in _columns(result, layers).items():
        own = np.moveaxis(values.reshape(*values.shape[:-1], *shape), (-2, -1), (0, 1))
        variables[name] = ((*front, *dims), own)
    for name, (values, dims) in _columns(group, layers).items():
        variables[f"group_{name}"] = (("roi", *dims), np.moveaxis(values, -1, 0))
    by_fold = ("fold", *front)
    variables["fold_r"] = (by_fold, result.fold_r_best.reshape(-1, *shape))
    if result.nuisance is not None:
        unique = result.nuisance.fold_joint_r2 - result.nuisance.fold_r2
        variables["fold_unique_r2"] = (by_fold, unique.reshape(-1, *shape))
    return xr.Dataset(
        variables,
        coords={
            "participant": np.array(data.participants, object),
            "roi": np.array(data.rois, object),
            "layer": layers,
        },
    )


def _columns(
    result: EncodingResult, layers: npt.NDArray[Any]
) -> dict[str, tuple[Doubles, tuple[str, ...]]]:
    """Scores by name, targets last, and their other dimensions."""
    columns: dict[str, tuple[Doubles, tuple[str, ...]]] = {
        "r": (result.r, ("layer",)),
        "r2": (result.r2, ("layer",)),
        "r_best": (result.r_best, ()),
        "r2_best": (result.r2_best, ()),
        "layer_best": (np.median(layers[result.chosen], axis=0), ()),
    }
    if result.nuisance is not None:
        columns |= {
            "nuisance_r": (result.nuisance.r, ()),
            "nuisance_r2": (result.nuisance.r2, ()),
            "joint_r": (result.nuisance.joint_r, ()),
            "joint_r2": (result.nuisance.joint_r2, ()),
            "unique_r2": (result.nuisance.unique_r2, ()),
        }
    return columns


def summarised(score: xr.Dataset, seed: int) -> xr.Dataset:
    """Add ``value``, its interval over participants and ``ceiling``: of repeats, if there are."""
    r = score["r_best"].mean("roi")
    interval = bootstrap_interval(r.values, seed=seed)
    ceiling = float(score["ceiling_loo"].mean()) if "ceiling_loo" in score else math.nan
    if "ceiling_repeats" in score:
        ceiling = float(score["ceiling_repeats"].mean())
    return score.assign(
        value=float(r.mean()), low=float(interval.low), high=float(interval.high), ceiling=ceiling
    )


def said_of(
    result: EncodingResult,
    data: Responses,
    clean: Cleaned,
    options: EncodingOptions,
    seed: int,
) -> dict[str, str | int]:
    """Say how a score was made: its attributes."""
    unusable = {_target(u.target, data): u.reason for u in result.unusable}
    return {
        "encoding_options": json.dumps(asdict(options), default=str),
        "ceiling_kind": REPEATS if data.repeats else OTHERS,
        "interval_kind": "95 % bootstrap over participants",
        "participants": len(data.participants),
        "left_out": json.dumps(dict(data.left_out)),
        "unusable": json.dumps(unusable),
        "nuisance": ", ".join(data.nuisance),
        "confounds": clean.account,
        "warnings": "; ".join(result.warnings),
        "score_seed": seed,
    }


def _target(index: int, data: Responses) -> str:
    person, roi = divmod(index, len(data.rois))
    name = data.participants[person] if person < len(data.participants) else "group mean"
    return f"{name} {data.rois[roi]}"
