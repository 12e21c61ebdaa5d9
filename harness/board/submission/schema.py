"""What an entry's record says, field by field, and whether it does."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.board.assemble import WIDTH
from harness.board.submission.entry import SCHEMA
from harness.runner.status import Status
from harness.spec.direction import CALIBRATED, LOWER
from harness.spec.layout import KINDS
from harness.spec.layout import NUMBERS as VALUES
from harness.spec.measures import HEADLINE, MARGIN_FIELDS, WHY, ScoreMeasure

Rule = Callable[[Any], str]
"""Takes a value and says what is wrong with it; nothing where nothing is."""

NUMBERS = (*VALUES, "record_seconds", "score_seconds", "peak_memory")
STATUSES = tuple(str(status) for status in Status if status.handed_in)
"""A cell that failed is nobody's result."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:;#@+,=/ -]{0,127}")
_KEY = re.compile(r"[0-9a-f]{64}")
_INVISIBLE = ("Cc", "Cf", "Cs", "Co")


def text(most: int = 4000) -> Rule:
    """Text that a page can show: no control characters, none that reorder others."""

    def rule(value: Any) -> str:
        if not isinstance(value, str):
            return f"is {_kind(value)}, not text"
        if len(value) > most:
            return f"has {len(value):,} characters; at most {most:,}"
        bad = [c for c in value if c not in "\n\t" and unicodedata.category(c) in _INVISIBLE]
        return f"holds the invisible character {bad[0]!r}" if bad else ""

    return rule


def name(value: Any) -> str:
    """Take names as plugins have them: letters, digits and a few signs; no markup, no paths."""
    if not isinstance(value, str):
        return f"is {_kind(value)}, not a name"
    if not _NAME.fullmatch(value) or ".." in value:
        return f"is no name: {value[:60]!r}"
    return ""


def person(value: Any) -> str:
    """Take names of people and how to reach them: no markup."""
    wrong = text(200)(value)
    if not wrong and not value.strip():
        return "is empty"
    return wrong or ("holds markup" if set(value) & set("<>&\"'`") - {"'"} else "")


def key(value: Any) -> str:
    """Take a sha256 in hex."""
    return "" if isinstance(value, str) and _KEY.fullmatch(value) else "is no sha256"


def number(value: Any) -> str:
    """Take a finite number, or null for none."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"is {_kind(value)}, not a number"
    try:
        return "" if math.isfinite(value) else f"is {value}"
    except OverflowError:
        return "is too large a number"


def count(value: Any) -> str:
    """Take a whole number from 0 to 10^9."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**9:
        return f"is {str(value)[:20]}, not a count"
    return ""


def flag(value: Any) -> str:
    """Take 0 or 1."""
    return "" if value in (0, 1) and isinstance(value, int) else f"is {str(value)[:20]}, not 0 or 1"


def one_of(*allowed: str) -> Rule:
    """One of a few words."""
    return lambda value: "" if value in allowed else f"is {str(value)[:40]!r}, not of {allowed}"


def facts(value: Any) -> str:
    """Take a flat mapping of short names to texts and finite numbers."""
    if not isinstance(value, dict) or len(value) > 100:
        return "is no mapping of at most 100 names"
    for field, item in value.items():
        wrong = name(field) or (text(200_000)(item) if isinstance(item, str) else number(item))
        if wrong:
            return f"{field[:40]!r} {wrong}"
    return ""


