"""Scores on the surface: mapped by weights, drawn where there are any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from harness.errors import DataError
from harness.report.maps import (
    VERTICES,
    MapStyle,
    from_voxels,
    write_map,
)

FINE = 4 * VERTICES  # of a hemisphere of a finer surface


def mapper() -> scipy.sparse.csr_array:
    """Four voxels: two share a left vertex, one is on a right one, one beyond fsaverage5."""
    rows = [7, 7, FINE + 3, FINE - 1]
    return scipy.sparse.csr_array(([1.0, 3.0, 1.0, 1.0], (rows, [0, 1, 2, 3])), (2 * FINE, 4))


def test_a_vertex_is_the_weighted_mean_of_its_voxels() -> None:
    got = from_voxels([0.1, 0.5, 0.2, 0.9], mapper())
    assert got[0, 7] == pytest.approx((0.1 + 3 * 0.5) / 4)
    assert got[1, 3] == pytest.approx(0.2)
    assert np.isfinite(got).sum() == 2
    # A voxel without a score takes no part, rather than counting as 0.
    assert from_voxels([0.1, np.nan, 0.2, 0.9], mapper())[0, 7] == pytest.approx(0.1)
    with pytest.raises(DataError, match="3 scores do not fit a mapper from 4 voxels"):
        from_voxels([0.1, 0.2, 0.3], mapper())


def test_pictures_and_pages_are_written(tmp_path: Path) -> None:
    pytest.importorskip("nilearn")
    pytest.importorskip("plotly")
    values = np.full((2, VERTICES), np.nan)
    values[0, :4000] = 0.4
    style = MapStyle(title="map of a test", high=0.5)
    blank = np.full((2, VERTICES), np.nan)
    blank[1, 0] = 0.0
    full = write_map(values, tmp_path / "full.png", style).read_bytes()
    assert full.startswith(b"\x89PNG")
    from matplotlib.image import imread

    image = imread(tmp_path / "full.png")[..., :3]
    write_map(blank, tmp_path / "blank.png", style)
    changed = np.abs(image - imread(tmp_path / "blank.png")[..., :3]).sum(axis=-1) > 0.1
    left, right = np.array_split(changed[:, : int(image.shape[1] * 0.9)], 2, axis=1)
    assert left.sum() > 1000
    assert right.sum() < left.sum() / 20
    page = write_map(values, tmp_path / "map.html", style).read_text()
    assert "map of a test" in page
    assert "raw.githubusercontent" not in page


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\(2, 10242\)"):
        write_map(np.zeros((2, 5)), tmp_path / "map.png")
    with pytest.raises(DataError, match="no vertex has a value"):
        write_map(np.full((2, VERTICES), np.nan), tmp_path / "map.png")
    with pytest.raises(DataError, match=r"map\.gif"):
        write_map(np.zeros((2, VERTICES)), tmp_path / "map.gif")
