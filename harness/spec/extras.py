"""What the optional dependencies of brainpress bring, and whether it is here."""

from __future__ import annotations

import re
import shlex
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

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
    return tuple(r.name for r in _own(extra) if not _here(r.name))


def not_installed(extra: str) -> str:
    """Say what of an extra is not installed and how to install it; empty where all of it is."""
    absent = lacking(extra)
    if not absent:
        return ""
    are = "is" if len(absent) == 1 else "are"
    return f"{' and '.join(absent)} {are} not installed: {install_command(extra)}"


def install_command(extra: str) -> str:
    """Write the command that installs what is lacking of an extra, or all of it if nothing is.

    It names the distributions with their bounds, so that it works wherever brainpress came from: a
    checkout, a wheel, a fork that no index has.

    Parameters
    ----------
    extra : str
        Of brainpress.

    Examples
    --------
    >>> install_command("bnb")  # doctest: +SKIP
    "pip install 'bitsandbytes>=0.49'"
    """
    wanted = _own(extra)
    absent = lacking(extra)
    named = [r for r in wanted if r.name in absent] or wanted
    return f"pip install {' '.join(shlex.quote(f'{r.name}{r.specifier}') for r in named)}"


def _own(extra: str) -> list[Requirement]:
    """Return the requirements that an extra adds to those of all users."""
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in (requires("brainpress") or ()) if extra]
    return [
        r
        for r in wanted
        if r.marker is not None
        and r.marker.evaluate({"extra": extra})
        and not r.marker.evaluate({"extra": ""})
    ]


def _here(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True