RECORD: Mapping[str, Rule] = {
    "schema": lambda value: "" if value == SCHEMA else f"is {str(value)[:20]}; we read {SCHEMA}",
    "revision": lambda value: count(value) or ("starts at 1" if value < 1 else ""),
    "note": text(),
    "harness": text(40),
}
SUBMITTER: Mapping[str, Rule] = {"name": person, "contact": person}
PLUGIN: Mapping[str, Rule] = {
    "kind": one_of("model", "compressor", "benchmark"),
    "name": name,
    "distribution": text(200),
    "version": text(60),
    "address": text(500),
}
MODEL: Mapping[str, Rule] = {
    "name": name,
    "revision": lambda value: "" if value == "" else name(value),
    "source": text(500),
    "family": text(100),
    "control": one_of("", "untrained", "static", "autocorrelation", "speech"),
    "base": lambda value: "" if value == "" else name(value),
    "parameters": number,
    WIDTH: number,
    "tags": text(500),
    "licence": text(200),
    "citation": text(),
    "notes": text(),
}
BENCHMARK: Mapping[str, Rule] = {
    "name": name,
    "version": count,
    "kind": one_of(*KINDS),
    "metric": text(400),
    "chance": number,
    "margin": number,
    **dict.fromkeys(MARGIN_FIELDS, number),
    HEADLINE: one_of(*map(str, ScoreMeasure)),
    WHY: text(),
    "simulated": count,
    LOWER: flag,
    "licence": text(200),
    "citation": text(),
    "data": text(),
    "notes": text(),
}
COMPRESSOR: Mapping[str, Rule] = {
    "name": name,
    "method": text(100),
    "options": text(8000),
    CALIBRATED: flag,
    "tags": text(500),
    "citation": text(),
}
CELL: Mapping[str, Rule] = {
    "status": one_of(*STATUSES),
    "reason": text(),
    "key": lambda value: "" if value == "" else key(value),
    "provenance": facts,
    "compression": facts,
    **dict.fromkeys(NUMBERS, number),
}
LATER = (WIDTH, LOWER, CALIBRATED, HEADLINE, WHY, *MARGIN_FIELDS)
"""Fields that records accepted before they existed do not have."""
DETAIL: Mapping[str, Rule] = {"bytes": count, "sha256": key}


def faults(record: Mapping[str, Any]) -> Iterator[str]:
    """Say what is wrong with a record, all of it."""
    lists = {"plugins": list, "cells": list}
    groups = {"submitter": SUBMITTER, "model": MODEL, "benchmark": BENCHMARK}
    parts = {**groups, **lists, "detail": DETAIL}
    yield from _names("the record", record, {*RECORD, *parts})
    yield from _rules("", record, RECORD)
    for field, rules in groups.items():
        yield from _group(field, record.get(field), rules)
    if record.get("detail") is not None:
        yield from _group("detail", record["detail"], DETAIL)
    for field in lists:
        if not isinstance(record.get(field), list) or len(record[field]) > 2000:
            yield f"{field} is no list of at most 2000"
            return
    for i, plugin in enumerate(record["plugins"]):
        yield from _group(f"plugins[{i}]", plugin, PLUGIN)
    if not record["cells"]:
        yield "there are no cells"
    for i, cell in enumerate(record["cells"]):
        yield from _cell(f"cells[{i}]", cell)


def _cell(where: str, cell: Any) -> Iterator[str]:
    if not isinstance(cell, dict):
        yield f"{where} is {_kind(cell)}"
        return
    yield from _names(where, cell, {*CELL, "compressor"})
    yield from _rules(f"{where}.", cell, CELL)
    yield from _group(f"{where}.compressor", cell.get("compressor"), COMPRESSOR)


def _group(where: str, found: Any, rules: Mapping[str, Rule]) -> Iterator[str]:
    if not isinstance(found, dict):
        yield f"{where} is {_kind(found)}"
        return
    yield from _names(where, found, set(rules))
    yield from _rules(f"{where}.", found, rules)


def _names(where: str, found: Mapping[str, Any], wanted: set[str]) -> Iterator[str]:
    for missing in sorted(wanted - set(found) - set(LATER)):
        yield f"{where}: {missing} is missing"
    for extra in sorted(set(found) - wanted):
        yield f"{where}: {extra[:40]!r} is not a thing that it says"


def _rules(where: str, found: Mapping[str, Any], rules: Mapping[str, Rule]) -> Iterator[str]:
    for field, rule in rules.items():
        if field in found and (wrong := rule(found[field])):
            yield f"{where}{field} {wrong}"


def _kind(value: Any) -> str:
    return "missing" if value is None else f"a {type(value).__name__}"
