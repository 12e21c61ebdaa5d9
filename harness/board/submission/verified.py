"""What verifications found, cell by cell: an entry is verified as far as its cells are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VERIFIED, PARTLY, UNVERIFIED, FAILED = "verified", "partly verified", "unverified", "failed"
_STATES = {"agrees": VERIFIED, "differs": FAILED}


def cell_state(found: Mapping[str, Any] | None, compressor: str) -> str:
    """Return what is known of one cell of an entry: ``verified``, ``unverified`` or ``failed``.

    Parameters
    ----------
    found : mapping, optional
        What is recorded beside the entry; None where nothing is.
    compressor : str
    """
    outcome = _outcomes(found).get(compressor, "")
    return _STATES.get(outcome, UNVERIFIED)


def entry_state(outcomes: Mapping[str, str], cells: int) -> str:
    """Return what is known of an entry.

    Parameters
    ----------
    outcomes : mapping
        Of the cells that were tried, by compressor.
    cells : int
        Cells of the entry that have a score.

    Returns
    -------
    str
        ``failed`` if one cell differs, ``verified`` if every cell agrees, ``partly verified`` if
        some do, else ``unverified``.
    """
    said = list(outcomes.values())
    if "differs" in said:
        return FAILED
    agreed = said.count("agrees")
    if not agreed:
        return UNVERIFIED
    return VERIFIED if agreed >= cells else PARTLY


def joined(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> dict[str, Any]:
    """Add what a verification found to what earlier ones found of other cells of the entry.

    Of a cell that was tried twice the later finding stands; that it could not be computed is none.
    """
    cells: dict[str, Any] = {}
    for found in (before, now):
        for cell in _cells(found):
            name = str(cell.get("compressor"))
            if name not in cells or cell.get("outcome") in _STATES:
                cells[name] = cell
    outcomes = {name: str(cell.get("outcome")) for name, cell in cells.items()}
    agreed = list(outcomes.values()).count("agrees")
    return {
        **now,
        "cells": list(cells.values()),
        "agreed": agreed,
        "outcome": entry_state(outcomes, int(now["of"])),
    }


def _cells(found: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    cells = (found or {}).get("cells")
    return [c for c in cells if isinstance(c, Mapping)] if isinstance(cells, list) else []


def _outcomes(found: Mapping[str, Any] | None) -> dict[str, str]:
    return {str(cell.get("compressor")): str(cell.get("outcome")) for cell in _cells(found)}
