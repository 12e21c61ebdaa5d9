"""Content keys: the sha256 of the canonical JSON of whatever determines a result."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def canonical(value: Any) -> Any:
    """Reduce a value to what JSON can say, the same way every time.

    Dataclasses become mappings that carry their class name (two policies with the same fields are
    not the same policy); mappings are sorted; tuples become lists; floats that are whole numbers
    stay floats.

    Raises
    ------
    TypeError
        The value holds something with no canonical form (an array, a function, NaN).
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: canonical(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"": type(value).__name__, **fields}
    if isinstance(value, enum.Enum):
        return canonical(value.value)
    if isinstance(value, Mapping):
        return {str(k): canonical(value[k]) for k in sorted(value, key=str)}
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{value} has no canonical form")
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Sequence):
        return [canonical(v) for v in value]
    raise TypeError(f"{type(value).__name__} has no canonical form")


def canonical_json(value: Any) -> str:
    """Canonical JSON of a value: sorted keys, no spaces, UTF-8."""
    return json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_key(**parts: Any) -> str:
    """Key of a stored result: sha256 (hex) of the canonical JSON of its named parts."""
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()
