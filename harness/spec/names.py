"""Names as users type them: several after one option, some mistyped."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

# A comma inside of brackets belongs to an option: NAME:context=strided(512,256).
_COMMA = re.compile(r",(?![^()]*\))")


def split_names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return names that stand behind each other, with commas or one by one."""
    parts = [given] if isinstance(given, str) else given or ()
    return tuple(name.strip() for part in parts for name in _COMMA.split(part) if name.strip())


def split_settings(typed: str) -> tuple[str, str]:
    """Part ``NAME:option=value;…`` at the colon before the first option.

    A name may have a colon of its own: ``sparsegpt-2:4:samples=32``.

    Returns
    -------
    tuple of str
        Name and options; no options where nothing says ``=``.
    """
    head, equals, _ = typed.partition("=")
    name, colon, _ = head.rpartition(":")
    return (name, typed[len(name) + 1 :]) if colon and equals else (typed, "")


def split_draw(name: str) -> tuple[str, str]:
    """Part the name of a draw, ``NAME#3``, at its number; no number where it is none."""
    base, mark, draw = name.rpartition("#")
    return (base, draw) if mark and draw.isdecimal() else (name, "")


def split_draws(pattern: str) -> tuple[str, tuple[int, ...]]:
    """Part ``NAME#0-4`` at the draws that it names; none where it names none."""
    base, mark, said = pattern.rpartition("#")
    found = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", said) if mark else None
    if found is None:
        return pattern, ()
    first, last = int(found[1]), int(found[2] or found[1])
    return base, tuple(range(first, last + 1))


def drawn_from(name: str) -> str:
    """Name of what a compressor is a draw of: ``gptq-int4`` of ``gptq-int4#3``; else its own."""
    return split_draw(name)[0]


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Return up to three names that somebody who wrote ``name`` may have meant.

    Names that hold what was written come first (``alice``: ``brennan2016-alice``), then those that
    are spelled alike.
    """
    offered = list(names)
    holding = [other for other in offered if len(name) > 2 and name.lower() in other.lower()]
    alike = difflib.get_close_matches(name, offered, n=3, cutoff=0.5)
    return list(dict.fromkeys([*sorted(holding, key=len), *alike]))[:3]
