"""The protocol every neural benchmark shares: prepared responses, a recording in, a score out."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.ceilings.cross_fit import Z_REGION, Ratio, mean_ratio, shared_parts
from harness.encode.ceilings.estimates import leave_one_out, split_half
from harness.encode.design.confounds import Confounds
from harness.encode.design.narrowed import narrowed
from harness.encode.design.options import EncodingOptions, Readout
from harness.encode.design.result import EncodingResult
from harness.encode.design.splits import Fold, contiguous_folds, held_out_pieces
from harness.encode.score.across import across_participants
from harness.encode.score.partition import partition, table
from harness.encode.score.relative import relative
from harness.encode.score.responses import Cleaned, Responses, prepare
from harness.encode.score.similarity import score_similarity
from harness.encode.score.stacked import stacked
from harness.encode.score.unique import unique_part
from harness.encode.solve.layers import encode_layers
from harness.errors import ScoreError
from harness.numeric.arrays import Doubles
from harness.stats.bootstrap import bootstrap_interval
from harness.stats.fdr import benjamini_hochberg
from harness.stats.permutation import fold_permutation

__all__ = ["Responses", "prepare", "score_responses"]


PERMUTATIONS = 1000
"""Block permutations behind a p-value; the smallest is 1 / 1001."""

SPLITS = 200
"""Random halves of the participants that the split-half ceiling averages over."""


def score_responses(
    recording: xr.DataArray,
    data: Responses,
    options: EncodingOptions,
    seed: int = 0,
    folds: Sequence[Fold] | None = None,
) -> xr.Dataset:
    """Score a recording against responses, per participant and for the group mean.

    Parameters
    ----------
    recording : DataArray (sample, layer, unit)
        In the time base of the responses.
    data : Responses
    options : EncodingOptions
    seed : int
        Of the bootstrap and of the random halves.
    folds : sequence of Fold, optional
        Outer folds, where the data set prescribes them (a test story).

    Returns
    -------
    Dataset
        ``value``: held-out Pearson r at the chosen layer, mean over ROIs and participants, with
        ``low`` and ``high`` (95 % bootstrap over participants); ``ceiling``: leave-one-out
        inter-participant correlation, mean over the same; ``normalised``: mean r over
        mean ceiling, of participants and regions whose ceiling is above its null
        (:func:`harness.encode.score.relative.relative`).
        By (participant, roi, layer): ``r``, ``r2``. By (participant, roi): ``r_best``,
        ``r2_best``, ``layer_best``, ``ceiling_loo``; ``nuisance_r``, ``nuisance_r2``, ``joint_r``,
        ``joint_r2`` and ``unique_r2 = joint_r2 - nuisance_r2``; ``p``, of ``r_best`` by permuting
        predictions in blocks of 20 samples, and ``q``, adjusted over the ROIs of a participant
        (Benjamini-Hochberg). By (fold, participant, roi): ``fold_r`` and, with nuisance,
        ``fold_unique_r2``. For the mean of all participants, by (roi,) or (roi, layer):
        ``group_…``, with ``group_ceiling``. With nuisance, see
        :func:`harness.encode.score.unique.unique_part`.

    Notes
    -----
    Everything is of the same responses: those of ``data`` without drift and the participant's own
    confounds, which leave features and nuisance regressors, too
    (:mod:`harness.encode.design.confounds`).

    Layers are chosen on training folds, one per ROI for all participants and one per ROI for the
    group mean. ``group_reliability`` is the split-half reliability of the group mean
    (Spearman-Brown); the highest correlation that a model is expected to reach with it is its
    square root, ``group_ceiling``. Where there are too few blocks to permute there is no ``p``;
    the attribute ``no_p`` says so.
    """
    if recording.sizes["sample"] != len(data.runs):
        raise ScoreError(
            f"the recording has {recording.sizes['sample']} samples, the responses {len(data.runs)}"
        )
    if options.metric.compares:
        return score_similarity(recording, data, options, seed, folds)
    recording = narrowed(recording, data.runs, options.projected)
    if folds is None:
        folds = contiguous_folds(data.runs, options.n_outer, options.gap)
    clean = data.cleaned(held_out_pieces(data.runs, folds))
    result, group = _encoded(np.asarray(recording.values), data, clean, options, folds)
    score = _by_participant(result, group, data, np.asarray(recording["layer"].values))
    score = score.merge(_ceilings(clean, seed))
    permuted = _p_values(result, group, data, clean, seed)
    score = score.merge(permuted).merge(unique_part(score, seed))
    r = score["r_best"].mean("roi")
    interval = bootstrap_interval(r.values, seed=seed)
    ceiling = float(score["ceiling_loo"].mean()) if "ceiling_loo" in score else math.nan
    value = float(r.mean())
    score = score.assign(
        value=value,
        low=float(interval.low),
        high=float(interval.high),
        ceiling=ceiling,
    )
    share = _relative(result, data, clean, seed)
    score = score.assign(share.data_vars)
    if options.cross:
        features = np.asarray(recording.values)
        score = score.merge(across_participants(features, clean, data.runs, options, folds, seed))
    if options.partition:
        score = score.merge(_partition(np.asarray(recording.values), result, data, clean, seed))
    said = _said(result, data, clean, options, seed) | permuted.attrs | share.attrs
    return score.assign_attrs(said)


def _encoded(
    features: Doubles,
    data: Responses,
    clean: Cleaned,
    options: EncodingOptions,
    folds: Sequence[Fold],
) -> tuple[EncodingResult, EncodingResult]:
    """Encode the targets of all participants side by side, and those of their mean."""
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


def _p_values(
    result: EncodingResult, group: EncodingResult, data: Responses, clean: Cleaned, seed: int
) -> xr.Dataset:
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


def _by_participant(
    result: EncodingResult, group: EncodingResult, data: Responses, layers: npt.NDArray[Any]
) -> xr.Dataset:
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


def _ceilings(clean: Cleaned, seed: int) -> xr.Dataset:
    if len(clean.values) < 3:
        return xr.Dataset()
    halves = split_half(clean.values, n_splits=SPLITS, seed=seed)
    others = leave_one_out(clean.values)
    return xr.Dataset(
        {
            "ceiling_loo": (("participant", "roi"), np.asarray(others.per_participant)),
            "group_reliability": (("roi",), np.asarray(halves.reliability)),
            "group_ceiling": (("roi",), np.asarray(halves.value)),
        }
    )


def _relative(result: EncodingResult, data: Responses, clean: Cleaned, seed: int) -> xr.Dataset:
    """Relate r to what participants have in common, cross-fitted over parts of the stimulus."""
    n, k = len(data.participants), len(data.rois)
    if n < 3:
        nothing = Ratio(math.nan, math.nan, math.nan, f"{n} participants have no ceiling")
        return relative(dict.fromkeys(data.participants, nothing), seed=seed)
    tests = [fold.test for fold in result.folds]
    rows = np.concatenate(tests)
    held = clean.values[:, rows]
    lengths = [len(test) for test in tests]
    each, regions = {}, {}
    for i, person in enumerate(data.participants):
        others = (held.sum(axis=0) - held[i]) / (n - 1)
        predicted = result.predictions[:, i * k : (i + 1) * k]
        parts = shared_parts(held[i], others, predicted, lengths)
        each[person] = mean_ratio(parts, Z_REGION)
        regions[person] = {
            roi: mean_ratio(parts.of(np.arange(k) == j), Z_REGION)
            for j, roi in enumerate(data.rois)
        }
    return relative(each, regions, seed, together=True)


def _partition(
    features: Doubles, result: EncodingResult, data: Responses, clean: Cleaned, seed: int
) -> xr.Dataset:
    """Part the variance of every participant and region among bands."""
    shape = len(data.participants), len(data.rois)
    lexical = {**data.nuisance, **data.bands.get("lexical", {})}
    regressors = {**data.bands, "lexical": lexical}
    bands = {n: np.column_stack(list(own.values())) for n, own in regressors.items() if own}
    names, unique, joint = partition(
        features,
        np.concatenate(list(clean.values), axis=1),
        data.runs,
        bands,
        [int(np.nanmean(fold, axis=1).argmax()) for fold in result.inner_score],
        options=result.options,
        confounds=clean.confounds,
        folds=result.folds,
    )
    return table(names, unique.reshape(-1, *shape), joint.reshape(shape), seed)


def _said(
    result: EncodingResult,
    data: Responses,
    clean: Cleaned,
    options: EncodingOptions,
    seed: int,
) -> dict[str, str | int]:
    unusable = {_target(u.target, data): u.reason for u in result.unusable}
    return {
        "encoding_options": json.dumps(asdict(options), default=str),
        "ceiling_kind": "leave-one-out inter-participant correlation",
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
