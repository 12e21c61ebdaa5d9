"""Scores of voxels as the dataset of a benchmark."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.ceilings.cross_fit import Z_VOXEL, Parts, Ratio
from harness.encode.score.relative import of_units, relative, unique_of
from harness.numeric.arrays import Bools
from harness.stats.bootstrap import bootstrap_interval

BEYOND = ("nuisance_r2", "joint_r2", "unique_r2")
"""What a score has where there are nuisance regressors."""


def voxel_table(
    scores: Mapping[str, xr.Dataset],
    masks: Mapping[str, Mapping[str, Bools]],
    rois: Sequence[str],
    *,
    nuisance: Sequence[str] = (),
) -> xr.Dataset:
    """Lay out scores by voxel: by participant, by region, and voxel by voxel.

    Parameters
    ----------
    scores : mapping
        By participant, of :func:`harness.encode.voxels.stream.stream_layers`.
    masks : mapping
        By participant, the voxels of each region (n_voxels,), by name.
    rois : sequence of str
        Regions; where there are none, means are over all voxels.
    nuisance : sequence of str
        Names of the nuisance regressors.

    Returns
    -------
    Dataset
        As :func:`harness.encode.score.naturalistic.score_stories` says of voxels.
    """
    people = tuple(scores)
    first = next(iter(scores.values()))
    beyond = [name for name in BEYOND if name in first]
    tested = [name for name in ("p", "q", "unique_p", "unique_q") if name in first]
    each: dict[str, list[Any]] = {name: [] for name in ("value", "r", "r2", *beyond)}
    shares: dict[str, Ratio] = {}
    by_region: dict[str, dict[str, Ratio]] = {}
    regions: dict[str, list[list[float]]] = {name: [] for name in ("r", "ceiling", *beyond)}
    for name, score in scores.items():
        own_masks = masks.get(name, {})
        known = [own_masks[roi] for roi in rois if roi in own_masks]
        chosen = np.any(known, axis=0) if known else np.ones(score.sizes["voxel"], bool)
        columns = {"r": score["r_best"].values, "ceiling": score["ceiling"].values}
        columns |= {name: score[name].values for name in beyond}
        each["value"].append(_mean(columns["r"][chosen]))
        shares[name] = _ratio(score, chosen)
        nobody = np.zeros(score.sizes["voxel"], bool)
        by_region[name] = {roi: _ratio(score, own_masks.get(roi, nobody)) for roi in rois}
        each["r"].append([_mean(layer[chosen]) for layer in score["r"].values])
        each["r2"].append([_mean(layer[chosen]) for layer in score["r2"].values])
        for what in beyond:
            each[what].append(_mean(columns[what][chosen]))
        for what, values in columns.items():
            own = [_mean(values[own_masks[x]]) if x in own_masks else np.nan for x in rois]
            regions[what].append(own)
    value = np.array(each["value"])
    interval = bootstrap_interval(value)

    def joined(name: str) -> npt.NDArray[Any]:
        return np.concatenate([score[name].values for score in scores.values()])

    ceilings = joined("ceiling")
    layer_best = np.concatenate([np.median(s["layer_best"], axis=0) for s in scores.values()])
    score = xr.Dataset(
        {
            "value": float(np.nanmean(value)),
            "low": float(interval.low),
            "high": float(interval.high),
            "ceiling": _mean(ceilings),
            "participant_value": ("participant", value),
            "r": (("participant", "layer"), np.array(each["r"])),
            "r2": (("participant", "layer"), np.array(each["r2"])),
            **{what: ("participant", np.array(each[what])) for what in beyond},
            "voxel_r": ("voxel", joined("r_best")),
            "voxel_ceiling": ("voxel", ceilings),
            "voxel_normalised": ("voxel", joined("normalised")),
            **{f"voxel_{what}": ("voxel", joined(what)) for what in (*beyond, *tested)},
            "voxel_layer": ("voxel", layer_best),
            "voxel_participant": (
                "voxel",
                np.repeat(np.arange(len(people)), [s.sizes["voxel"] for s in scores.values()]),
            ),
        },
        coords={"participant": np.array(people, object), "layer": first["layer"].values},
    )
    if rois:
        tables = {f"{k}_roi": (("participant", "roi"), np.array(v)) for k, v in regions.items()}
        score = score.assign(tables).assign_coords(roi=np.array(rois, object))
    share = relative(shares, by_region if rois else None)
    score = score.assign(share.data_vars).assign_attrs(share.attrs)
    if "unique_r2" in beyond:
        unique = unique_of(
            np.array(each["unique_r2"]), np.array(regions["unique_r2"]) if rois else None
        )
        score = score.assign(unique)
    said = {
        key: json.dumps({p: s.attrs.get(key, "") for p, s in scores.items()}, default=str)
        for key in ("excluded_share", "unusable", "warnings")
    }
    return score.assign_attrs(
        {k: v for k, v in first.attrs.items() if k not in (*said, "participant")} | said,
        nuisance=", ".join(nuisance) if beyond else "",
    )


def _ratio(score: xr.Dataset, chosen: Bools) -> Ratio:
    """Relate r of some voxels of a participant to their ceilings."""
    parts = None
    if "part_r" in score:
        parts = Parts(
            np.asarray(score["part_r"].values, np.float64),
            np.asarray(score["part_ceiling"].values, np.float64),
            np.asarray(score["ceiling_null"].values, np.float64),
            squared=True,
        )
    return of_units(
        np.asarray(score["r_best"].values, np.float64),
        np.asarray(score["ceiling"].values, np.float64),
        parts,
        chosen,
        z=Z_VOXEL,
        threshold=float(score.attrs["ceiling_threshold"]),
    )


def _mean(values: npt.NDArray[Any]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
