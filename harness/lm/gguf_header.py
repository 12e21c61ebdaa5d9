"""The header of a GGUF file: what it says of the model, and where its tensors lie.

The library's own reader makes four numpy arrays of every token of the vocabulary, 7 s for 260,000;
this one cuts the file with :mod:`struct`, .1 s. The format is that of ggml's ``docs/gguf.md``.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import ModelError

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
"""Codes of :mod:`struct` by the number of a type."""
_ALIGNMENT = "general.alignment"
_MOST = 1 << 40
"""A count above it is no count, but bytes of a damaged file."""


@dataclass(frozen=True)
class TensorEntry:
    """Where a tensor lies, and how.

    Parameters
    ----------
    name : str
    shape : tuple of int
        As numpy and torch count it: rows first.
    kind : int
        Number of its type in ggml (``gguf.GGMLQuantizationType``).
    start : int
        Byte of the file at which its data start.
    """

    name: str
    shape: tuple[int, ...]
    kind: int
    start: int

    @property
    def numbers(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """What stands before the data of a GGUF file.

    Parameters
    ----------
    fields : mapping
        Values by their key: numbers, strings, lists of these.
    tensors : tuple of TensorEntry
        In the order of the file.
    """

    fields: Mapping[str, Any] = field(repr=False)
    tensors: tuple[TensorEntry, ...] = field(repr=False)

    @property
    def architecture(self) -> str:
        """What ggml calls the architecture."""
        return str(self.fields.get("general.architecture", ""))

    @property
    def numbers(self) -> int:
        """Numbers of all tensors together."""
        return sum(tensor.numbers for tensor in self.tensors)

    def kinds(self) -> list[int]:
        """Types of the tensors, the one of the most numbers first."""
        counts = Counter[int]()
        for tensor in self.tensors:
            counts[tensor.kind] += tensor.numbers
        return [kind for kind, _ in counts.most_common()]


def read_header(path: Path) -> Header:
    """Read the header of a GGUF file.

    Raises
    ------
    ModelError
        It cannot be read, is no GGUF file, is of another version, or ends too early.
    """
    try:
        with path.open("rb") as stream:
            if (magic := stream.read(4)) != MAGIC:
                raise ModelError(f"{path} is not a GGUF file: it starts with {magic!r}")
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Cursor(data).header()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{path} cannot be read as a language model: its header is damaged ({error})",
            "remove it and copy or download it again",
        ) from error


class _Cursor:
    """A place in the file that moves on as it is read."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.at = data, len(MAGIC)

    def header(self) -> Header:
        version = self.scalar("I")
        if version not in _VERSIONS:
            raise ValueError(f"version {version}, where 2 and 3 are known")
        n_tensors, n_fields = self.count(), self.count()
        fields: dict[str, Any] = {}
        for _ in range(n_fields):
            key = self.text()
            fields[key] = self.value(self.scalar("I"))
        entries = [self.entry() for _ in range(n_tensors)]
        alignment = int(fields.get(_ALIGNMENT, 32))
        if alignment < 1:
            raise ValueError(f"an alignment of {alignment}")
        base = -(-self.at // alignment) * alignment
        tensors = tuple(
            TensorEntry(name, shape, kind, base + offset) for name, shape, kind, offset in entries
        )
        return Header(fields, tensors)

    def entry(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self.text()
        dims = self.scalar("I")
        if dims > 8:
            raise ValueError(f"{name} has {dims} dimensions")
        shape = tuple(self.count() for _ in range(dims))[::-1]  # ggml counts columns first
        return name, shape, self.scalar("I"), self.count()

    def scalar(self, code: str) -> Any:
        (value,) = struct.unpack_from(f"<{code}", self.data, self.at)
        self.at += struct.calcsize(f"<{code}")
        return value

    def count(self) -> int:
        value = int(self.scalar("Q"))
        if value > _MOST:
            raise ValueError(f"a count of {value}")
        return value

    def text(self) -> str:
        length = self.count()
        raw = self.data[self.at : self.at + length]
        if len(raw) < length:
            raise ValueError("it ends within a string")
        self.at += length
        return raw.decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            of, length = self.scalar("I"), self.count()
            if of in (_STRING, _ARRAY):
                return [self.value(of) for _ in range(length)]
            values = struct.unpack_from(f"<{length}{self.code(of)}", self.data, self.at)
            self.at += struct.calcsize(f"<{length}{self.code(of)}")
            return list(values)
        return self.scalar(self.code(kind))

    @staticmethod
    def code(kind: int) -> str:
        if kind not in _SCALARS:
            raise ValueError(f"a value of the unknown type {kind}")
        return _SCALARS[kind]
