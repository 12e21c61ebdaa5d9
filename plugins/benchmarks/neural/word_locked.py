"""Scores of electrical activity around words: electrodes, in the brain or on it, by lags."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.ceilings.cross_fit import Z_VOXEL, Parts, Ratio, mean_ratio
from harness.encode.ceilings.voxel_ceilings import CEILING_THRESHOLD, normalised
from harness.encode.design.options import EncodingOptions
from harness.encode.design.sources import array_responses
from harness.encode.score.relative import relative, unique_of
from harness.encode.voxels.stream import stream_layers
from harness.errors import DataError
from harness.numeric.arrays import Bools, Doubles, Ints, Singles
from harness.stats.bootstrap import bootstrap_interval

from .electrode_ceilings import electrode_ceilings, once


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of one participant around words.

    Parameters
    ----------
    activity : array, shape (n_words, n_electrodes, n_lags)
        Rows of words that were not heard are not looked at.
    places : array, shape (n_electrodes, 3)
        In mm; NaN where nobody knows.
    regions : mapping
        Electrodes of each region, (n_electrodes,); the same regions for all participants.
    heard : array of bool, shape (n_words,)
        Words that this participant heard, and that were recorded.
    """

    activity: Singles
    places: Doubles
    regions: Mapping[str, Bools]
    heard: Bools


@dataclass(frozen=True, eq=False)
class ElectrodeScores:
    """What is found for the electrodes of one participant, each at its lag.

    Parameters
    ----------
    r : array, shape (n_electrodes,)
        Held-out r at the lag and layer chosen on training words; NaN where there is none.
    lag : array, shape (n_electrodes,)
        Position of that lag, the median over folds; -1 where there is none.
    layer : array, shape (n_electrodes,)
        That layer, the median over folds.
    by_lag : array, shape (n_electrodes, n_lags)
        r at every lag, at layers chosen for each.
    by_layer : array, shape (n_layers, n_electrodes, n_lags)
        r of every layer.
    folds : array, shape (n_folds, n_electrodes)
        r in each held-out fold.
    unique : array, shape (n_electrodes,), optional
        Unique R2 beyond the baseline at the same lag and layer.
    """

    r: Doubles
    lag: Ints
    layer: Doubles
    by_lag: Doubles
    by_layer: Doubles
    folds: Doubles
    unique: Doubles | None = None


