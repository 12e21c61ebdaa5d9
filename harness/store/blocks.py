"""Variables that are written block by block, so that none is held whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

Block = tuple[slice, ...]
Chunks = Mapping[str, tuple[int, ...]]
"""Sizes of the chunks of a variable, by its name."""


def write_blocks(
    path: Path,
    dataset: xr.Dataset,
    chunks: Chunks,
    encoding: Mapping[str, Mapping[str, Any]],
    written: Callable[[str, Block], object] | None = None,
) -> None:
    """Write a dataset; of variables with chunks no more than a chunk is read at a time.

    Parameters
    ----------
    path : Path
    dataset : Dataset
    chunks : mapping
        Of some variables.
    encoding : mapping
        Of the others, as xarray takes it.
    written : callable, optional
        Called with the name of a variable and the block of it that is written.
    """
    import netCDF4

    rest = dataset.drop_vars(list(chunks))
    rest.to_netcdf(
        path, engine="netcdf4", encoding={k: v for k, v in encoding.items() if k not in chunks}
    )
    with netCDF4.Dataset(path, "a") as file:
        for name, sizes in chunks.items():
            variable = dataset[name].variable
            dims = [str(dim) for dim in variable.dims]
            for dim, size in zip(dims, variable.shape, strict=True):
                if dim not in file.dimensions:
                    file.createDimension(dim, size)
            made = file.createVariable(
                name,
                variable.dtype,
                dims,
                chunksizes=sizes,
                fletcher32=True,
                fill_value=False,  # every value is written
            )
            made.setncatts(variable.attrs)
            if beside := sorted(str(c) for c in dataset[name].coords if c not in variable.dims):
                made.setncattr("coordinates", " ".join(beside))
            for block in blocks(variable.shape, sizes):
                made[block] = variable[block].values
                if written is not None:
                    written(name, block)


def blocks(shape: tuple[int, ...], sizes: tuple[int, ...]) -> Iterator[Block]:
    """Give the chunks of an array; along its shortest chunks first, a layer after the other.

    Parameters
    ----------
    shape : tuple of int
    sizes : tuple of int
        Of a chunk.
    """
    order = sorted(range(len(shape)), key=lambda axis: sizes[axis])
    steps = [range(0, shape[axis], sizes[axis]) for axis in order]
    for starts in product(*steps):
        found = dict(zip(order, starts, strict=True))
        yield tuple(
            slice(found[axis], min(found[axis] + sizes[axis], shape[axis]))
            for axis in range(len(shape))
        )
