"""Sizes in bytes as a user writes them."""

from __future__ import annotations

import re

from harness.errors import HarnessError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def parse_size(text: str) -> int:
    """Read a size such as ``8GiB``, ``500 MB`` or ``1.5G``.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    HarnessError
        It is something else, or not above 0.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?i?)B?\s*", text)
    # Of 400 digits none is a size, and Python's floats end before.
    known = match and match[2] != "i" and len(match[1]) < 30
    size = int(float(match[1]) * _UNITS[match[2]]) if match and known else 0
    if size <= 0:
        text = text if len(text) <= 40 else f"{text[:37]}..."
        raise HarnessError(f"{text!r} is not a size", "write a number with its unit: 8GiB, 500MB")
    return size
