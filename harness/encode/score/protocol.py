"""The protocol every neural benchmark shares: prepared responses, a recording in, a score out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.ceilings.estimates import leave_one_out, split_half
from harness.encode.design.features import highpass, zscore_by_run
from harness.encode.design.options import EncodingOptions
from harness.encode.design.result import EncodingResult
from harness.encode.design.splits import Fold
from harness.encode.solve.layers import encode_layers
from harness.errors import DataError, ScoreError
from harness.stats.bootstrap import bootstrap_interval
from harness.stats.fdr import benjamini_hochberg
from harness.stats.permutation import fold_permutation

Floats = npt.NDArray[np.float64]

PERMUTATIONS = 1000
"""Block permutations behind a p-value; the smallest is 1 / 1001."""

SPLITS = 200
"""Random halves of the participants that the split-half ceiling averages over."""


@dataclass(frozen=True, eq=False)
class Responses:
    """Responses of several participants to one stimulus, ready to be scored.

    Parameters
    ----------
    values : array (participant, sample, roi)
        z-scored by run.
    participants, rois : tuple of str
    runs : array (sample,)
        Run of each sample.
    nuisance : mapping
        Regressors (sample,) that any account of the responses must beat, by name.
    confounds : array (participant, sample, k), optional
        What has nothing to do with the stimulus: motion.
    left_out : mapping
        Participants that were dropped, and why.
    """

    values: Floats
    participants: tuple[str, ...]
    rois: tuple[str, ...]
    runs: npt.NDArray[np.int64]
    nuisance: Mapping[str, Floats] = field(default_factory=dict)
    confounds: Floats | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.participants), len(self.runs), len(self.rois))
        if self.values.shape != shape:
            raise DataError(f"responses have shape {self.values.shape}, their labels say {shape}")
        if self.confounds is not None and self.confounds.shape[:2] != shape[:2]:
            raise DataError(f"confounds have shape {self.confounds.shape}, the responses {shape}")

    @cached_property
    def cleaned(self) -> Floats:
        """Responses with each participant's confounds regressed out, run by run; z-scored."""
        if self.confounds is None:
            return self.values
        cleaned = self.values.copy()
        for response, confound in zip(cleaned, self.confounds, strict=True):
            for run in np.unique(self.runs):
                rows = self.runs == run
                design = np.column_stack([np.ones(rows.sum()), confound[rows]])
                weights = np.linalg.lstsq(design, response[rows], rcond=None)[0]
                response[rows] -= design @ weights
            response[:] = zscore_by_run(response, self.runs)
        return cleaned


def prepare(
    values: Mapping[str, npt.ArrayLike],
    rois: tuple[str, ...],
    runs: npt.ArrayLike,
    *,
    tr: float,
    cutoff: float | None,
    confounds: Mapping[str, npt.ArrayLike] | None = None,
    nuisance: Mapping[str, npt.ArrayLike] | None = None,
) -> Responses:
    """High-pass and z-score each participant's responses, and what goes with them.

    Parameters
    ----------
    values : mapping
        Responses (sample, roi) by participant.
    rois : tuple of str
    runs : array (sample,)
    tr : float
        Seconds from one sample to the next.
    cutoff : float, optional
        Longest period that is kept, in s.
    confounds : mapping, optional
        What has nothing to do with the stimulus (motion), (sample, k) by participant; high-passed
        and z-scored like the responses.
    nuisance : mapping, optional
        What has to do with the stimulus, but not with its meaning, (sample,) by name.

    Returns
    -------
    Responses
        Without the participants whose responses are constant or not finite.

    Raises
    ------
    DataError
        Nobody is left, or lengths differ.
    """
    labels = np.asarray(runs)
    kept: dict[str, Floats] = {}
    left_out: dict[str, str] = {}
    for name, given in values.items():
        response = np.asarray(given, np.float64)
        if response.shape != (len(labels), len(rois)):
            raise DataError(
                f"participant {name} has responses of shape {response.shape},"
                f" not {(len(labels), len(rois))} (sample, roi)"
            )
        if reason := _unusable(response, rois):
            left_out[name] = reason
            continue
        kept[name] = _filtered(response, labels, tr, cutoff)
    if not kept:
        raise DataError(f"no participant is left: {left_out}")
    moved = None
    if confounds is not None:
        each = [np.asarray(confounds[name], np.float64) for name in kept]
        moved = np.stack([_filtered(c, labels, tr, cutoff) for c in each])
    return Responses(
        np.stack(list(kept.values())),
        tuple(kept),
        rois,
        labels,
        {k: np.asarray(v, np.float64) for k, v in (nuisance or {}).items()},
        moved,
        left_out,
    )


