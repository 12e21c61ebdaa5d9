"""All the pairs, in a fixed order."""

from __future__ import annotations

from functools import cache

from harness.probe.minimal_pairs import Pair

from . import (
    discourse,
    morphology,
    reasoning,
    semantics,
    syntax,
)
from .grammar import PAIRS

#: The five categories of Holmes (Waldis et al. 2024) and their paradigms.
CATEGORIES = (
    ("morphology", morphology.PARADIGMS),
    ("syntax", syntax.PARADIGMS),
    ("semantics", semantics.PARADIGMS),
    ("reasoning", reasoning.PARADIGMS),
    ("discourse", discourse.PARADIGMS),
)


PREFERENCE = "preference"
PREFERENCES = ("place-fit", "property-fit", "pronoun-gender", "information-status", "bridging")
"""Paradigms whose bad sentences are English, and less likely: *The teacher works at the hospital*.
They stand apart from the categories, whose bad sentences are not acceptable."""


@cache
def pairs(each: int = PAIRS) -> tuple[Pair, ...]:
    """Generate the pairs.

    Parameters
    ----------
    each : int
        Pairs of each paradigm, a multiple of 4.

    Returns
    -------
    tuple of Pair
        30 paradigms x ``each`` pairs, by category and paradigm. The same on every machine. An
        identifier is ``paradigm/item`` and, where an item has several pairs, a letter.
    """
    return tuple(
        Pair(
            good,
            bad,
            paradigm.name,
            PREFERENCE if paradigm.name in PREFERENCES else category,
            f"{paradigm.name}/{number:02d}" + ("abcd"[side] if len(item) > 1 else ""),
        )
        for category, paradigms in CATEGORIES
        for paradigm in paradigms
        for number, item in enumerate(paradigm.select(each))
        for side, (good, bad) in enumerate(item)
    )