def score_lags(
    recording: xr.DataArray,
    measured: Mapping[str, Measured],
    lags: Sequence[float],
    options: EncodingOptions,
    *,
    baseline: xr.DataArray,
    runs: Ints | None = None,
) -> xr.Dataset:
    """Score a recording against every electrode at every lag.

    Parameters
    ----------
    recording : DataArray (sample, layer, unit)
        A row a word.
    measured : mapping
        By participant. Who heard other words than the rest is scored on those words.
    lags : sequence of float
        In s.
    options : EncodingOptions
        Delays must be ``(0,)``; the gap, in words, must keep windows apart.
    baseline : DataArray (sample, layer, unit)
        What any account must beat, as a recording of one layer.
    runs : array, shape (n_words,), optional
        Run of each word; one by default. With as many runs as folds whole ones are held out.

    Returns
    -------
    Dataset
        ``value``: held-out r of each electrode at the layer, penalty and lag chosen on training
        words, mean over the electrodes of a participant and over participants, with ``low`` and
        ``high`` (95 % bootstrap over participants); ``baseline``, the same of the baseline;
        ``ceiling``, mean of the electrodes' ceilings; ``normalised`` and ``unique`` (beyond the
        baseline), with intervals, by participant and by region: see
        :mod:`harness.encode.score.relative`. By (participant,):
        ``participant_value``, ``baseline_value``; by (participant,
        lag): ``lag_r``, a description; by (participant, layer): ``r``, over electrodes at lags from
        the onset on; by (participant, roi): ``r_roi`` and ``ceiling_roi``, electrodes of a
        region. By (electrode,), one participant after the other: ``electrode_r``,
        ``electrode_baseline``, ``electrode_lag``, ``electrode_layer``, ``electrode_ceiling``,
        ``electrode_normalised``, ``electrode_unique_r2``,
        ``electrode_participant``, and by (electrode, axis) ``electrode_place``, mm.

    Raises
    ------
    DataError
        No electrode can be scored.
    """
    labels = np.zeros(recording.sizes["sample"], np.int64) if runs is None else runs
    beside = np.asarray(baseline.values[:, 0], np.float64)
    found = _streamed(recording, measured, labels, options, beside)
    shapes = {p: own.activity.shape[1:] for p, own in measured.items()}
    scores = {p: at_chosen_lag(found[p], shape) for p, shape in shapes.items()}
    activity = {p: own.activity for p, own in measured.items()}
    heard = {p: own.heard for p, own in measured.items()}
    present = None if all(own.all() for own in heard.values()) else heard
    marks = [*(present or {}).values(), *([] if runs is None else [runs])]
    alone = once(
        "electrode baseline",
        [*activity.values(), baseline.values, *marks],
        options,
        lambda: np.concatenate(
            [
                at_chosen_lag(one, shapes[p]).r
                for p, one in _streamed(baseline, measured, labels, options).items()
            ]
        ),
    )
    value = np.array([_mean(one.r) for one in scores.values()])
    if not np.isfinite(value).any():
        raise DataError("no electrode has usable activity", "are these recordings of speech?")
    interval = bootstrap_interval(value[np.isfinite(value)])
    layers = np.asarray(recording["layer"].values)
    ceilings = electrode_ceilings(activity, lags, options, present=present, runs=runs)
    electrodes = _by_electrode(scores, ceilings, measured, lags)
    electrodes["electrode_baseline"] = ("electrode", alone)
    share = _relative(scores, ceilings, measured)
    unique = {p: one.unique for p, one in scores.items() if one.unique is not None}
    base = _each(electrodes, "electrode_baseline", len(scores))
    later = np.asarray(lags) >= 0 if max(lags) >= 0 else np.ones(len(lags), bool)
    score = xr.Dataset(
        {
            "value": float(np.nanmean(value)),
            "low": float(interval.low),
            "high": float(interval.high),
            "baseline": _mean(base),
            "ceiling": _mean(electrodes["electrode_ceiling"].values),
            **share.data_vars,
            **unique_of(
                np.array([_mean(values) for values in unique.values()]),
                _by_region(unique, measured),
            ),
            "participant_value": ("participant", value),
            "baseline_value": ("participant", base),
            "lag_r": (
                ("participant", "lag"),
                np.array([[_mean(column) for column in one.by_lag.T] for one in scores.values()]),
            ),
            "r": (
                ("participant", "layer"),
                np.array([[_mean(r[:, later]) for r in one.by_layer] for one in scores.values()]),
            ),
            "r_roi": (
                ("participant", "roi"),
                _by_region({p: s.r for p, s in scores.items()}, measured),
            ),
            "ceiling_roi": (("participant", "roi"), _by_region(_means(ceilings), measured)),
        },
        coords={
            "participant": np.array(list(measured), object),
            "lag": np.asarray(lags, float),
            "layer": layers,
            "roi": np.array(_names(measured), object),
        },
    ).merge(electrodes)
    said = {
        key: json.dumps({p: s.attrs.get(key, "") for p, s in found.items()}, default=str)
        for key in ("unusable", "unusable_reasons", "warnings")
    }
    from_others = "from the electrodes of the other participants"
    return score.assign_attrs(
        said,
        **share.attrs,
        encoding_options=json.dumps(asdict(options), default=str),
        interval_kind="95 % bootstrap over participants",
        ceiling_kind=from_others if ceilings else "none",
        ceiling_threshold=CEILING_THRESHOLD,
        electrodes=electrodes.sizes["electrode"],
    )


def _streamed(
    recording: xr.DataArray,
    measured: Mapping[str, Measured],
    runs: Ints,
    options: EncodingOptions,
    beside: Doubles | None = None,
) -> dict[str, xr.Dataset]:
    """Encode electrodes at all lags: those who heard the same words together."""
    found: dict[str, xr.Dataset] = {}
    for people, rows in _alike(measured):
        source = array_responses(
            {p: measured[p].activity[rows].reshape(len(rows), -1) for p in people}, runs[rows]
        )
        found |= stream_layers(
            recording if len(rows) == len(runs) else recording.isel(sample=rows),
            source,
            options=options,
            nuisance=None if beside is None else beside[rows],
        )
    return {p: found[p] for p in measured}


def _alike(measured: Mapping[str, Measured]) -> Iterator[tuple[list[str], Ints]]:
    """Participants who heard the same words, and these words."""
    groups: dict[bytes, list[str]] = {}
    for person, own in measured.items():
        groups.setdefault(own.heard.tobytes(), []).append(person)
    for people in groups.values():
        yield people, np.flatnonzero(measured[people[0]].heard)


