"""Responses to stories: from files of any size to the score of a benchmark.

A benchmark says where responses are (:class:`harness.encode.design.sources.ResponseSource`), which
voxels make up which region, and what any account must beat; this module scores a recording against
regions, or against every voxel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from harness.encode.design.confounds import Drift
from harness.encode.design.features import zscore_by_run
from harness.encode.design.lacking import folds_of_rows, sharing
from harness.encode.design.options import EncodingOptions
from harness.encode.design.sources import SomeParticipants
from harness.encode.design.splits import contiguous_folds
from harness.encode.design.targets import usable_columns
from harness.encode.score.protocol import Responses, prepare, score_responses
from harness.encode.score.voxel_parts import by_part
from harness.encode.score.voxel_table import voxel_table
from harness.encode.voxels.repeated import repeated_rows
from harness.encode.voxels.stream_options import PenaltyScope
from harness.errors import DataError
from harness.numeric.arrays import Bools, Doubles, Ints, Positions

if TYPE_CHECKING:
    from harness.encode.design.sources import ResponseSource
    from harness.encode.design.splits import Fold

WIDTH = 4096
"""Voxels that are read at once."""


class Resolution(StrEnum):
    """Spatial unit of a score."""

    ROI = "roi"
    """Mean responses of regions."""
    VOXEL = "voxel"
    """Every voxel."""


@dataclass(frozen=True, eq=False)
class Naturalistic:
    """Responses of participants to the same stories, and what goes with them.

    Parameters
    ----------
    source : ResponseSource
    tr : float
        Seconds from one row to the next.
    nuisance : mapping
        Regressors (n_samples,) by name, which any account of the responses must beat.
    masks : mapping
        By participant, the voxels of each region (n_voxels,), by name.
    ceilings : mapping
        By participant, a given ceiling on r (n_voxels,); NaN where it is not to be had.
    cutoff : float, optional
        Longest period that is kept in responses, features and nuisance, s. Where published
        responses were detrended, the period at which they were.
    confounds : mapping
        By participant, what has nothing to do with the stimulus (motion, aCompCor),
        (n_samples, k), of everybody or of nobody. Rows of a run that they lack are not looked at.
    bands : mapping
        Further regressors (n_samples,) by name, by band: for the partition of variance.
    repeat_ceilings : bool
        Whether ceilings of regions come from the repeats of the source, where it has any, and not
        from the other participants. Those of voxels do.
    """

    source: ResponseSource
    tr: float
    nuisance: Mapping[str, Doubles] = field(default_factory=dict)
    masks: Mapping[str, Mapping[str, Bools]] = field(default_factory=dict)
    ceilings: Mapping[str, Doubles] = field(default_factory=dict)
    cutoff: float | None = None
    confounds: Mapping[str, Doubles] = field(default_factory=dict)
    bands: Mapping[str, Mapping[str, Doubles]] = field(default_factory=dict)
    repeat_ceilings: bool = False

    def __post_init__(self) -> None:
        if self.confounds and set(self.confounds) != set(self.source.participants):
            raise DataError(
                f"confounds are of {', '.join(sorted(self.confounds))}; responses of"
                f" {', '.join(self.source.participants)}",
                "give confounds of everybody, or of nobody",
            )
        for name in self.source.participants:
            given = {**self.masks.get(name, {}), "ceiling": self.ceilings.get(name)}
            for what, values in given.items():
                n_voxels = self.source.n_voxels(name)
                if values is not None and np.shape(values) != (n_voxels,):
                    raise DataError(
                        f"participant {name}: {what} has shape {np.shape(values)} for"
                        f" {n_voxels} voxels"
                    )

    @property
    def absent(self) -> dict[str, tuple[Any, ...]]:
        """By participant, labels of the runs that they lack; those who have all are not in it."""
        each = {p: self.source.absent(p) for p in self.source.participants}
        return {name: lacked for name, lacked in each.items() if lacked}

    @property
    def rois(self) -> tuple[str, ...]:
        """Regions that every participant with any has, in the order of the first one."""
        each = [self.masks[p] for p in self.source.participants if self.masks.get(p)]
        return tuple(r for r in each[0] if all(r in m for m in each)) if each else ()


def region_means(data: Naturalistic, rois: Sequence[str] = ()) -> Responses:
    """Average z-scored voxels in each region.

    Parameters
    ----------
    data : Naturalistic
    rois : sequence of str
        Regions. Default: those that every participant with masks has.

    Returns
    -------
    Responses
        Without participants that have no mask, or no usable voxel, of a region.

    Raises
    ------
    DataError
        There are no regions, or nobody has them.
    """
    names = tuple(rois) or data.rois
    if not names:
        raise DataError(
            "no region is known for all participants",
            "score every voxel (resolution=voxel), or give masks",
        )
    values: dict[str, Doubles] = {}
    repeats: dict[str, Doubles] = {}
    left_out: dict[str, str] = {}
    for participant in data.source.participants:
        masks = data.masks.get(participant, {})
        if missing := [roi for roi in names if roi not in masks]:
            left_out[participant] = f"no mask of {', '.join(missing)}"
            continue
        chosen = [masks[r] for r in names]
        means, counts, repeated = _summed(
            data.source, participant, chosen, repeats=data.repeat_ceilings
        )
        if empty := [roi for roi, n in zip(names, counts, strict=True) if n == 0]:
            left_out[participant] = (
                f"no usable voxel in {', '.join(empty)}: all are constant for long, or not finite"
            )
            continue
        values[participant] = means / counts
        if repeated is not None:
            repeats[participant] = repeated / counts
    if not values:
        raise DataError(f"nobody has responses of {', '.join(names)}: {left_out}")
    found = prepare(
        values,
        names,
        data.source.runs,
        tr=data.tr,
        cutoff=data.cutoff,
        confounds=data.confounds or None,
        nuisance=dict(data.nuisance),
        bands=data.bands,
        absent=data.absent,
        repeats=repeats,
        repeated_rows=_repeated_rows(data.source, repeats),
    )
    return replace(found, left_out={**left_out, **found.left_out})


def score_stories(
    recording: xr.DataArray,
    data: Naturalistic,
    options: EncodingOptions,
    *,
    resolution: Resolution = Resolution.ROI,
    folds: Sequence[Fold] | None = None,
    rois: Sequence[str] = (),
    scope: PenaltyScope = PenaltyScope.VOXEL,
) -> xr.Dataset:
    """Score a recording against regions or voxels.

    Parameters
    ----------
    recording : DataArray (sample, layer, unit)
    data : Naturalistic
    options : EncodingOptions
    resolution : Resolution
    folds : sequence of Fold, optional
        Outer folds that the data set prescribes.
    rois : sequence of str
        Regions, where not all.
    scope : PenaltyScope
        By voxel, who shares a penalty. A shared one leaves nuisance regressors aside: what is
        unique to the model needs penalties by voxel.

    Returns
    -------
    Dataset
        ``roi``: see :func:`harness.encode.score.protocol.score_responses`. ``voxel``: ``value``,
        mean r
        at the layers chosen on training rows, over the voxels that a participant has in any region
        (all, where no region is known) and over participants; ``normalised`` of the same voxels,
        with interval, by participant and by region
        (:func:`harness.encode.score.relative.relative`), and ``unique`` likewise;
        by (participant, layer): ``r``, ``r2``; by (participant,
        roi): ``r_roi``, ``ceiling_roi``; by (voxel,), one participant after the other: ``voxel_r``,
        ``voxel_ceiling``, ``voxel_normalised``, ``voxel_layer``, ``voxel_participant``. With
        nuisance regressors also ``nuisance_r2``, ``joint_r2`` and ``unique_r2`` (see
        :func:`harness.encode.voxels.stream.stream_layers`), by (participant,) as means over the
        same
        voxels as ``value``, by (participant, roi) as ``…_roi``, and by (voxel,) as ``voxel_…``.
        By held-out part of the stimulus ``fold_r`` and ``fold_unique_r2``, and ``voxel_unique_p``
        and ``voxel_unique_q``: see :func:`harness.encode.score.voxel_parts.by_part`.
        Products with voxels are in float32 here, unless a precision is asked for. With
        ``options.permutations``, ``voxel_p`` and ``voxel_q``, and ``voxel_unique_p`` and
        ``voxel_unique_q`` of unique R2 by sign flips.
    """
    if resolution is Resolution.ROI:
        return score_responses(recording, region_means(data, rois), options, folds=folds)
    scores = stream_stories(recording, data, options, folds=folds, scope=scope)
    named = tuple(rois) or data.rois
    found = voxel_table(scores, data.masks, named, nuisance=tuple(data.nuisance))
    parts = by_part(scores, data.masks, named)  # permutations, where asked for, come before t
    return found.assign({name: made for name, made in parts.items() if name not in found})


def stream_stories(
    recording: xr.DataArray,
    data: Naturalistic,
    options: EncodingOptions,
    *,
    folds: Sequence[Fold] | None = None,
    scope: PenaltyScope = PenaltyScope.VOXEL,
    only: str = "",
) -> dict[str, xr.Dataset]:
    """Encode the voxels of all participants, or do one participant's share of it.

    Parameters
    ----------
    recording, data, options, folds, scope
        As for :func:`score_stories`.
    only : str
        A participant: their voxels alone are taken through, into ``here().unfinished``.

    Returns
    -------
    dict of Dataset
        By participant, see :func:`harness.encode.voxels.stream.stream_layers`; none with ``only``.
    """
    from harness.encode.voxels.stream import StreamOptions, stream_layers

    beside = None
    if data.nuisance and scope is PenaltyScope.VOXEL:
        beside = np.column_stack(list(data.nuisance.values()))
    ceilings = {p: c for p, c in data.ceilings.items() if p in data.source.participants}
    scores: dict[str, xr.Dataset] = {}
    if folds is None and data.absent:
        folds = contiguous_folds(data.source.runs, options.n_outer, options.gap)
    for source, own in _streams(data):
        if only and only not in source.participants:
            continue
        there, heard, regressors, numbers = folds, recording, beside, None
        if source.rows is not None:
            assert folds is not None
            there, numbers = folds_of_rows(folds, source.rows, source.participants)
            heard = recording.isel(sample=source.rows)
            regressors = None if beside is None else beside[source.rows]
        found = stream_layers(
            heard,
            source,
            options=options,
            nuisance=regressors,
            folds=there,
            ceilings={p: ceilings[p] for p in source.participants if p in ceilings} or None,
            stream=StreamOptions(scope=scope),
            drift=None if data.cutoff is None else Drift(data.tr, data.cutoff),
            confounds=own,
            only=only,
        )
        if numbers is not None:
            found = {p: score.assign_coords(fold=numbers) for p, score in found.items()}
        scores |= found
    return {name: scores[name] for name in data.source.participants if name in scores}


def _streams(data: Naturalistic) -> Iterator[tuple[SomeParticipants, Doubles | None]]:
    """Participants who share a design, with their confounds.

    Confounds of their own change the kernel of a participant, and so do runs that they lack. Beside
    a hundred thousand voxels a decomposition for each participant costs little; for regions there
    is a cheaper way (:mod:`harness.encode.solve.by_participant`).
    """
    source = data.source
    for group in sharing(data.absent, source.participants, source.runs):
        rows = None if group.whole else group.rows
        if not data.confounds:
            yield SomeParticipants(source, group.participants, rows), None
            continue
        for name in group.participants:
            own = np.asarray(data.confounds[name], np.float64)
            yield SomeParticipants(source, (name,), rows), own if rows is None else own[rows]


def _repeated_rows(source: ResponseSource, repeats: Mapping[str, Doubles]) -> Positions | None:
    """Find the rows that are the mean of the repeats, in whoever shows it."""
    found = (repeated_rows(source, name) for name in repeats)
    return next((rows for rows in found if rows is not None), None)


def _summed(
    source: ResponseSource, participant: str, masks: Sequence[Bools], *, repeats: bool
) -> tuple[Doubles, Ints, Doubles | None]:
    """Sum z-scored usable voxels, (n_samples, n_masks), and count them.

    Rows of absent runs are NaN. Sums of each repeat of the repeated run, (n_repeats, n_rows,
    n_masks), where they are asked for, are in the same unit: that of the mean of the repeats.
    """
    labels = np.asarray(source.runs)
    there = ~np.isin(labels, list(source.absent(participant)))
    runs = labels[there]
    sums = np.full((len(labels), len(masks)), np.nan)
    sums[there] = 0.0
    repeated: Doubles | None = None
    counts = np.zeros(len(masks), np.int64)
    members = np.stack(masks)
    for start in range(0, source.n_voxels(participant), WIDTH):
        stop = min(start + WIDTH, source.n_voxels(participant))
        wanted = members[:, start:stop]
        if not wanted.any():
            continue
        block = np.asarray(source.block(participant, start, stop)[there], np.float64)
        usable = usable_columns(block, runs)
        each = source.repeats(participant, start, stop) if repeats else None
        if each is not None:
            one = np.zeros(each.shape[1], np.int64)
            usable &= np.all([usable_columns(repeat, one) for repeat in each], axis=0)
        chosen = wanted[:, usable].astype(np.float64)
        sums[there] += np.asarray(zscore_by_run(block[:, usable], runs), np.float64) @ chosen.T
        if each is not None:
            own = np.asarray(each[:, :, usable], np.float64)
            own = (own - own.mean(axis=(0, 1))) / own.mean(axis=0).std(axis=0)
            repeated = (0.0 if repeated is None else repeated) + own @ chosen.T
        counts += chosen.sum(axis=1).astype(np.int64)
    return sums, counts, repeated
