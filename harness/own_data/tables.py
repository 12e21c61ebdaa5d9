"""Readers of the arrays that a description names."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import DataError
from harness.numeric.arrays import Bools

HDF5 = (".h5", ".hdf", ".hdf5", ".hf5")


def open_array(folder: Path, address: str) -> Any:
    """Open an array on disk, without reading it where its format allows.

    Parameters
    ----------
    folder : Path
    address : str
        ``FILE.npy``, or ``FILE:KEY`` in HDF5, netCDF, ``.npz`` or MATLAB (``.mat``).

    Returns
    -------
    array-like of two or three dimensions
        What can be sliced: a memory map, an HDF5 data set, an array. Three are (presentations,
        volumes, columns).

    Raises
    ------
    DataError
        There is no such array, or it has another number of dimensions.
    """
    from harness.encode.design.leading import without_leading_ones

    name, _, key = address.partition(":")
    path = folder / name
    if path.suffix == ".npy":
        try:
            values: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path} is not a whole .npy file: {error}") from error
    elif path.suffix in HDF5:
        from harness.encode.design.sources import hdf5_part

        values = hdf5_part(path, _key(address, key)).values
    elif path.suffix == ".nc":
        values = _netcdf(path, _key(address, key))
    elif path.suffix == ".npz":
        values = _npz(path, _key(address, key))
    elif path.suffix == ".mat":
        values = _matlab(path, _key(address, key))
    else:
        raise DataError(
            f"{path} has no format that is read here",
            ".npy, .npz, HDF5 (.h5), netCDF (.nc), MATLAB (.mat)",
        )
    values = without_leading_ones(values)
    if len(values.shape) not in (2, 3) or 0 in values.shape:
        raise DataError(
            f"{address} has shape {tuple(values.shape)}",
            "expected (volumes, voxels), or (presentations, volumes, voxels)",
        )
    return values


def read_masks(path: Path) -> dict[str, Bools]:
    """Read regions from an ``.npz`` file of arrays (n_voxels,), one a region.

    Raises
    ------
    DataError
        The file is not whole, or an array is not a mask.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: np.asarray(stored[name]) for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a whole .npz file: {error}") from error
    for name, values in arrays.items():
        if values.ndim != 1 or not np.isin(values, (0, 1)).all():
            raise DataError(f"{path}: {name} is not a mask", "0 and 1, one a voxel")
    return {name: values.astype(bool) for name, values in arrays.items()}


def read_surface(folder: Path, address: str) -> Any:
    """Read a mapper from voxels to the cortical surface.

    Parameters
    ----------
    folder : Path
    address : str
        A sparse matrix in ``.npz``, or ``FILE:NAME`` in HDF5 (see
        :func:`harness.encode.design.mappers.read_mapper`), relative to the folder.

    Returns
    -------
    csr_array, shape (n_vertices, n_voxels)

    Raises
    ------
    DataError
        The file is not there, or not whole.
    """
    import scipy.sparse

    from harness.encode.design.mappers import read_mapper

    name, _, key = address.partition(":")
    path = folder / name
    if not path.is_file():
        raise DataError(f"no mapper at {path}", "put it there, or mend `mappers`")
    if path.suffix != ".npz":
        return read_mapper(path, _key(address, key))
    try:
        return scipy.sparse.csr_array(scipy.sparse.load_npz(path))
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is not a whole sparse matrix: {error}", "scipy.sparse.save_npz writes them"
        ) from error


def _key(address: str, key: str) -> str:
    if not key:
        raise DataError(f"{address} names a file and no array in it", "write FILE:KEY")
    return key


def _netcdf(path: Path, key: str) -> Any:
    import xarray as xr

    try:
        with xr.open_dataset(path) as stored:
            if key not in stored:
                raise DataError(f"{path} holds no variable {key!r}", f"it holds {list(stored)}")
            return stored[key].values
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a whole netCDF file: {error}") from error


def _npz(path: Path, key: str) -> Any:
    try:
        with np.load(path, allow_pickle=False) as stored:
            if key not in stored.files:
                raise DataError(f"{path} holds no array {key!r}", f"it holds {stored.files}")
            return stored[key]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a whole .npz file: {error}") from error


def _matlab(path: Path, key: str) -> Any:
    """Read a matrix of MATLAB: version 7.3 is HDF5, with its axes the other way round."""
    import scipy.io
    from scipy.io.matlab import MatReadError

    try:
        stored = scipy.io.loadmat(path, variable_names=[key])
    except NotImplementedError:
        from harness.encode.design.sources import hdf5_part

        return np.asarray(hdf5_part(path, key).values).T
    except (OSError, ValueError, TypeError, IndexError, MatReadError) as error:
        raise DataError(f"{path} is not a whole .mat file: {error}") from error
    if key not in stored:
        there = [name for name, _, _ in scipy.io.whosmat(path)]
        raise DataError(f"{path} holds no matrix {key!r}", f"it holds {there}")
    values = np.asarray(stored[key])
    if values.dtype.kind not in "fiub":
        raise DataError(f"{path}: {key!r} is no matrix of numbers", "save the matrix on its own")
    return values
