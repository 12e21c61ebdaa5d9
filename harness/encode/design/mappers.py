"""Mappers: sparse matrices from the voxels of a participant to the cortical surface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import scipy.sparse

from harness.errors import DataError, ExtraMissing
from harness.spec.extras import install_command

Sparse = Any
"""A scipy.sparse array: scipy ships no types."""


def read_mapper(path: Path, name: str = "voxel_to_fsaverage") -> Sparse:
    """Read a mapper from the HDF5 file of a participant.

    Parameters
    ----------
    path : Path
        Holds the CSR parts ``{name}_data``, ``_indices``, ``_indptr`` and ``_shape``.
    name : str

    Returns
    -------
    csr_array, shape (n_vertices, n_voxels)
        Left hemisphere first.

    Raises
    ------
    DataError
        The file is not whole, or holds no such mapper.
    """
    try:
        import h5py
    except ImportError as error:
        raise ExtraMissing("h5py is not installed", install_command("neural")) from error
    try:
        with h5py.File(path, "r") as file:
            parts = [file[f"{name}_{part}"][()] for part in ("data", "indices", "indptr", "shape")]
    except OSError as error:
        raise DataError(f"{path} is not a whole HDF5 file: {error}", "fetch it again") from error
    except KeyError as error:
        raise DataError(f"{path} holds no mapper {name!r}") from error
    data, indices, indptr, shape = parts
    return scipy.sparse.csr_array((data, indices, indptr), shape=tuple(shape))
