"""Parcels: which voxel, vertex or grayordinate belongs to which, and what they are called."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import DataError
from harness.numeric.arrays import Bools, Floats, Ints
from harness.own_data.bids.images import load_image
from harness.stimuli.decoding import read_text

NOTHING = frozenset(("", "???", "unknown", "background", "medial_wall", "medial wall"))
"""Names of labels that are no region."""


@dataclass(frozen=True, eq=False)
class Parcels:
    """Numbers and names of regions.

    Parameters
    ----------
    numbers : array of int, shape (n_regions,)
    names : tuple of str
    """

    numbers: Ints
    names: tuple[str, ...]

    def chosen(self, wanted: Sequence[str], where: str) -> Parcels:
        """Return those whose name fits a glob, all of them for none.

        Raises
        ------
        DataError
            Nothing fits.
        """
        if not wanted:
            return self
        for pattern in wanted:
            if not any(fnmatchcase(name, pattern) for name in self.names):
                raise DataError(
                    f"{where} has no region {pattern!r}",
                    f"there are {', '.join(self.names[:8])}, …",
                )
        kept = [i for i, n in enumerate(self.names) if any(fnmatchcase(n, w) for w in wanted)]
        return Parcels(self.numbers[kept], tuple(self.names[i] for i in kept))


def volume_parcels(atlas: Path, labels: Path | None) -> Parcels:
    """Read the numbers of a NIfTI image of labels, and their names from a table.

    Raises
    ------
    DataError
        The image holds other things than whole numbers, or the table lacks one.
    """
    values = np.asarray(load_image(atlas).dataobj)
    if not np.array_equal(values, np.round(values)):
        raise DataError(f"{atlas} holds numbers that are not whole", "give an image of labels")
    numbers = np.unique(values.astype(np.int64))
    numbers = numbers[numbers != 0]
    if labels is None:
        return Parcels(numbers, tuple(f"region {n}" for n in numbers))
    named = _named(labels)
    if missing := [int(n) for n in numbers if int(n) not in named]:
        raise DataError(
            f"{labels} has no name of {', '.join(map(str, missing[:6]))}",
            f"{atlas.name} holds these numbers",
        )
    return Parcels(numbers, tuple(named[int(n)] for n in numbers))


def surface_parcels(paths: Sequence[Path]) -> tuple[Ints, Parcels]:
    """Read the labels of vertices, left hemisphere first, from GIFTI or FreeSurfer's ``.annot``.

    Returns
    -------
    labels : array of int, shape (n_vertices,)
        Position of the region of each vertex in ``Parcels.numbers``, made distinct over
        hemispheres; -1 for none.
    parcels : Parcels
    """
    columns: list[Ints] = []
    names: list[str] = []
    for path in paths:
        values, table = _surface_labels(path)
        own = np.full(len(values), -1)
        for number, name in sorted(table.items()):
            if name.strip().lower() not in NOTHING and (values == number).any():
                own[values == number] = len(names)
                names.append(name)
        columns.append(own)
    if len(set(names)) < len(names):
        half = len(set(columns[0][columns[0] >= 0]))
        names = [f"{'L' if i < half else 'R'} {name}" for i, name in enumerate(names)]
    return np.concatenate(columns), Parcels(np.arange(len(names)), tuple(names))


def dense_parcels(path: Path) -> tuple[Ints, Parcels, Any]:
    """Read a ``.dlabel.nii``: labels of grayordinates, as of vertices, and its axis."""
    image = load_image(path)
    try:
        table = image.header.get_axis(0).label[0]
        axis = image.header.get_axis(1)
    except (AttributeError, IndexError) as error:
        raise DataError(f"{path} is no .dlabel.nii") from error
    values = np.asarray(image.dataobj)[0].astype(np.int64)
    labels = np.full(len(values), -1)
    names: list[str] = []
    for number, (name, _) in sorted(table.items()):
        if name.strip().lower() not in NOTHING and (values == number).any():
            labels[values == number] = len(names)
            names.append(str(name))
    return labels, Parcels(np.arange(len(names)), tuple(names)), axis


def label_means(values: Floats, labels: Ints, numbers: Ints) -> Floats:
    """Average columns by label, leaving out those that are not finite or do not vary.

    Parameters
    ----------
    values : array, shape (n_volumes, n_columns)
    labels : array of int, shape (n_columns,)
    numbers : array of int, shape (n_regions,)

    Returns
    -------
    array, shape (n_volumes, n_regions)
        NaN where a region has no column that was measured.
    """
    usable = np.isfinite(values).all(axis=0) & (np.ptp(values, axis=0) > 0)
    means = np.full((len(values), len(numbers)), np.nan)
    for place, number in enumerate(numbers):
        members = usable & (labels == number)
        if members.any():
            means[:, place] = values[:, members].mean(axis=1, dtype=np.float64)
    return means


def masks_of(labels: Ints, parcels: Parcels) -> dict[str, Bools]:
    """Return the columns of each region, (n_columns,), by name."""
    pairs = zip(parcels.numbers, parcels.names, strict=True)
    return {name: np.asarray(labels == number) for number, name in pairs}


def _named(path: Path) -> dict[int, str]:
    try:
        rows = list(csv.DictReader(read_text(path).splitlines(), delimiter="\t"))
    except OSError as error:
        raise DataError(f"no table of labels at {path}", "mend `labels`") from error
    if not rows or not {"index", "name"} <= set(rows[0]):
        raise DataError(f"{path} lacks the columns index and name", "BIDS: atlas-….tsv, with tabs")
    try:
        return {int(float(row["index"])): str(row["name"]) for row in rows}
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: an index is no whole number: {error}") from error


def _surface_labels(path: Path) -> tuple[Ints, dict[int, str]]:
    if path.suffix == ".annot":
        from nibabel.freesurfer import read_annot

        values, _, names = read_annot(path)
        return np.asarray(values, np.int64), {i: n.decode() for i, n in enumerate(names)}
    image = load_image(path)
    try:
        values = np.asarray(image.agg_data(), np.int64)
        return values, dict(image.labeltable.get_labels_as_dict())
    except AttributeError as error:
        raise DataError(f"{path} is no .label.gii") from error
