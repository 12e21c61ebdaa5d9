"""What the optional dependencies of brainpress bring, and whether it is here."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version

FOR_DEVELOPERS = frozenset({"test", "docs", "dev"})
"""Extras that no plugin needs."""


@cache
def dependencies() -> dict[str, tuple[str, ...]]:
    """Return the distributions that brainpress needs, by extra; under ``""`` those of all users."""
    from packaging.requirements import Requirement

    grouped: dict[str, list[str]] = {"": []}
    for line in requires("brainpress") or ():
        requirement = Requirement(line)
        match = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", str(requirement.marker or ""))
        extra = match[1] if match else ""
        if extra not in FOR_DEVELOPERS:
            grouped.setdefault(extra, []).append(requirement.name)
    return {extra: tuple(names) for extra, names in grouped.items()}


@cache
def lacking(extra: str) -> tuple[str, ...]:
    """Return the distributions of an extra of brainpress that are not installed.

    Parameters
    ----------
    extra : str
        Its name; empty for what needs none.

    Returns
    -------
    tuple of str
        Nothing, too, for an extra that brainpress does not have: a plugin may name its own.
    """
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in (requires("brainpress") or ()) if extra]
    return tuple(
        r.name
        for r in wanted
        if r.marker is not None
        and r.marker.evaluate({"extra": extra})
        and not r.marker.evaluate({"extra": ""})
        and not _here(r.name)
    )


def not_installed(extra: str) -> str:
    """Say what of an extra is not installed and how to install it; empty where all of it is."""
    absent = lacking(extra)
    if not absent:
        return ""
    are = "is" if len(absent) == 1 else "are"
    return f"{' and '.join(absent)} {are} not installed: pip install 'brainpress[{extra}]'"


def _here(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True
