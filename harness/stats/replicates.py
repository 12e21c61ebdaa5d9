"""What of a benchmark a difference is tested over: its participants, or its stories.

Readers of a corpus of mean reading times are averaged away before anybody sees the file: what is
left to generalise over is its texts. Words are no replicates: neighbours share a sentence, a topic
and a spill-over, so that a test over words would be sure of what a new story may not show.
"""

from __future__ import annotations

from harness.spec.layout import REPLICATES, Detail, Replicate

__all__ = ["REPLICATES", "Replicate", "replicate_of"]


def replicate_of(detail: Detail | None) -> Replicate | None:
    """Find what differences on a benchmark are tested over.

    Parameters
    ----------
    detail : Dataset or None
        A benchmark's group of a board.

    Returns
    -------
    Replicate or None
        None where the detail has a score of neither participants nor stories.
    """
    for known in REPLICATES:
        if detail is not None and known.variable in detail:
            return known if known.dim in detail[known.variable].dims else None
    return None
