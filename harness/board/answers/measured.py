"""What a board knows of a measure, participant by participant (or story by story)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from harness.spec.layout import MEASURED, Replicate
from harness.spec.measures import ScoreMeasure

_FRONT = ("variant", "replicate")


@dataclass(frozen=True, eq=False)
class Measured:
    """A measure by variant and replicate.

    Parameters
    ----------
    values : DataArray (variant, replicate)
        Over regions, or experiments of one participant, averaged.
    regions : DataArray (variant, replicate, roi)
        In each region; one, "all", where there are none.
    folds : DataArray (variant, replicate, fold, roi), optional
        The same on every part of the stimulus that was held out.
    """

    values: xr.DataArray
    regions: xr.DataArray
    folds: xr.DataArray | None = None


def measured(known: xr.Dataset, replicate: Replicate, measure: ScoreMeasure) -> Measured | None:
    """Read a measure; None where a board does not have it.

    Parameters
    ----------
    known : Dataset
        A benchmark's detail.
    replicate : Replicate
        What its differences are tested over.
    measure : ScoreMeasure
    """
    if measure is ScoreMeasure.VALUE:
        own = known[replicate.variable].rename({replicate.dim: "replicate"})
        regions = known.get(replicate.regions) if "roi" in known.dims else None
        folds = _found(known, (replicate.folds,), replicate.dim)
        return _put(own, regions, folds, replicate.dim)
    if replicate.dim != "participant":
        return None
    places = MEASURED[measure]
    each = _found(known, places.each, replicate.dim)
    if each is None:
        return None
    regions = _found(known, places.regions, "roi")
    folds = _found(known, (places.folds,), replicate.dim)
    if measure is ScoreMeasure.NORMALISED:
        folds = _as_shares(known, replicate, each)
    return _put(each.rename({replicate.dim: "replicate"}), regions, folds, replicate.dim)


def _found(known: xr.Dataset, names: tuple[str, ...], dim: str) -> xr.DataArray | None:
    """Return the first of some variables that is there, over a dimension, with numbers in it."""
    for name in names:
        if name in known and dim in known[name].dims and bool(known[name].notnull().any()):
            return known[name]
    return None


def _put(
    each: xr.DataArray, regions: xr.DataArray | None, folds: xr.DataArray | None, dim: str
) -> Measured:
    values = each.mean([d for d in each.dims if d not in _FRONT]).transpose(*_FRONT)
    if regions is None or not {dim, "roi"} <= set(regions.dims):
        by_region = values.expand_dims(roi=np.array(["all"], object)).transpose(..., "roi")
    else:
        by_region = regions.rename({dim: "replicate"}).transpose(*_FRONT, "roi")
    parts = None
    if folds is not None and folds.sizes.get("fold", 0) > 1:
        parts = _parts(folds.rename({dim: "replicate"}), by_region)
    return Measured(values, by_region, parts)


def _parts(folds: xr.DataArray, regions: xr.DataArray) -> xr.DataArray | None:
    """Scores by part in the regions that there are; None where the mean over several is known."""
    if "roi" in folds.dims and regions.sizes["roi"] == 1:
        folds = folds.mean("roi")
    if "roi" not in folds.dims:
        folds = folds.expand_dims(roi=np.array(["all"], object))
    if folds.sizes["roi"] != regions.sizes["roi"]:
        return None
    return folds.transpose(*_FRONT, "fold", "roi").assign_coords(roi=regions["roi"])


def _as_shares(known: xr.Dataset, replicate: Replicate, each: xr.DataArray) -> xr.DataArray | None:
    """Scores by part as shares of a participant's ceiling, which is the same in all parts."""
    folds = _found(known, (replicate.folds,), replicate.dim)
    if folds is None:
        return None
    own, share = (
        values.mean([d for d in values.dims if d not in ("variant", replicate.dim)])
        for values in (known[replicate.variable], each)
    )
    # By least squares over variants: the ratio of one variant's two scores is noise where r is
    # near 0, and a ceiling is nobody's but the participant's.
    scale: xr.DataArray = (share * own).sum("variant") / (own * own).sum("variant")
    return folds * scale
