"""Arrays on a device, and the blocks of voxels that pass through it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def put(array: npt.NDArray[Any], device: str, dtype: torch.dtype | None = None) -> Tensor:
    """Put an array on a device, in another type where one is given."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(array)).to(device, dtype)


def size(*tensors: Tensor) -> int:
    """Memory that tensors hold, in bytes."""
    return sum(t.numel() * t.element_size() for t in tensors)


def blocks(n_voxels: int, width: int) -> Iterator[slice]:
    """Slices of voxels to work on one after another, of nearly equal width."""
    step = math.ceil(n_voxels / max(1, math.ceil(n_voxels / width)))
    for start in range(0, n_voxels, max(1, step)):
        yield slice(start, start + step)
