"""Areas of the HCP-MMP parcellation (Glasser et al. 2016), in the voxels of a participant.

Projected onto fsaverage by Mills (2016). A voxel belongs to an area where the participant's mapper
puts a part of it on one of the area's vertices, in either hemisphere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import DataError, ExtraMissing
from harness.spec.extras import install_command

if TYPE_CHECKING:
    from harness.fetch.resource import Resource
    from harness.numeric.arrays import Bools, Texts

LANGUAGE = (
    *("A5", "44", "45", "IFJa", "IFSp", "PGi", "PGp", "PGs", "TPOJ1", "TPOJ2", "TPOJ3", "STGa"),
    *("STSda", "STSdp", "TA2", "STSva", "STSvp"),
)
"""Late language regions in the public code of the first author of Oota et al. (2026) for the same
data (subbareddy248/speech-llm-brain at 17a8e46, ``ROIS-Mapping-Normalized-Predictivity.ipynb``)."""
HEMISPHERES = {
    "lh": ("5528816", "46a102b59b2fb1bb4bd62d51bf02e975"),
    "rh": ("5528819", "75e96b331940227bbcb07c1c791c2463"),
}
"""Number of the file at figshare, and its md5, as MNE-Python 1.10 fetches them."""
LICENCE = "terms of use of HCP-MMP 1.0 (balsa.wustl.edu/WN56)"


def parcellation_files() -> tuple[Resource, ...]:
    """Return the parcellation on fsaverage, a file each hemisphere."""
    from harness.fetch.resource import Resource

    return tuple(
        Resource(
            f"{side}.HCPMMP1.annot",
            f"https://ndownloader.figshare.com/files/{number}",
            "",
            licence=LICENCE,
            where=f"fsaverage/label/{side}.HCPMMP1.annot",
            checksum=f"md5:{md5}",
        )
        for side, (number, md5) in HEMISPHERES.items()
    )


def read_areas(paths: Sequence[Path]) -> Texts:
    """Return the area of every vertex, left hemisphere first, (n_vertices,); "" outside of all.

    Parameters
    ----------
    paths : sequence of Path
        ``lh.HCPMMP1.annot`` and ``rh.HCPMMP1.annot``: names such as ``L_STSdp_ROI``.

    Raises
    ------
    DataError
        A file is no annotation.
    """
    import numpy as np

    try:
        from nibabel.freesurfer import read_annot
    except ImportError as error:
        raise ExtraMissing("nibabel is not installed", install_command("neural")) from error
    found = []
    for path in paths:
        try:
            labels, _, names = read_annot(str(path))
        except (OSError, ValueError, IndexError, TypeError) as error:
            raise DataError(f"{path} is not an annotation: {error}", "fetch it again") from error
        plain = [name.decode().removesuffix("_ROI").partition("_")[2] for name in names]
        areas = np.array([*plain, ""], object)
        found.append(areas[np.where((labels >= 0) & (labels < len(plain)), labels, -1)])
    return np.concatenate(found)


def area_masks(areas: Texts, mapper: Any, wanted: Sequence[str]) -> dict[str, Bools]:
    """Return the voxels of areas.

    Parameters
    ----------
    areas : array, shape (n_vertices,)
    mapper : csr_array, shape (n_vertices, n_voxels)
        See :func:`harness.encode.design.mappers.read_mapper`.
    wanted : sequence of str

    Raises
    ------
    DataError
        The mapper is of another surface, or an area has no voxel.
    """
    import numpy as np

    if mapper.shape[0] != len(areas):
        raise DataError(
            f"the mapper has {mapper.shape[0]} vertices, the parcellation {len(areas)}",
            "both are to be of fsaverage, 163,842 vertices a hemisphere",
        )
    masks = {}
    for area in wanted:
        rows = np.flatnonzero(areas == area)
        weight = np.asarray(abs(mapper[rows]).sum(axis=0)).ravel()
        masks[area] = np.asarray(weight > 0, bool)
        if not masks[area].any():
            raise DataError(f"no voxel projects onto area {area}", "leave the area out")
    return masks
