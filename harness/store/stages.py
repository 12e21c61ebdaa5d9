"""Versions of the stages: bumped when what a stage computes changes, so nothing stale is found."""

from __future__ import annotations

RECORD = 2
"""Hidden states and log-probabilities from a variant."""
COMPRESS = 1
"""Compressed weights and their report."""
ENCODE = 2
"""Neural scores from recordings."""
PROBE = 2
"""Linguistic scores from recordings."""