def _unusable(response: Floats, rois: tuple[str, ...]) -> str:
    for column, roi in zip(response.T, rois, strict=True):
        if not np.isfinite(column).all():
            return f"{roi} holds values that are not finite"
        if np.ptp(column) == 0:
            return f"{roi} is constant ({column[0]:g})"
    return ""


def _filtered(
    values: Floats, labels: npt.NDArray[np.int64], tr: float, cutoff: float | None
) -> Floats:
    if cutoff is not None:
        values = np.asarray(highpass(values, labels, tr, cutoff), np.float64)
    return np.asarray(zscore_by_run(values, labels), np.float64)


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
        inter-participant correlation, mean over the same; ``normalised``: their ratio, never
        clipped. By (participant, roi, layer): ``r``, ``r2``. By (participant, roi): ``r_best``,
        ``r2_best``, ``layer_best``, ``ceiling_loo``; ``nuisance_r``, ``nuisance_r2``, ``joint_r``,
        ``joint_r2`` and ``unique_r2 = joint_r2 - nuisance_r2``, of responses with the confounds
        regressed out; ``p``, of ``r_best`` by permuting predictions in blocks of 20 samples, and
        ``q``, adjusted over the ROIs of a participant (Benjamini-Hochberg); ``baseline_r`` and
        ``baseline_r2``, of nuisance and confounds together. For the mean of all participants, by
        (roi,) or (roi, layer): ``group_…``, with ``group_ceiling``.

    Notes
    -----
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
    pools = [f"participants {roi}" for roi in data.rois] * len(data.participants)
    pools += [f"group {roi}" for roi in data.rois]
    targets = _with_group(data.values, data.runs)
    result = encode_layers(
        np.asarray(recording.values),
        targets,
        data.runs,
        options=options,
        target_groups=pools,
        nuisance=np.column_stack(list(data.nuisance.values())) if data.nuisance else None,
        nuisance_responses=_with_group(data.cleaned, data.runs),
        folds=folds,
    )
    score = _by_participant(result, data, np.asarray(recording["layer"].values))
    score = score.merge(_ceilings(data, seed)).merge(_baseline(data, options, folds))
    permuted = _p_values(result, targets, data, seed)
    score = score.merge(permuted)
    r = score["r_best"].mean("roi")
    interval = bootstrap_interval(r.values, seed=seed)
    ceiling = float(score["ceiling_loo"].mean()) if "ceiling_loo" in score else math.nan
    value = float(r.mean())
    score = score.assign(
        value=value,
        low=float(interval.low),
        high=float(interval.high),
        ceiling=ceiling,
        normalised=value / ceiling if ceiling > 0 else np.nan,
    )
    return score.assign_attrs(_said(result, data, options, seed) | permuted.attrs)


