"""What somebody who mistyped a name may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Return up to three names that somebody who wrote ``name`` may have meant.

    Names that hold what was written come first (``alice``: ``brennan2016-alice``), then those that
    are spelled alike.
    """
    offered = list(names)
    holding = [other for other in offered if len(name) > 2 and name.lower() in other.lower()]
    alike = difflib.get_close_matches(name, offered, n=3, cutoff=0.5)
    return list(dict.fromkeys([*sorted(holding, key=len), *alike]))[:3]
