"""Arrays that take minutes to compute and are the same for every model: kept in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from harness.place.locate import cache_folder
from harness.store.atomic import writing
from harness.store.keys import content_key
from harness.store.seal import fault, seal

Kept = TypeVar("Kept", bound=npt.NDArray[Any])


def kept(compute: Callable[[], Kept], **content: Any) -> Kept:
    """Compute an array, or find it in the cache.

    Parameters
    ----------
    compute : callable
    content : object
        What determines the array, as JSON: names and numbers.

    Raises
    ------
    StoreError
        The cache cannot be written.
    """
    key = content_key(**content)
    path = cache_folder() / "electrodes" / f"{key}.npy"
    if not path.is_file() or fault(path, f"electrodes/{key}"):
        values = compute()
        with writing(path) as beside:
            with beside.open("wb") as stream:
                np.save(stream, values, allow_pickle=False)
            seal(beside, f"electrodes/{key}")
    found: Kept = np.load(path, allow_pickle=False)
    return found


def digest_of_arrays(arrays: Sequence[npt.NDArray[Any]]) -> str:
    """Return the sha256 of some arrays: shapes, types and values."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
