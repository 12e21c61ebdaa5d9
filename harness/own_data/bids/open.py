"""Responses of a participant to a run, out of volumes, surfaces or grayordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import DataError, ExtraMissing
from harness.numeric.arrays import Bools, Floats, Ints
from harness.own_data.bids.atlas import (
    Parcels,
    dense_parcels,
    label_means,
    masks_of,
    surface_parcels,
    volume_parcels,
)
from harness.own_data.bids.images import KeptArray, load_image
from harness.own_data.bids.layout import Bids, BidsFile, find_beside, find_responses
from harness.spec.extras import install_command

HEMISPHERES = ("L", "R")
FREESURFER = {"L": "lh", "R": "rh"}
AT_ONCE = 32
"""Volumes that are averaged at once, in double precision."""
BRAIN = "_desc-brain_mask.nii.gz"


@dataclass(frozen=True, eq=False)
class BidsResponses:
    """Responses of a participant, as one table ``[bids]`` says.

    Parameters
    ----------
    root : Path
        Folder of the derivatives.
    folder : Path
        Of the description: atlas, labels and mask are relative to it.
    bids : Bids
    participant : str
    runs : sequence of str
        Entities of all runs: brain masks are those of all of them.
    regions : tuple of str
        Globs of names of parcels; all for none.
    by_region : bool
        Whether columns are means of parcels; else voxels, vertices, grayordinates.
    """

    root: Path
    folder: Path
    bids: Bids
    participant: str
    runs: Sequence[str]
    regions: tuple[str, ...] = ()
    by_region: bool = True

    def files(self, run: str) -> tuple[BidsFile, ...]:
        """Return the file of the responses to a run, or those of two hemispheres."""
        return find_responses(self.root, self.bids, self.participant, run)

    def used(self, run: str) -> list[Path]:
        """Return all files that make the responses to a run."""
        return [f.path for f in self.files(run)] + [*self._atlas_files, *self._mask_files]

    def open(self, run: str) -> KeptArray:
        """Open the responses to a run, (n_volumes, n_columns).

        Raises
        ------
        DataError
            A file is missing or not whole, or atlas, mask and file are of different spaces.
        """
        files = self.files(run)
        ending = files[0].ending
        if ending == "_bold.func.gii":
            return self._surfaces(files)
        if ending.endswith("ptseries.nii"):
            return self._parcellated(files[0])
        if ending == "_bold.dtseries.nii":
            return self._grayordinates(files[0])
        return self._volumes(files[0])

    @cached_property
    def masks(self) -> dict[str, Bools]:
        """Columns of each region, (n_columns,), by name; none without an atlas."""
        ending = self.files(self.runs[0])[0].ending
        if ending.endswith("ptseries.nii"):
            _, names = self._parcel_columns(load_image(self.files(self.runs[0])[0].path))
            return _own_column(names)
        if not self.bids.atlas:
            return {}
        if self.by_region:
            return _own_column(self._parcels.names)
        if ending == "_bold.func.gii":
            return masks_of(self._surface_labels[0], self._parcels)
        if ending == "_bold.dtseries.nii":
            return masks_of(self._dense_labels, self._parcels)
        values = np.asarray(self._volume_labels.dataobj)
        return masks_of(values[self._mask_values].astype(np.int64), self._parcels)

    # Volumes

    def _volumes(self, file: BidsFile) -> KeptArray:
        image = load_image(file.path)
        if len(image.shape) != 4:
            raise DataError(f"{file.path} has shape {image.shape}", "four axes: space, volumes")
        if not np.allclose(image.affine, self._first_volume.affine, atol=1e-4) or (
            image.shape[:3] != self._first_volume.shape[:3]
        ):
            raise DataError(
                f"{file.path} has another grid than {self.files(self.runs[0])[0].path.name}",
                "take a `space` in which all runs have one grid",
            )
        n = int(image.shape[3])
        if self.by_region:
            names = ",".join(self._parcels.names)
            return KeptArray(
                (n, len(self._parcels.names)),
                [file.path, *self._atlas_files, *self._mask_files],
                f"means {names}",
                lambda: self._parcel_means(image),
            )
        return KeptArray(
            (n, int(self._mask_values.sum())),
            [file.path, *self._atlas_files, *self._mask_files],
            f"voxels {','.join(self.regions)}",
            lambda: np.asarray(_nilearn().apply_mask(image, self._mask_image), np.float32),
        )

    def _parcel_means(self, image: Any) -> Floats:
        from nilearn.maskers import NiftiLabelsMasker

        masker = NiftiLabelsMasker(
            self._volume_labels,
            mask_img=self._brain if self._mask_files else None,
            standardize=None,
            resampling_target=None,
            dtype=np.float64,
        ).fit()
        values = np.asanyarray(image.dataobj)  # read once; double precision some volumes at a time
        parts = [
            masker.transform(
                _new_image(values[..., i : i + AT_ONCE].astype(np.float64), image.affine)
            )
            for i in range(0, values.shape[3], AT_ONCE)
        ]
        means = np.concatenate(parts)
        found = {int(v): k for k, v in masker.region_ids_.items() if k != "background"}
        every = np.full((len(means), len(self._parcels.numbers)), np.nan)
        for place, number in enumerate(self._parcels.numbers):
            if int(number) in found:
                every[:, place] = means[:, found[int(number)]]
        return every

    @cached_property
    def _first_volume(self) -> Any:
        return load_image(self.files(self.runs[0])[0].path)

    @cached_property
    def _volume_labels(self) -> Any:
        """The atlas on the grid of the responses; regions that are not asked for are 0."""
        atlas = self._on_grid(load_image(self._atlas_files[0]))
        values = np.asarray(atlas.dataobj).astype(np.int32)
        kept = np.where(np.isin(values, self._parcels.numbers), values, 0).astype(np.int32)
        return _new_image(kept, self._first_volume.affine)

    @cached_property
    def _brain(self) -> Any:
        """Voxels that are in the mask, or in the brain masks of all runs."""
        images = [self._on_grid(load_image(path)) for path in self._mask_files]
        inside = np.all([np.asarray(i.dataobj) > 0 for i in images], axis=0)
        return _new_image(inside.astype(np.uint8), self._first_volume.affine)

    @cached_property
    def _mask_image(self) -> Any:
        """Voxels that are columns, in the order of nilearn's ``apply_mask``."""
        inside = np.ones(self._first_volume.shape[:3], bool)
        if self._mask_files:
            inside &= np.asarray(self._brain.dataobj) > 0
        if self.bids.atlas:
            inside &= np.asarray(self._volume_labels.dataobj) > 0
        if not inside.any():
            raise DataError(f"no voxel of {self.files(self.runs[0])[0].path} is in mask and atlas")
        return _new_image(inside.astype(np.uint8), self._first_volume.affine)

    @property
    def _mask_values(self) -> Bools:
        return np.asarray(np.asarray(self._mask_image.dataobj) > 0)

    def _on_grid(self, image: Any) -> Any:
        first = self._first_volume
        same = np.allclose(image.affine, first.affine, atol=1e-4)
        if same and image.shape[:3] == first.shape[:3]:
            return image
        from nilearn.image import resample_img

        return resample_img(
            image,
            target_affine=first.affine,
            target_shape=first.shape[:3],
            interpolation="nearest",
            force_resample=True,
            copy_header=True,
        )

    @cached_property
    def _mask_files(self) -> tuple[Path, ...]:
        """The mask that is named; by voxel without an atlas, the brain mask of every run."""
        if self.bids.mask:
            return (self.folder / self.bids.mask,)
        if self.bids.atlas or self.by_region:
            return ()
        files = [self.files(run)[0] for run in self.runs]
        if not files[0].ending.endswith(("_bold.nii.gz", "_bold.nii")):
            return ()
        found = []
        for file in files:
            mask = find_beside(self.root, file, self.participant, BRAIN)
            if mask is None:
                raise DataError(f"no *{BRAIN} beside {file.path}", "name a `mask` in [bids]")
            found.append(mask)
        return tuple(dict.fromkeys(found))

    # Surfaces

    def _surfaces(self, files: Sequence[BidsFile]) -> KeptArray:
        images = [load_image(f.path) for f in files]
        n = {len(image.darrays) for image in images}
        if len(n) != 1:
            raise DataError(f"{files[0].path.name} and {files[1].path.name} differ in volumes")
        vertices = sum(int(image.darrays[0].dims[0]) for image in images)
        paths = [f.path for f in files]

        def joined() -> Floats:
            sides = [np.stack([d.data for d in image.darrays]) for image in images]
            return np.concatenate(sides, axis=1)

        if not self.by_region:
            return KeptArray((n.pop(), vertices), paths, "vertices", joined)
        labels, _ = self._surface_labels
        if len(labels) != vertices:
            raise DataError(
                f"{self.bids.atlas} has {len(labels)} vertices, {files[0].path.name} {vertices}",
                "take an atlas of the space of the responses",
            )
        numbers = self._parcels.numbers
        return KeptArray(
            (n.pop(), len(numbers)),
            [*paths, *self._atlas_files],
            f"means {','.join(self._parcels.names)}",
            lambda: label_means(joined(), labels, numbers),
        )

    @cached_property
    def _surface_labels(self) -> tuple[Ints, Parcels]:
        return surface_parcels(self._atlas_files)

    # Grayordinates

    def _grayordinates(self, file: BidsFile) -> KeptArray:
        image = load_image(file.path)
        n, columns = (int(size) for size in image.shape)

        def values() -> Floats:
            return np.asarray(image.dataobj)

        if not self.by_region:
            return KeptArray((n, columns), [file.path], "grayordinates", values)
        numbers = self._parcels.numbers
        return KeptArray(
            (n, len(numbers)),
            [file.path, *self._atlas_files],
            f"means {','.join(self._parcels.names)}",
            lambda: label_means(values(), self._dense_labels, numbers),
        )

    @cached_property
    def _dense_labels(self) -> Ints:
        """The label of each grayordinate of the responses; -1 for none."""
        labels, _, axis = dense_parcels(self._atlas_files[0])
        where = dict(zip(_places(axis), labels, strict=True))
        own = load_image(self.files(self.runs[0])[0].path).header.get_axis(1)
        found = np.array([where.get(place, -1) for place in _places(own)])
        if not (found >= 0).any():
            raise DataError(
                f"{self.bids.atlas} and {self.files(self.runs[0])[0].path.name} share nothing",
                "take an atlas of the space of the responses",
            )
        return found

    def _parcellated(self, file: BidsFile) -> KeptArray:
        image = load_image(file.path)
        columns, _ = self._parcel_columns(image)
        return KeptArray(
            (int(image.shape[0]), len(columns)),
            [file.path],
            f"parcels {','.join(self.regions)}",
            lambda: np.asarray(image.dataobj)[:, columns],
        )

    def _parcel_columns(self, image: Any) -> tuple[Ints, tuple[str, ...]]:
        names = tuple(str(name) for name in image.header.get_axis(1).name)
        parcels = Parcels(np.arange(len(names)), names).chosen(self.regions, "the file")
        return parcels.numbers, parcels.names

    # The atlas

    @cached_property
    def _atlas_files(self) -> tuple[Path, ...]:
        atlas = self.bids.atlas
        if not atlas:
            return ()
        if "{hemi}" in atlas:
            sides = FREESURFER if atlas.endswith(".annot") else {h: h for h in HEMISPHERES}
            return tuple(self.folder / atlas.replace("{hemi}", sides[h]) for h in HEMISPHERES)
        files = [self.folder / atlas]
        return tuple(files + ([self.folder / self.bids.labels] if self.bids.labels else []))

    @cached_property
    def _parcels(self) -> Parcels:
        if not self.bids.atlas:
            raise DataError(
                "regions need an atlas", 'name one in [bids], or say resolution = "voxel"'
            )
        if "{hemi}" in self.bids.atlas:
            found = self._surface_labels[1]
        elif self.bids.atlas.endswith(".dlabel.nii"):
            found = dense_parcels(self._atlas_files[0])[1]
        else:
            names = self._atlas_files[1] if self.bids.labels else None
            found = volume_parcels(self._atlas_files[0], names)
        return found.chosen(self.regions, self.bids.atlas)


def _own_column(names: Sequence[str]) -> dict[str, Bools]:
    return dict(zip(names, np.eye(len(names), dtype=bool), strict=True))


def _places(axis: Any) -> list[tuple[str, int, int, int]]:
    """Name each grayordinate: structure and vertex, or structure and voxel."""
    rows = zip(axis.name, axis.vertex, axis.voxel, strict=True)
    found = []
    for name, vertex, voxel in rows:
        i, j, k = (int(vertex), -1, -1) if vertex >= 0 else (int(v) for v in voxel)
        found.append((str(name), i, j, k))
    return found


def _new_image(values: Any, affine: Any) -> Any:
    import nibabel

    return nibabel.Nifti1Image(values, affine)


def _nilearn() -> Any:
    try:
        from nilearn import masking
    except ImportError as error:
        raise ExtraMissing("nilearn is not installed", install_command("report")) from error
    return masking
