"""The protocol every neural benchmark shares: prepared responses, a recording in, a score out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from harness.encode.design.narrowed import narrowed
from harness.encode.design.options import EncodingOptions
from harness.encode.design.result import EncodingResult
from harness.encode.design.splits import Fold, contiguous_folds, held_out_pieces
from harness.encode.score.across import across_participants
from harness.encode.score.ceilings import (
    FEWEST,
    others_ceilings,
    parts_of_others,
    parts_of_repeats,
    relative_to_others,
    repeat_ceilings,
)
from harness.encode.score.encoded import encode_people, permuted, said_of, score_table, summarised
from harness.encode.score.lacking import alike_for_all, score_lacking
from harness.encode.score.partition import partition, table
from harness.encode.score.responses import Cleaned, Responses, prepare
from harness.encode.score.similarity import score_similarity
from harness.encode.score.unique import unique_part
from harness.errors import ScoreError
from harness.numeric.arrays import Doubles

__all__ = ["Responses", "prepare", "score_responses"]


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
        inter-participant correlation, mean over the same, or ``ceiling_repeats`` (participant,
        roi), from the repeats, where ``data`` has them; ``normalised``: mean r over
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

    Where participants lack runs, see :func:`harness.encode.score.lacking.score_lacking`.
    """
    if recording.sizes["sample"] != len(data.runs):
        raise ScoreError(
            f"the recording has {recording.sizes['sample']} samples, the responses {len(data.runs)}"
        )
    if data.absent:
        alike_for_all(options)
    if options.metric.compares:
        return score_similarity(recording, data, options, seed, folds)
    recording = narrowed(recording, data.runs, options.projected)
    if folds is None:
        folds = contiguous_folds(data.runs, options.n_outer, options.gap)
    if data.absent:
        return score_lacking(recording, data, options, seed, folds)
    clean = data.cleaned(held_out_pieces(data.runs, folds))
    result, group = encode_people(np.asarray(recording.values), data, clean, options, folds)
    score = score_table(result, group, data, np.asarray(recording["layer"].values))
    score = score.merge(others_ceilings(clean.values, seed)).merge(repeat_ceilings(data))
    tested = permuted(result, group, data, clean, seed)
    score = score.merge(tested).merge(unique_part(score, seed))
    score = summarised(score, seed)
    share = _relative(result, data, clean, seed)
    score = score.assign(share.data_vars)
    if options.cross:
        features = np.asarray(recording.values)
        score = score.merge(across_participants(features, clean, data.runs, options, folds, seed))
    if options.partition:
        score = score.merge(_partition(np.asarray(recording.values), result, data, clean, seed))
    said = said_of(result, data, clean, options, seed) | tested.attrs | share.attrs
    return score.assign_attrs(said)


def _relative(result: EncodingResult, data: Responses, clean: Cleaned, seed: int) -> xr.Dataset:
    """Relate r to what repeats, or participants, have in common, cross-fitted over parts."""
    n, k = len(data.participants), len(data.rois)
    tests = [fold.test for fold in result.folds]
    parts = parts_of_repeats(data, result.predictions, tests)
    if parts is None:
        parts = {
            name: parts_of_others(
                clean.values, result.predictions[:, i * k : (i + 1) * k], tests, i
            )
            if n >= FEWEST
            else None
            for i, name in enumerate(data.participants)
        }
    reason = f"{n} participants have no ceiling"
    return relative_to_others(data.participants, data.rois, parts, seed, reason=reason)


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
