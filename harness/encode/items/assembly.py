"""Public assemblies of responses to sentences: netCDF, dims presentation x neuroid."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.ceilings.cross_fit import Ratio, given_ratio
from harness.encode.ceilings.voxel_ceilings import CEILING_THRESHOLD
from harness.encode.design.narrowed import narrowed
from harness.encode.design.options import EncodingOptions, Readout
from harness.encode.design.result import EncodingResult
from harness.encode.design.splits import Fold
from harness.encode.design.targets import usable_columns
from harness.encode.score.relative import interval, relative, unique_of
from harness.encode.solve.layers import encode_layers
from harness.errors import DataError, ScoreError
from harness.numeric.arrays import Bools, Doubles, Positions, Texts

if TYPE_CHECKING:
    from harness.encode.ceilings.assembly_ceiling import NeuroidCeilings


@dataclass(frozen=True, eq=False)
class Assembly:
    """Responses to items that were presented one by one.

    Parameters
    ----------
    values : array (item, neuroid)
        NaN where a participant did not have an item.
    items : array (item,)
        What was presented.
    groups : array (item,)
        What an item is held out with: its topic, story or sentence. Items of one group follow each
        other.
    parts : array (item,)
        Experiment of each item; experiments are scored apart, because participants differ.
    participants : array (neuroid,)
        Whose neuroid (voxel, region, electrode) it is.
    passages : array (item,)
        The text that an item is read in, within its group; items of one passage follow each other,
        in the order in which they were presented.
    """

    values: Doubles
    items: Texts
    groups: Texts
    parts: Texts
    participants: Texts
    passages: Texts


def read_assembly(
    path: Path,
    *,
    items: str = "stimulus",
    groups: str = "",
    parts: str = "",
    passages: str = "",
    participants: Sequence[str] = ("subject", "subject_UID", "subject_id"),
    order: Sequence[str] = (),
) -> Assembly:
    """Read an assembly as Brain-Score publishes them.

    Parameters
    ----------
    path : Path
    items, groups, parts, passages : str
        Coordinates of ``presentation``. No groups: every item is its own. No passages: a group is
        one. A name may be shared by a group or a passage of another experiment.
    participants : sequence of str
        Coordinates of ``neuroid`` that may name the participant; the first one there is taken.
    order : sequence of str
        Coordinates of ``presentation`` that say in which order items were presented: numbers, or
        texts that are numbers. They order passages and groups as well: the order of the file
        decides nothing. Default: items stay as they are.

    Raises
    ------
    DataError
        The file is not whole, has other dims, or lacks a coordinate.
    """
    try:
        with xr.open_dataset(path) as stored:
            data = stored.load()
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a whole netCDF file: {error}", "fetch it again") from error
    found = [v for v in data.data_vars.values() if {"presentation", "neuroid"} <= set(v.dims)]
    if len(found) != 1:
        raise DataError(
            f"{path} holds {len(found)} arrays of presentation x neuroid", "expected one"
        )
    array = found[0].squeeze([d for d in found[0].dims if d not in ("presentation", "neuroid")])
    values = np.asarray(array.transpose("presentation", "neuroid").values, np.float64)

    def column(name: str, dim: str) -> Texts:
        if name not in data.variables or data[name].dims != (dim,):
            raise DataError(f"{path} has no coordinate {name!r} along {dim}")
        return np.array([str(v) for v in data[name].values], object)

    n_items = len(values)
    names = column(items, "presentation")
    group = column(groups, "presentation") if groups else np.arange(n_items).astype(str)
    group = np.asarray(group, object)
    part = column(parts, "presentation") if parts else np.full(n_items, "all", object)
    passage = column(passages, "presentation") if passages else group
    person = next((p for p in participants if p in data.variables), participants[0])
    keys = [_sortable(column(name, "presentation")) for name in order]
    rows = _presented(keys, part, group, passage)
    return Assembly(
        values[rows],
        names[rows],
        group[rows],
        part[rows],
        column(person, "neuroid"),
        passage[rows],
    )


def _sortable(values: Texts) -> npt.NDArray[Any]:
    """Numbers where texts are numbers, so that 10 comes after 9."""
    try:
        return values.astype(np.float64)
    except ValueError:
        return np.asarray(np.unique(values.astype(str), return_inverse=True)[1])


def _presented(
    keys: Sequence[npt.NDArray[Any]], part: Texts, group: Texts, passage: Texts
) -> Positions:
    """Rows in the order of presentation, with parts, groups and passages each in one piece.

    A part, group or passage stands where its first item does; ties (two stories that both begin
    with sentence 0) go by name.
    """
    n = len(part)
    if keys:
        ties = [np.unique(c.astype(str), return_inverse=True)[1] for c in (passage, group, part)]
        first = np.lexsort([*ties, *reversed(keys)])
    else:
        first = np.arange(n)
    position = np.empty(n, np.intp)
    position[first] = np.arange(n)

    def place(*columns: Texts) -> Positions:
        names = ["\0".join(map(str, row)) for row in zip(*columns, strict=True)]
        earliest: dict[str, int] = {}
        for name, at in zip(names, position.tolist(), strict=True):
            earliest[name] = min(at, earliest.get(name, at))
        return np.array([earliest[name] for name in names])

    nested = [place(part), place(part, group), place(part, group, passage)]
    return np.asarray(np.lexsort([position, *reversed(nested)]))


def group_folds(groups: Sequence[str] | Texts, n_folds: int) -> tuple[Fold, ...]:
    """Hold out whole groups: contiguous stretches of groups of about the same length.

    Raises
    ------
    DataError
        There are fewer groups than folds.
    """
    labels = np.asarray(groups)
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
    if len(starts) < n_folds:
        raise DataError(f"{len(starts)} groups cannot be dealt to {n_folds} folds")
    stretches = np.split(np.arange(len(labels)), starts[1:])
    ends = np.array([stretch[-1] + 1 for stretch in stretches])
    fold_of = np.minimum((ends - 1) * n_folds // len(labels), n_folds - 1)
    owner = np.concatenate([np.full(len(s), f) for s, f in zip(stretches, fold_of, strict=True)])
    rows = np.arange(len(labels))
    made = [Fold(rows[owner != k], rows[owner == k]) for k in np.unique(owner)]
    if len(made) < 2:
        raise DataError("one group is longer than all folds but one")
    return tuple(made)


def measured(data: Assembly, part: str) -> tuple[Positions, Bools]:
    """Items of an experiment, and the neuroids that were measured on all of them.

    Returns
    -------
    rows : array of int, shape (n_items,)
    here : array of bool, shape (n_neuroids,)
    """
    rows = np.flatnonzero(data.parts == part)
    return rows, usable_columns(data.values[rows], np.zeros(len(rows), np.int64))


def score_assembly(
    recording: xr.DataArray,
    data: Assembly,
    baseline: Mapping[str, npt.ArrayLike],
    options: EncodingOptions,
    ceilings: NeuroidCeilings | None = None,
) -> xr.Dataset:
    """Score a recording against every neuroid.

    Parameters
    ----------
    recording : DataArray (sample, layer, unit)
        A row an item, in the order of the assembly.
    data : Assembly
    baseline : mapping
        What any account must beat, (item,), by name: the length of the item.
    options : EncodingOptions
        ``gap`` keeps inner folds apart, in items; delays must be ``(0,)``.
    ceilings : NeuroidCeilings, optional
        Of :func:`harness.encode.ceilings.assembly_ceiling.assembly_ceilings`.

    Returns
    -------
    Dataset
        ``value``: held-out r at the layer that training items favour, mean over the neuroids of
        each participant, then over participants and experiments, with ``low`` and ``high`` (95 %
        bootstrap over participants). By (part, participant): ``r_best``, ``baseline_r``,
        ``unique_r2``, ``ceiling_r``, ``normalised_r`` and ``excluded``; by (part, participant,
        layer): ``r``. ``baseline``: mean of ``baseline_r``. NaN where a participant did not take
        part. Of one experiment, by (fold, participant), each a stretch of items that was held out:
        ``fold_r`` and ``fold_unique_r2``, means over neuroids. ``normalised_r``: mean r over mean
        ceiling of the neuroids whose ceiling is .05 or more and, where it was extrapolated, above
        0 with its whole 95 % interval; ``excluded``: the share of those whose ceiling is not;
        ``ceiling``: the ceilings of those that are kept, averaged like ``value``.
        ``normalised`` and ``unique``: see :mod:`harness.encode.score.relative`. Attributes
        ``ceiling_kind``, ``ceiling_reason`` and ``ceiling_threshold`` say what it is.

    Raises
    ------
    ScoreError
        The recording has not a row for every item.
    """
    options.only("items", readout=Readout.BEST, partition=False, cross=False)
    if options.metric.compares:
        raise DataError(f"{options.metric} is not for items", "metric=r2 or correlation")
    recording = narrowed(recording, np.zeros(len(recording)), options.projected)
    if recording.sizes["sample"] != len(data.items):
        raise ScoreError(
            f"the recording has {recording.sizes['sample']} rows for {len(data.items)} items"
        )
    parts, people = list(dict.fromkeys(data.parts)), list(dict.fromkeys(data.participants))
    layers = np.asarray(recording["layer"].values)
    shape = (len(parts), len(people))
    r_best, length_r, unique, top, shares, excluded = (np.full(shape, np.nan) for _ in range(6))
    curve = np.full((*shape, len(layers)), np.nan)
    warnings: list[str] = []
    reasons: dict[str, str] = {}
    folds: list[xr.Dataset] = []
    for i, part in enumerate(parts):
        rows, here = measured(data, part)
        owner = data.participants[here]
        if not here.any():
            continue
        result = encode_layers(
            np.asarray(recording.values)[rows],
            data.values[np.ix_(rows, here)],
            np.zeros(len(rows), np.int64),
            options=options,
            nuisance=np.column_stack([np.asarray(b, float)[rows] for b in baseline.values()]),
            target_groups=list(owner),
            folds=group_folds(data.groups[rows], options.n_outer),
        )
        warnings += [f"{part}: {w}" for w in result.warnings]
        assert result.nuisance is not None
        folds.append(_by_fold(result, owner, people))
        for j, person in enumerate(people):
            own = owner == person
            if own.any():
                r_best[i, j] = np.nanmean(result.r_best[own])
                length_r[i, j] = np.nanmean(result.nuisance.r[own])
                unique[i, j] = np.nanmean(result.nuisance.unique_r2[own])
                curve[i, j] = np.nanmean(result.r[:, own], axis=1)
            if own.any() and ceilings is not None:
                share = given_ratio(
                    result.r_best[own], _reliable(ceilings, i)[here][own], CEILING_THRESHOLD
                )
                shares[i, j], excluded[i, j] = share.value, 1 - share.used
                top[i, j] = share.ceiling
                reasons[person] = share.reason
    each = _by_participant(r_best)
    if not len(each):
        raise DataError("no neuroid has responses to all items of an experiment")
    value, low, high = interval(each)
    own = {
        str(person): Ratio(
            _mean(column),
            1.0,
            math.nan,
            "" if np.isfinite(column).any() else reasons.get(person, "no ceiling"),
        )
        for person, column in zip(people, shares.T, strict=True)
    }
    relation = relative(own)
    dims = ("part", "participant")
    return xr.Dataset(
        {
            "value": value,
            "low": low,
            "high": high,
            **relation.data_vars,
            **unique_of(np.array([_mean(column) for column in unique.T])),
            "baseline": float(np.nanmean(length_r)),
            "r_best": (dims, r_best),
            "baseline_r": (dims, length_r),
            "unique_r2": (dims, unique),
            "ceiling": _mean(_by_participant(top)),
            "ceiling_r": (dims, top),
            "normalised_r": (dims, shares),
            "excluded": (dims, excluded),
            "r": ((*dims, "layer"), curve),
            # Participants of several experiments read different items: nothing crosses them.
            **(folds[0].data_vars if len(parts) == 1 else {}),
        },
        coords={
            "part": np.array(parts, object),
            "participant": np.array(people, object),
            "layer": layers,
        },
        attrs={
            **relation.attrs,
            "encoding_options": json.dumps(asdict(options), default=str),
            "interval_kind": "95 % bootstrap over participants",
            "baseline_of": ", ".join(baseline),
            "neuroids": int(data.values.shape[1]),
            "warnings": "; ".join(warnings),
            "ceiling_kind": "none" if ceilings is None else ceilings.kind,
            "ceiling_reason": "" if ceilings is None else ceilings.reason,
            "ceiling_threshold": CEILING_THRESHOLD,
            "excluded_share": _mean(_by_participant(excluded)),
        },
    )


def _by_fold(result: EncodingResult, owner: Texts, people: Sequence[str]) -> xr.Dataset:
    """Average scores in each held-out stretch of items over the neuroids of a participant."""
    assert result.nuisance is not None
    columns = {
        "fold_r": result.fold_r_best,
        "fold_unique_r2": result.nuisance.fold_joint_r2 - result.nuisance.fold_r2,
    }

    def means(values: Doubles) -> Doubles:
        return np.stack([[_mean(fold[owner == p]) for p in people] for fold in values])

    return xr.Dataset({n: (("fold", "participant"), means(v)) for n, v in columns.items()})


def _reliable(ceilings: NeuroidCeilings, part: int) -> Doubles:
    """Ceilings of an experiment without those whose interval reaches 0; given ones as they are."""
    known = ceilings.value[part]
    if np.isnan(ceilings.low[part]).all():
        return np.asarray(known, np.float64)
    return np.asarray(np.where(ceilings.low[part] > 0, known, np.nan), np.float64)


def _mean(values: Doubles) -> float:
    """Mean of what is not NaN; NaN where nothing is."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else math.nan


def _by_participant(values: Doubles) -> Doubles:
    """Mean over the experiments that each participant did; who did none is left out."""
    return np.array([_mean(column) for column in values.T if np.isfinite(column).any()])
