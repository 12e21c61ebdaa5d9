"""The unit of a score, as sentences write it behind a difference."""

from __future__ import annotations

import re

from harness.spec.measures import ScoreMeasure

_OF_MEASURE = {ScoreMeasure.NORMALISED: "of the ceiling", ScoreMeasure.UNIQUE: "R2"}
_OF_METRIC = (
    (r"F1", ""),  # means over tasks of several metrics have no unit
    (r"^Pearson r\b", "r"),
    (r"^accuracy\b", "in accuracy"),
    (r"^bits per\b.*byte\b", "bits/byte"),
    (r"\(nats\)", "nats"),
)
"""Beginning of a benchmark's metric, and its unit; the first that fits counts."""


def unit_of(metric: str, measure: ScoreMeasure = ScoreMeasure.VALUE) -> str:
    """Return the unit of a measure; empty where the metric names none.

    Parameters
    ----------
    metric : str
        Of the benchmark's spec: ``Pearson r, mean over 6 regions``.
    measure : ScoreMeasure

    Examples
    --------
    >>> unit_of("Pearson r, mean over 6 regions")
    'r'
    """
    if measure is not ScoreMeasure.VALUE:
        return _OF_MEASURE[measure]
    return next((unit for pattern, unit in _OF_METRIC if re.search(pattern, metric)), "")


def quantity(text: str, unit: str) -> str:
    """Write a number with its unit: ``.02 r``; the number alone where there is none."""
    return f"{text} {unit}" if unit else text


def mebibytes(count: float) -> str:
    """Write a number of bytes in MiB, with three figures at least: ``57.2 MiB``, ``3,390 MiB``."""
    size = count / 2**20
    return f"{size:,.0f} MiB" if size >= 1000 else f"{size:.3g} MiB"
