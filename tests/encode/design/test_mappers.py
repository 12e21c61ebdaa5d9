"""Mappers as they are published."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from harness.encode.design.mappers import read_mapper
from harness.errors import DataError


def test_mappers_are_read_as_they_are_published(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path, wanted = tmp_path / "mappers.hdf", scipy.sparse.csr_array(np.eye(3, 4))
    with h5py.File(path, "w") as file:
        for part in ("data", "indices", "indptr", "shape"):
            file[f"voxel_to_fsaverage_{part}"] = np.asarray(getattr(wanted, part))
    assert (read_mapper(path) != wanted).nnz == 0
    with pytest.raises(DataError, match="no mapper 'other'"):
        read_mapper(path, "other")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match="not a whole HDF5 file"):
        read_mapper(path)
