"""Images of responses: opened by their headers, read once, kept as arrays in the cache."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import DataError, ExtraMissing
from harness.numeric.arrays import Floats
from harness.spec.extras import install_command

VERSION = 1
"""Bumped when the same files come to be read differently."""
_NOT_WHOLE = (OSError, EOFError, ValueError, zlib.error)


def load_image(path: Path) -> Any:
    """Read the header of an image: NIfTI, GIFTI or CIFTI.

    Raises
    ------
    DataError
        It is not there, or not whole.
    ExtraMissing
        nibabel is not installed.
    """
    try:
        import nibabel
        from nibabel.filebasedimages import ImageFileError
        from nibabel.spatialimages import HeaderDataError
    except ImportError as error:
        raise ExtraMissing("nibabel is not installed", install_command("neural")) from error
    try:
        return nibabel.load(path)
    except (*_NOT_WHOLE, ImageFileError, HeaderDataError) as error:
        raise DataError(f"{path} cannot be read: {error}", "is it there, and whole?") from error


@dataclass(frozen=True, eq=False)
class KeptArray:
    """An array (n_volumes, n_columns) that is made of files once, and read from the cache then.

    A compressed image has to be read from its start, and every variant is scored on it.

    Parameters
    ----------
    shape : tuple of int
    files : sequence of Path
        What it is made of, whose contents make the key.
    what : str
        What else does.
    make : callable
        Makes the array. Means are in double precision: a baseline of 10,000 leaves single
        precision two digits fewer than the responses have.
    """

    shape: tuple[int, int]
    files: Sequence[Path]
    what: str
    make: Callable[[], Floats] = field(repr=False)

    def __getitem__(self, index: Any) -> Floats:
        """Read some of it."""
        return np.array(np.load(self.kept(), mmap_mode="r", allow_pickle=False)[index])

    def kept(self) -> Path:
        """Return the file in the cache, made if it is not there or damaged.

        Raises
        ------
        DataError
            A file is not whole.
        """
        from harness.fetch.checksum import remembered_sha256
        from harness.place.locate import cache_folder
        from harness.store.atomic import writing
        from harness.store.keys import content_key
        from harness.store.seal import fault, seal

        digests = [remembered_sha256(path) for path in self.files]
        key = content_key(stage="bids", version=VERSION, files=digests, what=self.what)
        path = cache_folder() / "volumes" / f"{key}.npy"
        if not path.is_file() or fault(path, f"volumes/{key}"):
            try:
                values = np.asarray(self.make())
            except _NOT_WHOLE as error:
                raise DataError(f"{self.files[0]} cannot be read: {error}") from error
            if values.shape != self.shape:
                raise DataError(
                    f"{self.files[0]} has {values.shape}, its header says {self.shape}",
                    "an atlas, a mask or the file is of another space",
                )
            with writing(path) as beside:
                with beside.open("wb") as stream:
                    np.save(stream, values, allow_pickle=False)
                seal(beside, f"volumes/{key}")
        return path


@dataclass(frozen=True, eq=False)
class RowsOf:
    """Some rows of an array (n_volumes, n_columns): what trimming leaves.

    Parameters
    ----------
    values : array-like
    first, n : int
        Rows.
    """

    values: Any
    first: int
    n: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows left, columns."""
        return (self.n, *self.values.shape[1:])

    def __getitem__(self, index: Any) -> Floats:
        """Read some rows of some columns."""
        rows, *columns = index if isinstance(index, tuple) else (index,)
        start, stop, step = rows.indices(self.n)
        moved = slice(start + self.first, stop + self.first, step)
        return np.asarray(self.values[(moved, *columns)])


def repetition_time(path: Path, image: Any) -> float:
    """Return the seconds from one volume to the next, as sidecar or header say; 0 for neither."""
    sidecar = path.parent / f"{path.name.split('.', 1)[0]}.json"
    if sidecar.is_file():
        try:
            said = json.loads(sidecar.read_text(encoding="utf-8")).get("RepetitionTime", 0)
            return float(said)
        except (ValueError, TypeError, AttributeError):
            return 0.0
    header: Any = getattr(image, "header", None)
    if hasattr(header, "get_axis"):  # CIFTI
        return float(getattr(header.get_axis(0), "step", 0.0))
    if not hasattr(header, "get_xyzt_units"):  # GIFTI
        return 0.0
    zooms = tuple(float(size) for size in header.get_zooms())
    unit = header.get_xyzt_units()[1]
    return zooms[3] * {"msec": 1e-3, "usec": 1e-6}.get(unit, 1.0) if len(zooms) == 4 else 0.0