def _p_values(result: EncodingResult, targets: Floats, data: Responses, seed: int) -> xr.Dataset:
    tests = [fold.test for fold in result.folds]
    try:
        found = fold_permutation(
            targets[np.concatenate(tests)],
            result.predictions,
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


def _by_participant(result: EncodingResult, data: Responses, layers: npt.ArrayLike) -> xr.Dataset:
    n, n_rois = len(data.participants), len(data.rois)

    def split(values: Floats, dims: tuple[str, ...]) -> dict[str, tuple[tuple[str, ...], Floats]]:
        """Part the last axis (targets) into participants and the group mean."""
        own = values[..., : n * n_rois].reshape(*values.shape[:-1], n, n_rois)
        front = ("participant", "roi")
        own = np.moveaxis(own, (-2, -1), (0, 1))
        mean = np.moveaxis(values[..., n * n_rois :], -1, 0)
        return {"": ((*front, *dims), own), "group_": (("roi", *dims), mean)}

    layer_best = np.median(np.asarray(layers)[result.chosen], axis=0)
    columns: dict[str, tuple[Floats, tuple[str, ...]]] = {
        "r": (result.r, ("layer",)),
        "r2": (result.r2, ("layer",)),
        "r_best": (result.r_best, ()),
        "r2_best": (result.r2_best, ()),
        "layer_best": (layer_best, ()),
    }
    if result.nuisance is not None:
        columns |= {
            "nuisance_r": (result.nuisance.r, ()),
            "nuisance_r2": (result.nuisance.r2, ()),
            "joint_r": (result.nuisance.joint_r, ()),
            "joint_r2": (result.nuisance.joint_r2, ()),
            "unique_r2": (result.nuisance.unique_r2, ()),
        }
    variables = {
        f"{prefix}{name}": part
        for name, (values, dims) in columns.items()
        for prefix, part in split(values, dims).items()
    }
    return xr.Dataset(
        variables,
        coords={
            "participant": np.array(data.participants, object),
            "roi": np.array(data.rois, object),
            "layer": np.asarray(layers),
        },
    )


def _with_group(values: Floats, runs: npt.NDArray[np.int64]) -> Floats:
    """Targets of all participants side by side, then those of their mean: (sample, target)."""
    return np.concatenate([*values, zscore_by_run(values.mean(axis=0), runs)], axis=1)


def _baseline(
    data: Responses, options: EncodingOptions, folds: Sequence[Fold] | None
) -> xr.Dataset:
    """Score nuisance and each participant's own confounds together, without any model."""
    if data.confounds is None or not data.nuisance:
        return xr.Dataset()
    shared = np.column_stack(list(data.nuisance.values()))
    # Motion is in the same volume as its effect: no delay, beside the haemodynamic ones.
    options = replace(options, delays=tuple(sorted({0, *options.delays})))
    found = [
        encode_layers(
            np.concatenate([shared, confound], axis=1)[:, None],
            response,
            data.runs,
            options=options,
            folds=folds,
        )
        for response, confound in zip(data.values, data.confounds, strict=True)
    ]
    dims = ("participant", "roi")
    return xr.Dataset(
        {
            "baseline_r": (dims, np.stack([f.r_best for f in found])),
            "baseline_r2": (dims, np.stack([f.r2_best for f in found])),
        }
    )


def _ceilings(data: Responses, seed: int) -> xr.Dataset:
    if len(data.participants) < 3:
        return xr.Dataset()
    halves = split_half(data.values, n_splits=SPLITS, seed=seed)
    others = leave_one_out(data.values)
    return xr.Dataset(
        {
            "ceiling_loo": (("participant", "roi"), np.asarray(others.per_participant)),
            "group_reliability": (("roi",), np.asarray(halves.reliability)),
            "group_ceiling": (("roi",), np.asarray(halves.value)),
        }
    )


def _said(
    result: EncodingResult, data: Responses, options: EncodingOptions, seed: int
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
        "warnings": "; ".join(result.warnings),
        "score_seed": seed,
    }


def _target(index: int, data: Responses) -> str:
    person, roi = divmod(index, len(data.rois))
    name = data.participants[person] if person < len(data.participants) else "group mean"
    return f"{name} {data.rois[roi]}"
