"""Areas of a parcellation in voxels: on an annotation written here, against a loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from brainpress_plugins.benchmarks.neural.cortical_areas import LANGUAGE, area_masks, read_areas

from harness.errors import DataError

freesurfer = pytest.importorskip("nibabel.freesurfer")
AREAS = ("???", "A5", "44", "STSdp")


def write(path: Path, labels: list[int], side: str) -> Path:
    table = np.array([[25 * i, 10 * i, 200 - i, 0] for i in range(len(AREAS))], np.int32)
    names = [AREAS[0].encode(), *(f"{side}_{area}_ROI".encode() for area in AREAS[1:])]
    freesurfer.write_annot(path, np.array(labels, np.int32), table, names, fill_ctab=True)
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    left = write(tmp_path / "lh.annot", [1, 1, 2, 0, 3], "L")
    return [left, write(tmp_path / "rh.annot", [0, 2, 2, 1, 1], "R")]


def test_areas_of_both_hemispheres_the_left_one_first(files: list[Path]) -> None:
    found = read_areas(files)
    assert found.tolist() == ["A5", "A5", "44", "", "STSdp", "", "44", "44", "A5", "A5"]


def test_a_voxel_belongs_where_a_part_of_it_lies(files: list[Path]) -> None:
    areas = read_areas(files)
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((10, 30)) < 0.1, rng.random((10, 30)), 0.0)
    dense[[0, 2, 4], [3, 4, 5]] = 0.2
    masks = area_masks(areas, scipy.sparse.csr_array(dense), ("A5", "44", "STSdp"))
    for area, mask in masks.items():
        expected = [any(dense[v, i] for v in range(10) if areas[v] == area) for i in range(30)]
        assert mask.tolist() == expected


def test_faults(files: list[Path], tmp_path: Path) -> None:
    areas = read_areas(files)
    nothing = scipy.sparse.csr_array((10, 4))
    with pytest.raises(DataError, match="no voxel projects onto area A5"):
        area_masks(areas, nothing, ("A5",))
    with pytest.raises(DataError, match="12 vertices, the parcellation 10"):
        area_masks(areas, scipy.sparse.csr_array((12, 4)), ("A5",))
    damaged = tmp_path / "damaged.annot"
    damaged.write_bytes(files[0].read_bytes()[:30])
    with pytest.raises(DataError, match=r"damaged\.annot is not an annotation"):
        read_areas([damaged])


def test_seventeen_areas() -> None:
    assert len(set(LANGUAGE)) == len(LANGUAGE) == 17
