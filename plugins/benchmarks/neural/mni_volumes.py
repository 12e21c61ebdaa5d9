"""Regions of the MNI space, read out of four-dimensional NIfTI files a volume at a time.

What is read of a file is kept in the cache, as single-precision ``.npy`` under the checksum of the
file: a compressed image has to be read from its start, and every variant is scored on it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import DataError, ExtraMissing
from harness.numeric.arrays import Bools, Ints, Singles
from harness.spec.extras import install_command

Centre = tuple[float, float, float]

REGIONS: Mapping[str, Centre] = {
    "TP": (-48, 15, -27),
    "aSTS": (-54, -12, -12),
    "pSTS": (-51, -39, 3),
    "TPJ": (-39, -57, 18),
    "IFGorb": (-45, 33, -6),
    "IFGtri": (-51, 21, 21),
}
"""Peaks of the left-hemisphere regions whose response grows with the size of constituents (Pallier,
Devauchelle & Dehaene 2011, PNAS 108, 2522-2527), mm: temporal pole, anterior and posterior superior
temporal sulcus, temporo-parietal junction, orbital and triangular inferior frontal gyrus."""
RADIUS = 10.0
"""Of the spheres around them, mm."""
VERSION = 1
"""Bumped when the same file comes to be read differently."""
_NOT_WHOLE = (OSError, EOFError, ValueError, zlib.error)


@dataclass(frozen=True)
class Image:
    """A NIfTI file of which the header has been read.

    Parameters
    ----------
    path : Path
    shape : tuple of int
        Three axes of space, then volumes.
    affine : tuple of tuple of float
        From voxel indices to mm.
    """

    path: Path
    shape: tuple[int, int, int, int]
    affine: tuple[tuple[float, ...], ...]


def open_image(path: Path) -> Image:
    """Read the header of a four-dimensional image.

    Raises
    ------
    DataError
        It is no NIfTI file, or has other dimensions.
    ExtraMissing
        nibabel is not installed.
    """
    stored = _loaded(path)
    if len(stored.shape) != 4 or 0 in stored.shape:
        raise DataError(
            f"{path} has shape {tuple(stored.shape)}; expected three axes of space and volumes",
            "give the file of a functional run",
        )
    x, y, z, volumes = (int(n) for n in stored.shape)
    affine = tuple(tuple(float(v) for v in row) for row in stored.affine)
    return Image(path, (x, y, z, volumes), affine)


def spheres(image: Image, centres: Mapping[str, Centre], radius: float) -> dict[str, Ints]:
    """Find the voxels whose middle is within a radius of each centre.

    Parameters
    ----------
    image : Image
    centres : mapping
        In mm, by name of the region.
    radius : float
        In mm.

    Returns
    -------
    dict
        By region, indices among the voxels of a volume in the order of the file (first axis
        fastest), ascending.

    Raises
    ------
    DataError
        A region is outside of the image.
    """
    found = {
        name: _sphere(image.shape[:3], image.affine, centre, radius)
        for name, centre in centres.items()
    }
    if outside := [name for name, voxels in found.items() if not len(voxels)]:
        raise DataError(
            f"{image.path}: {', '.join(outside)} has no voxel in an image of shape"
            f" {image.shape[:3]}",
            "the image is not in MNI space, or covers a part of the brain only",
        )
    return found


@dataclass(frozen=True, eq=False)
class SphereVoxels:
    """The voxels of some regions over the volumes of a run, (n_volumes, n_voxels).

    Read when they are first asked for; then from the cache.

    Parameters
    ----------
    image : Image
    members : mapping
        Ints of each region's voxels, see :func:`spheres`.
    """

    image: Image
    members: Mapping[str, Ints]

    @cached_property
    def voxels(self) -> Ints:
        """Ints of the voxels of any region, ascending."""
        return np.asarray(np.unique(np.concatenate(list(self.members.values()))))

    @property
    def shape(self) -> tuple[int, int]:
        """Volumes, voxels."""
        return self.image.shape[3], len(self.voxels)

    @property
    def masks(self) -> dict[str, Bools]:
        """Columns of each region, (n_voxels,)."""
        return {name: np.isin(self.voxels, own) for name, own in self.members.items()}

    def __getitem__(self, index: tuple[slice, slice]) -> Singles:
        """Read some volumes of some voxels."""
        return np.array(np.load(self._kept(), mmap_mode="r", allow_pickle=False)[index])

    def _kept(self) -> Path:
        from harness.fetch.checksum import remembered_sha256
        from harness.place.locate import cache_folder
        from harness.store.atomic import writing
        from harness.store.keys import content_key
        from harness.store.seal import fault, seal

        key = content_key(
            stage="mni volumes",
            version=VERSION,
            file=remembered_sha256(self.image.path),
            voxels=self.voxels.tolist(),
        )
        path = cache_folder() / "volumes" / f"{key}.npy"
        if not path.is_file() or fault(path, f"volumes/{key}"):
            values = read_voxels(self.image, self.voxels)
            with writing(path) as beside:
                with beside.open("wb") as stream:
                    np.save(stream, values, allow_pickle=False)
                seal(beside, f"volumes/{key}")
        return path


def read_voxels(image: Image, voxels: Ints) -> Singles:
    """Read some voxels of every volume, holding one volume at a time.

    Parameters
    ----------
    image : Image
    voxels : array of int, shape (n_voxels,)
        Ints in the order of the file.

    Returns
    -------
    array, shape (n_volumes, n_voxels)
        Scaled as the header says.

    Raises
    ------
    DataError
        The file ends early.
    """
    from nibabel.openers import ImageOpener

    stored = _loaded(image.path).dataobj
    n_bytes = int(np.prod(image.shape[:3])) * stored.dtype.itemsize
    values = np.empty((image.shape[3], len(voxels)), np.float32)
    try:
        with ImageOpener(image.path) as stream:
            stream.seek(stored.offset)
            for volume, row in enumerate(values):
                content = stream.read(n_bytes)
                if len(content) < n_bytes:
                    raise EOFError(f"it ends in volume {volume + 1} of {len(values)}")
                # An integer type is scaled in double precision: its offset may be large.
                raw = np.frombuffer(content, stored.dtype)[voxels].astype(np.float64)
                row[:] = raw * stored.slope + stored.inter
    except _NOT_WHOLE as error:
        raise DataError(
            f"{image.path} is not a whole NIfTI file: {error}", "remove it and fetch it again"
        ) from error
    return values


def _loaded(path: Path) -> Any:
    try:
        import nibabel
        from nibabel.filebasedimages import ImageFileError
        from nibabel.spatialimages import HeaderDataError
    except ImportError as error:
        raise ExtraMissing("nibabel is not installed", install_command("neural")) from error
    try:
        return nibabel.load(path)
    except (*_NOT_WHOLE, ImageFileError, HeaderDataError) as error:
        raise DataError(
            f"{path} is not a whole NIfTI file: {error}", "remove it and fetch it again"
        ) from error


@lru_cache(maxsize=256)
def _sphere(
    shape: tuple[int, ...],
    affine: tuple[tuple[float, ...], ...],
    centre: Centre,
    radius: float,
) -> Ints:
    """Find them in Fortran order, once for the many files that share a grid."""
    to_mm = np.asarray(affine)
    axes = np.indices(shape).reshape(3, -1, order="F")
    mm = to_mm[:3, :3] @ axes + to_mm[:3, 3:]
    near = np.square(mm - np.asarray(centre, float)[:, None]).sum(axis=0) <= radius**2
    return np.flatnonzero(near)
