"""Recordings as they grow: in memory while they are small, in files of layers where they are not.

A recording of ten hours of speech is larger than the memory of most machines (30,000 rows, 37
layers, 5,120 units: 21 GiB). Whoever scores reads one layer at a time, so that a layer is what has
to fit.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from harness.numeric.arrays import Bools, Ints, Singles
from harness.record.size import FLOAT, HELD, Shape, layer_file
from harness.store.atomic import explained

CARD_SHARE = 0.5
"""Share of a card's free memory that recordings of one pass may take."""
_DIMS = ("sample", "layer", "unit")


class Growing(Protocol):
    """A recording to which batches add."""

    def add(self, layer: int, rows: Ints, part: torch.Tensor) -> None:
        """Add to some rows, each named once, of a layer: (n_rows, units), float32.

        Raises
        ------
        NotFinite
            A value is infinite or none, where that is seen at once.
        """

    def variable(self) -> xr.Variable:
        """Return what has come together, dims (sample, layer, unit).

        Raises
        ------
        NotFinite
            A value is infinite or none.
        """


class NotFinite(Exception):
    """A value of a recording is not finite.

    Parameters
    ----------
    row : int
    """

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


def grown(shape: Shape, device: torch.device, file: Path | None, nbytes: int) -> Growing:
    """Return an empty recording.

    Parameters
    ----------
    shape : tuple
        Rows, layers, units.
    device : torch.device
        Where the model computes. Recordings of a pass that fit there are summed there, and copied
        once.
    file : Path, optional
        Folder that is made for its layers where it is too large to be held; None: held whatever
        its size.
    nbytes : int
        Bytes of all recordings of the pass.
    """
    if device.type == "cuda" and nbytes <= CARD_SHARE * torch.cuda.mem_get_info(device)[0]:
        return Held(shape, device, whole=False)
    if file is None or nbytes <= HELD:
        return Held(shape, torch.device("cpu"))
    return Filed(shape, file)


class Held:
    """In memory, of the machine or of a card, layer after layer.

    Parameters
    ----------
    shape : tuple
        Rows, layers, units.
    device : torch.device
    whole : bool
        Whether what has come together is an array of the machine; else a layer is copied when it is
        asked for.
    """

    def __init__(self, shape: Shape, device: torch.device, *, whole: bool = True) -> None:
        rows, layers, units = self._shape = shape
        self._whole = whole
        self._values = torch.zeros(layers, rows, units, device=device)

    def add(self, layer: int, rows: Ints, part: torch.Tensor) -> None:
        """See :meth:`Growing.add`; values are looked at in the end."""
        where = torch.from_numpy(rows).to(self._values.device)
        self._values[layer].index_add_(0, where, part.to(self._values.device))

    def variable(self) -> xr.Variable:
        """See :meth:`Growing.variable`."""
        bad = [
            int((~layer.isfinite().all(dim=1)).int().argmax())
            for layer in self._values
            if not layer.sum().isfinite() and not layer.isfinite().all()
        ]
        if bad:
            raise NotFinite(min(bad))
        if not self._whole:
            return _lazy(self._layer, self._shape)
        return xr.Variable(_DIMS, self._values.cpu().numpy().transpose(1, 0, 2))

    def _layer(self, layer: int, rows: int | slice, units: int | slice) -> Singles:
        found: Singles = self._values[layer].cpu().numpy()[rows, units]
        return found


class Filed:
    """In a folder of files, one for each layer.

    Parameters
    ----------
    shape : tuple
        Rows, layers, units.
    folder : Path
        Made here, and emptied.

    Raises
    ------
    StoreError
        The disk has no room for it.
    """

    def __init__(self, shape: Shape, folder: Path) -> None:
        self._rows, self._layers, self._units = shape
        self._folder = folder
        self._seen: Bools = np.zeros((self._layers, self._rows), np.bool_)
        with explained(folder.parent):
            folder.mkdir(parents=True, exist_ok=True)
            for layer in range(self._layers):
                with layer_file(folder, layer).open("wb") as file:
                    _reserve(file.fileno(), self._rows * self._units * FLOAT)

    def add(self, layer: int, rows: Ints, part: torch.Tensor) -> None:
        """See :meth:`Growing.add`."""
        values: Singles = part.cpu().numpy()
        if not len(rows):
            return
        if (bad := first_bad(values)) is not None:
            raise NotFinite(int(rows[bad]))
        width, seen = self._units * FLOAT, self._seen[layer]
        with explained(self._folder), layer_file(self._folder, layer).open("r+b") as file:
            for start, stop in _runs(rows):
                at = slice(int(rows[start]), int(rows[start]) + stop - start)
                piece = values[start:stop]
                if seen[at].any():
                    file.seek(at.start * width)
                    before = np.frombuffer(file.read(piece.nbytes), np.float32)
                    piece = before.reshape(piece.shape) + piece
                    if (bad := first_bad(piece)) is not None:  # a sum may overflow
                        raise NotFinite(at.start + bad)
                file.seek(at.start * width)
                file.write(np.ascontiguousarray(piece).data)
        seen[rows] = True

    def variable(self) -> xr.Variable:
        """See :meth:`Growing.variable`; values are read when they are asked for."""
        return _lazy(self._layer, (self._rows, self._layers, self._units))

    def _layer(self, layer: int, rows: int | slice, units: int | slice) -> Singles:
        path, shape = layer_file(self._folder, layer), (self._rows, self._units)
        return np.array(np.memmap(path, np.float32, "r", shape=shape)[rows, units])


def first_bad(values: Singles) -> int | None:
    """Return the first row that holds a value that is not finite; None where none does."""
    # One pass that makes no array of its own: a sum of finite numbers may overflow, and is then
    # looked at again.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum(dtype=np.float64)):
            return None
    bad = ~np.isfinite(values).all(axis=1)
    return int(bad.argmax()) if bad.any() else None


class _Layers(BackendArray):
    """An array (rows, layers, units) of which layers are read when they are asked for."""

    def __init__(self, layer: Callable[..., Singles], shape: Shape) -> None:
        self._layer = layer
        self.shape = shape
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[int | slice, int | slice, int | slice]) -> Singles:
        rows, layers, units = key
        if isinstance(layers, int | np.integer):
            return self._layer(int(layers), rows, units)
        found = [self._layer(i, rows, units) for i in range(self.shape[1])[layers]]
        # The axis of layers is the second, or the first where one row was asked for.
        return np.stack(found, axis=0 if isinstance(rows, int | np.integer) else 1)


def _lazy(layer: Callable[..., Singles], shape: Shape) -> xr.Variable:
    return xr.Variable(_DIMS, indexing.LazilyIndexedArray(_Layers(layer, shape)))


def _runs(rows: Ints) -> Iterator[tuple[int, int]]:
    """Give the stretches of rows that follow each other: where each begins, and where it ends."""
    breaks = (np.flatnonzero(np.diff(rows) != 1) + 1).tolist()
    yield from zip([0, *breaks], [*breaks, len(rows)], strict=True)


def _reserve(handle: int, nbytes: int) -> None:
    """Take room on the disk for a file, so that a full disk is known before a pass, not after."""
    if hasattr(os, "posix_fallocate") and nbytes:
        try:
            os.posix_fallocate(handle, 0, nbytes)
            return
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
    os.truncate(handle, nbytes)
