"""A look at the header of a classic netCDF file before anything else reads it.

Submissions use the classic format (CDF-1, CDF-2), not HDF5: it is a table of offsets and nothing
more. It has no links to other files, no filters and no time stamps, so that the same numbers are
the same bytes. What a header may still do is to declare more than there is, or to have a thousand
variables share the same bytes; this module refuses both.

The format: NetCDF Classic Format Specification, Unidata.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8}
"""Bytes of NC_BYTE, NC_CHAR, NC_SHORT, NC_INT, NC_FLOAT, NC_DOUBLE."""
_DIMENSIONS, _VARIABLES, _ATTRIBUTES = 10, 11, 12
_MOST = 4096
"""Most dimensions, variables or attributes of a list."""


@dataclass
class _Cursor:
    data: bytes
    at: int = 4

    def number(self, width: int = 4) -> int:
        if self.at + width > len(self.data):
            raise ValueError("the header is cut short")
        (value,) = struct.unpack_from(">i" if width == 4 else ">q", self.data, self.at)
        self.at += width
        return int(value)

    def skip(self, count: int) -> None:
        count += -count % 4
        if count < 0 or self.at + count > len(self.data):
            raise ValueError("the header is cut short")
        self.at += count

    def count(self, tag: int) -> int:
        """Read the tag and the length of a list."""
        found, length = self.number(), self.number()
        if (found, length) != (0, 0) and found != tag:
            raise ValueError(f"a list has the tag {found}, not {tag}")
        if not 0 <= length <= _MOST:
            raise ValueError(f"a list says that it has {length} members")
        return length


def check_header(data: bytes) -> None:
    """Make sure that a classic netCDF file declares what it holds, each byte once.

    Raises
    ------
    ValueError
        It is no such file, is cut short, has an unlimited dimension, or declares more bytes of data
        than it has.
    """
    if data[:3] != b"CDF" or data[3:4] not in (b"\x01", b"\x02"):
        raise ValueError("it is no classic netCDF file (CDF-1 or CDF-2)")
    wide = 8 if data[3] == 2 else 4
    cursor = _Cursor(data)
    if cursor.number() != 0:
        raise ValueError("it has records; submissions have none")
    sizes = []
    for _ in range(cursor.count(_DIMENSIONS)):
        cursor.skip(cursor.number())
        sizes.append(cursor.number())
    if any(size <= 0 for size in sizes):
        raise ValueError("a dimension is unlimited, empty or negative")
    _skip_attributes(cursor)
    spans = []
    for _ in range(cursor.count(_VARIABLES)):
        cursor.skip(cursor.number())
        rank = cursor.number()
        if not 0 <= rank <= 8:
            raise ValueError(f"a variable has {rank} dimensions")
        dims = [cursor.number() for _ in range(rank)]
        if any(not 0 <= d < len(sizes) for d in dims):
            raise ValueError("a variable has a dimension that is not there")
        _skip_attributes(cursor)
        item = _SIZES.get(cursor.number())
        if item is None:
            raise ValueError("a variable has a type that the format does not know")
        cursor.number()  # vsize: redundant, and not to be trusted
        begin = cursor.number(wide)
        spans.append((begin, begin + item * math.prod(sizes[d] for d in dims)))
    end = cursor.at
    for begin, stop in sorted(spans):
        if begin < end or stop > len(data):
            raise ValueError("its variables overlap, or reach beyond the end of the file")
        end = stop


def _skip_attributes(cursor: _Cursor) -> None:
    for _ in range(cursor.count(_ATTRIBUTES)):
        cursor.skip(cursor.number())
        item, length = _SIZES.get(cursor.number()), cursor.number()
        if item is None or length < 0:
            raise ValueError("an attribute has no type or no length")
        cursor.skip(item * length)
