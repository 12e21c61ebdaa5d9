"""Tables of a description as dataclasses: each value of the type that its field has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from harness.errors import DataError
from harness.own_data.bids.layout import Bids

_KINDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "str": (str, "a text"),
    "float": ((int, float), "a number"),
    "float | None": ((int, float), "a number"),
    "int": (int, "a whole number"),
    "bool": (bool, "true or false"),
    "tuple[str, ...]": (list, "a list of texts"),
    "tuple[int, ...]": (list, "a list of whole numbers"),
    "tuple[Run, ...]": (list, "tables"),
    "Bids | None": (Bids, "a table"),
}


def checked(said: Mapping[str, Any], into: type, where: str) -> dict[str, Any]:
    """Return a table's values, each of the type that its field has.

    Parameters
    ----------
    said : mapping
        The table.
    into : type
        The dataclass.
    where : str
        For messages.

    Raises
    ------
    DataError
        A field is unknown or missing, or a value has another type.
    """
    known = {f.name: f for f in fields(into)}
    if unknown := sorted(set(said) - set(known)):
        raise DataError(f"{where} says {', '.join(unknown)}", f"it may say {', '.join(known)}")
    required = [n for n, f in known.items() if f.default.__class__.__name__ == "_MISSING_TYPE"]
    if missing := [name for name in required if name not in said]:
        raise DataError(f"{where} does not say {', '.join(missing)}")
    values: dict[str, Any] = {}
    for name, value in said.items():
        kind, words = _KINDS[str(known[name].type)]
        item = {"tuple[str, ...]": str, "tuple[int, ...]": int}.get(str(known[name].type))
        wrong = not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        if wrong or (item and not all(isinstance(v, item) for v in value)):
            raise DataError(f"{where}: {name} is {value!r}", f"it must be {words}")
        values[name] = tuple(value) if isinstance(value, list) else value
    return values
