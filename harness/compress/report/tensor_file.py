"""Tensors in a safetensors file that is there whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from harness.store.atomic import writing


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file.

    Parameters
    ----------
    path : Path
        The file.
    tensors : mapping
        By name; contiguous, and no two of them in one storage.
    metadata : mapping, optional
        Goes into the file's head.

    Raises
    ------
    StoreError
        The folder is full or cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with writing(path) as beside:
        try:
            save_file(dict(tensors), beside, metadata=dict(metadata or {}))
        except SafetensorError as error:
            # The library writes outside Python, and tells of a full disk in words only.
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), str(error)) from error
