"""Listeners whose images lie in one space: responses of regions or voxels, and their ceilings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.encode.ceilings.cross_fit import Z_VOXEL
from harness.encode.design.features import highpass, zscore_by_run
from harness.encode.design.sources import PartedResponses, ResponseRows
from harness.encode.design.targets import usable_columns
from harness.encode.score.naturalistic import Resolution
from harness.errors import DataError
from harness.numeric.arrays import Bools, Doubles

from .mni_volumes import SphereVoxels

if TYPE_CHECKING:
    from harness.encode.design.sources import ResponseSource

Masks = dict[str, dict[str, Bools]]
BLOCK = 128
"""Voxels whose ceilings are computed at once."""


@dataclass(frozen=True, eq=False)
class SphereMeans:
    """Mean of each region's z-scored voxels, (n_volumes, n_regions).

    NaN where a region has no voxel that is finite and varies: outside of the brain images are 0.

    Parameters
    ----------
    voxels : SphereVoxels
    """

    voxels: SphereVoxels

    @property
    def shape(self) -> tuple[int, int]:
        """Volumes, regions."""
        return self.voxels.shape[0], len(self.voxels.members)

    def __getitem__(self, index: tuple[slice, slice]) -> Doubles:
        """Average over the volumes asked for."""
        rows, columns = index
        values = self.voxels[rows, slice(None)].astype(np.float64)
        usable = np.isfinite(values).all(axis=0) & (np.ptp(values, axis=0) > 0)
        means = np.full((len(values), self.shape[1]), np.nan)
        for number, mask in enumerate(self.voxels.masks.values()):
            chosen = values[:, mask & usable]
            if chosen.shape[1]:
                means[:, number] = zscore_by_run(chosen, np.zeros(len(values), int)).mean(axis=1)
        return means[:, columns]


@dataclass(frozen=True, eq=False)
class HighPassed:
    """Voxels without what is slower than a period, in the volumes asked for.

    Parameters
    ----------
    voxels : SphereVoxels
    tr : float
        Seconds from one volume to the next.
    cutoff : float
        Longest period that is kept, s.
    """

    voxels: SphereVoxels
    tr: float
    cutoff: float

    @property
    def shape(self) -> tuple[int, int]:
        """Volumes, voxels."""
        return self.voxels.shape

    def __getitem__(self, index: tuple[slice, slice]) -> Doubles:
        """Read and filter some volumes of some voxels; what was not measured there is NaN."""
        values = self.voxels[index].astype(np.float64)
        run = np.zeros(len(values), np.int64)
        # Filtering a fill value leaves rounding, which looks like a signal.
        values[:, ~usable_columns(values, run)] = np.nan
        return np.asarray(highpass(values, run, self.tr, self.cutoff))


def region_responses(
    runs: Mapping[str, Sequence[SphereVoxels]],
    rows: Sequence[slice],
    labels: Sequence[str],
    resolution: Resolution,
    *,
    tr: float,
    cutoff: float | None,
) -> tuple[PartedResponses, Masks]:
    """Arrange runs for scoring by region or by voxel.

    Parameters
    ----------
    runs : mapping
        Of each participant, in the order of ``labels``.
    rows : sequence of slice
        Volumes to use of each run.
    labels : sequence of str
        Names of the runs.
    resolution : Resolution
        ``ROI``: a column is the mean of a region, and images may have different grids.
    tr : float
        Seconds from one volume to the next.
    cutoff : float, optional
        Longest period that is kept in voxels, s. (Means of regions are filtered when they are
        scored, see :class:`harness.encode.score.naturalistic.Naturalistic`.)

    Returns
    -------
    source : PartedResponses
    masks : dict
        By participant, the columns of each region.

    Raises
    ------
    DataError
        By voxel, an image has another grid than the first one.
    """
    parts: dict[str, list[ResponseRows]] = {}
    masks: Masks = {}
    first = next(iter(runs.values()))[0].image
    for person, own in runs.items():
        if resolution is Resolution.ROI:
            names = tuple(own[0].members)
            masks[person] = dict(zip(names, np.eye(len(names), dtype=bool), strict=True))
            columns: list[Any] = [SphereMeans(run) for run in own]
        else:
            for run in own:
                if (run.image.shape[:3], run.image.affine) != (first.shape[:3], first.affine):
                    raise DataError(
                        f"{person}: {run.image.path.name} has other voxels than {first.path.name}",
                        "score regions (resolution=roi), or choose runs that were scanned alike",
                    )
            masks[person] = own[0].masks
            columns = [run if cutoff is None else HighPassed(run, tr, cutoff) for run in own]
        parts[person] = [ResponseRows(c, r) for c, r in zip(columns, rows, strict=True)]
    return PartedResponses(parts, labels), masks


SHIFTS = 8
"""Circular shifts of the others behind what a voxel's ceiling would be by chance."""


def reliable_ceilings(source: ResponseSource) -> dict[str, Doubles]:
    """Make ceilings as :func:`voxel_ceilings` does, of voxels that share more than chance would.

    Returns
    -------
    dict
        By participant, (n_voxels,); NaN where the correlation is not above what circular shifts of
        the others' mean give (p < .01).
    """
    n_rows = len(source.runs)
    shifts = np.linspace(0, n_rows, SHIFTS + 2).astype(int)[1:-1]
    square = {person: np.zeros(source.n_voxels(person)) for person in source.participants}
    for shift in shifts:
        for person, values in voxel_ceilings(source, int(shift)).items():
            square[person] += values**2 / len(shifts)
    found = voxel_ceilings(source)
    return {
        person: np.where(values > Z_VOXEL * np.sqrt(square[person]), values, np.nan)
        for person, values in found.items()
    }


def voxel_ceilings(source: ResponseSource, shift: int = 0) -> dict[str, Doubles]:
    """Correlate each participant's voxels with the mean of the others', where they are usable.

    A lower bound on the ceiling of a participant (Nili et al. 2014), for participants whose voxels
    are those of one space.

    Parameters
    ----------
    source : ResponseSource
    shift : int
        Rows that the others' mean is shifted by, circularly: for what chance gives.

    Returns
    -------
    dict
        By participant, (n_voxels,); NaN where a voxel cannot be used. Empty for fewer than three
        participants.
    """
    people = source.participants
    if len(people) < 3:
        return {}
    n_voxels = source.n_voxels(people[0])
    ceilings = np.full((len(people), n_voxels), np.nan)
    for start in range(0, n_voxels, BLOCK):
        stop = min(start + BLOCK, n_voxels)
        each = []
        for person in people:
            block = np.asarray(source.block(person, start, stop), np.float64)
            usable = usable_columns(block, source.runs)
            each.append(zscore_by_run(np.where(usable, block, 0.0), source.runs))
        z = np.nan_to_num(np.stack(each))
        others = np.roll(z.sum(axis=0) - z, shift, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            ceilings[:, start:stop] = (z * others).sum(axis=1) / np.sqrt(
                np.square(z).sum(axis=1) * np.square(others).sum(axis=1)
            )
    return dict(zip(people, ceilings, strict=True))