def at_chosen_lag(scores: xr.Dataset, shape: tuple[int, ...]) -> ElectrodeScores:
    """Take each electrode's held-out r at the lag with the best inner score of each fold.

    Lags, like layers, are chosen on training rows: ``inner_best`` has seen no test word.

    Parameters
    ----------
    scores : Dataset
        Of one participant, see :func:`harness.encode.voxels.stream.stream_layers`; voxels are
        electrodes
        by lags.
    shape : tuple of int
        Electrodes, lags.
    """
    inner = scores["inner_best"].values.reshape(-1, *shape)
    usable = np.isfinite(inner).any(axis=(0, 2))
    lag = np.argmax(np.where(np.isfinite(inner), inner, -np.inf), axis=2)

    def take(name: str) -> Doubles:
        values = scores[name].values.reshape(-1, *shape).astype(np.float64)
        return np.asarray(np.take_along_axis(values, lag[:, :, None], axis=2)[:, :, 0])

    folds = np.where(usable, take("fold_r_best"), np.nan)
    unique = None
    if "fold_unique_r2" in scores:
        unique = np.where(usable, take("fold_unique_r2").mean(axis=0), np.nan)
    return ElectrodeScores(
        r=folds.mean(axis=0),
        folds=folds,
        unique=unique,
        lag=np.where(usable, np.median(lag, axis=0).astype(np.int64), -1),
        layer=np.where(usable, np.median(take("layer_best"), axis=0), np.nan),
        by_lag=scores["r_best"].values.reshape(shape),
        by_layer=scores["r"].values.reshape(-1, *shape),
    )


def _means(ceilings: Mapping[str, Doubles]) -> dict[str, Doubles]:
    """Average ceilings over folds, (n_electrodes,) by participant."""
    return {person: folds.mean(axis=0) for person, folds in ceilings.items()}


def _relative(
    scores: Mapping[str, ElectrodeScores],
    ceilings: Mapping[str, Doubles],
    measured: Mapping[str, Measured],
) -> xr.Dataset:
    """Relate r to ceilings: folds that select electrodes, and folds that estimate."""
    none = Ratio(np.nan, np.nan, np.nan, "one participant has no ceiling")
    each: dict[str, Ratio] = {}
    regions: dict[str, dict[str, Ratio]] = {}
    for person, one in scores.items():
        parted = measured[person].regions
        each[person], regions[person] = none, dict.fromkeys(parted, none)
        if (top := ceilings.get(person)) is None or len(top) != len(one.folds):
            continue
        if not np.isfinite(top).any():
            lonely = Ratio(np.nan, np.nan, np.nan, "nobody else heard all of these words")
            each[person], regions[person] = lonely, dict.fromkeys(parted, lonely)
            continue
        # What a ceiling scatters by over folds, of all electrodes together: few folds say little.
        error = np.sqrt(np.nanmean(top.var(axis=0, ddof=1)) / len(top))
        parts = Parts(one.folds, top, np.full(len(one.r), error), squared=False)
        each[person] = mean_ratio(parts, Z_VOXEL)
        regions[person] = {roi: mean_ratio(parts.of(own), Z_VOXEL) for roi, own in parted.items()}
    return relative(each, regions)


def _by_electrode(
    scores: Mapping[str, ElectrodeScores],
    ceilings: Mapping[str, Doubles],
    measured: Mapping[str, Measured],
    lags: Sequence[float],
) -> xr.Dataset:
    """Lay the electrodes of all participants one after the other."""
    columns: dict[str, list[npt.NDArray[Any]]] = {}
    for number, (person, one) in enumerate(scores.items()):
        ceiling = _means(ceilings).get(person, np.full(len(one.r), np.nan))
        unique = one.unique if one.unique is not None else np.full(len(one.r), np.nan)
        own = {
            "unique_r2": unique,
            "r": one.r,
            "lag": np.where(one.lag >= 0, np.asarray(lags, float)[one.lag], np.nan),
            "layer": one.layer,
            "ceiling": ceiling,
            "normalised": normalised(one.r, ceiling, CEILING_THRESHOLD).value,
            "participant": np.full(len(one.r), number),
        }
        for name, values in own.items():
            columns.setdefault(f"electrode_{name}", []).append(values)
    joined = {name: ("electrode", np.concatenate(parts)) for name, parts in columns.items()}
    place = np.concatenate([measured[person].places for person in scores])
    return xr.Dataset(
        {**joined, "electrode_place": (("electrode", "axis"), place)},
        coords={"axis": np.array(["x", "y", "z"], object)},
    )


def _each(electrodes: xr.Dataset, name: str, n_participants: int) -> Doubles:
    """Average a column over the electrodes of each participant."""
    owner = electrodes["electrode_participant"].values
    values = electrodes[name].values
    return np.array([_mean(values[owner == number]) for number in range(n_participants)])


def _names(measured: Mapping[str, Measured]) -> list[str]:
    return list(next(iter(measured.values())).regions)


def _by_region(values: Mapping[str, Doubles], measured: Mapping[str, Measured]) -> Doubles:
    """Average over the electrodes of each region, (n_participants, n_regions)."""
    nothing = np.full(len(_names(measured)), np.nan)
    return np.array(
        [
            [_mean(values[p][chosen]) for chosen in own.regions.values()]
            if p in values
            else nothing
            for p, own in measured.items()
        ]
    )


def _mean(values: npt.NDArray[Any]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
