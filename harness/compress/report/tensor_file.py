"""Tensors in a safetensors file that is there whole or not at all, and says what it is of."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from harness.errors import CorruptError
from harness.store.atomic import writing

_NAME, _DIGEST = "brainpress-name", "brainpress-sha256"


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    *,
    name: str = "",
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
    name : str
        What the file is kept under. The head then holds it, and a sha256 of tensors, metadata and
        name, which :func:`reading_tensors` checks. Empty: neither.

    Raises
    ------
    StoreError
        The folder is full or cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    said = dict(metadata or {})
    if name:
        digest = _Digest(name, said)
        for key in sorted(tensors):
            digest.add(key, tensors[key])
        said |= {_NAME: name, _DIGEST: digest.text}
    with writing(path) as beside:
        try:
            save_file(dict(tensors), beside, metadata=said)
        except SafetensorError as error:
            # The library writes outside Python, and tells of a full disk in words only.
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), str(error)) from error


@contextmanager
def reading_tensors(
    path: Path, name: str
) -> Iterator[tuple[dict[str, str], Iterator[tuple[str, Tensor]]]]:
    """Open a file of tensors that was kept under a name, and hold it against its digest.

    Tensors are hashed as they are read, so that nothing is read twice: what is made of them is good
    when the last one has been taken and no error was raised.

    Yields
    ------
    metadata : dict
    tensors : iterator of (str, Tensor)
        All tensors, in the order of their names.

    Raises
    ------
    CorruptError
        The file was kept under another name, or its content is not what was written.
    FileNotFoundError
        It is not there.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            said = dict(file.metadata() or {})
            kept, digest = said.pop(_NAME, ""), said.pop(_DIGEST, "")
            if kept != name:
                raise _corrupt(path, f"it was kept as {kept or 'nothing'}, not as {name}")
            yield said, _hashed(path, file, _Digest(name, said), digest)
    except (SafetensorError, UnicodeDecodeError) as error:
        raise _corrupt(path, str(error)) from error


def tensor_fault(path: Path, name: str) -> str:
    """Say why a file of tensors is not what was kept under a name; nothing where it is."""
    try:
        with reading_tensors(path, name) as (_, tensors):
            for _tensor in tensors:
                pass
    except CorruptError as error:
        return error.message
    return ""


def _hashed(path: Path, file: Any, found: _Digest, digest: str) -> Iterator[tuple[str, Tensor]]:
    for key in sorted(file.keys()):
        tensor = file.get_tensor(key)
        found.add(key, tensor)
        yield key, tensor
    if found.text != digest:
        raise _corrupt(path, "its content is not what was written")


class _Digest:
    """sha256 of a name, of metadata and of tensors in the order of their names."""

    def __init__(self, name: str, metadata: Mapping[str, str]) -> None:
        self._hash = hashlib.sha256(name.encode() + b"\0")
        for key in sorted(metadata):
            self._hash.update(f"{key}\0{metadata[key]}\0".encode())

    def add(self, key: str, tensor: Tensor) -> None:
        """Add a tensor."""
        import torch

        self._hash.update(f"{key}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        self._hash.update(flat.numpy().data)

    @property
    def text(self) -> str:
        """Hexadecimal digits."""
        return self._hash.hexdigest()


def _corrupt(path: Path, why: str) -> CorruptError:
    return CorruptError(f"{path} does not fit: {why}", "remove it: it is made again")
