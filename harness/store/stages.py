"""Versions of the stages: bumped when what a stage computes changes, so nothing stale is found.

A version is in the key of what went through the stage, and in no other.
"""

from __future__ import annotations

RECORD = 3
"""Hidden states and log-probabilities from a variant."""
COMPRESS = 1
"""Compressed weights and their report."""
ENCODE = 3
"""Scores of measured responses (brain, reading times) from recordings: ``harness.encode``."""
PROBE = 3
"""Linguistic scores from recordings: ``harness.probe``."""


def version_of(stage: str) -> int:
    """Return the version of a stage by its name in small letters."""
    return int(globals()[stage.upper()])
