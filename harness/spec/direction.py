"""Which end of a benchmark's scale is the better one, and which compressors draw at random."""

from __future__ import annotations

import json
from typing import Any, Protocol

LOWER = "lower_is_better"
"""Field of a benchmark's spec, of its row on a board and of its record in a submission."""
CALIBRATED = "calibrated"
"""Likewise, of a compressor."""


class About(Protocol):
    """What a board or a record says of one benchmark or compressor: a Dataset or a mapping."""

    def __contains__(self, name: Any, /) -> bool: ...

    def __getitem__(self, name: Any, /) -> Any: ...


def lower_is_better(about: About) -> bool:
    """Whether lower values of a benchmark are better.

    Boards and records made before the field existed say so in the words of their metric.
    """
    if LOWER in about:
        return bool(about[LOWER])
    return "lower is better" in str(_plain(about["metric"])).lower()


def was_calibrated(about: About) -> bool:
    """Whether a compressor was given text to calibrate on.

    Records made before the field existed show it in their options.
    """
    if CALIBRATED in about:
        return bool(about[CALIBRATED])
    options = str(_plain(about["options"])) if "options" in about else ""
    return "calibration" in json.loads(options or "{}")


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
