"""What of a benchmark a difference is tested over: its participants, or its stories.

Readers of a corpus of mean reading times are averaged away before anybody sees the file: what is
left to generalise over is its texts. Words are no replicates: neighbours share a sentence, a topic
and a spill-over, so that a test over words would be sure of what a new story may not show.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["REPLICATES", "Replicate", "replicate_of"]


class _Array(Protocol):
    @property
    def dims(self) -> tuple[Hashable, ...]: ...


class _Detail(Protocol):
    def __contains__(self, name: object, /) -> bool: ...

    def __getitem__(self, name: str, /) -> _Array: ...


@dataclass(frozen=True)
class Replicate:
    """A unit that was drawn, independently of the others, from what a result is about.

    Parameters
    ----------
    dim : str
        Its dimension in a benchmark's detail.
    variable : str
        The score of each, in the unit of the benchmark's value.
    plural : str
        What n counts.
    regions, ceilings : str
        The score and the ceiling of each in each region (roi), where there are regions.
    """

    dim: str
    variable: str
    plural: str
    regions: str = ""
    ceilings: str = ""


REPLICATES = (
    Replicate("participant", "r_best", "participants", "r_best", "ceiling_loo"),
    # Of voxels and electrodes: the mean over them is no mean over regions, which differ in size.
    Replicate("participant", "participant_value", "participants", "r_roi", "ceiling_roi"),
    Replicate("story", "gain", "stories"),
)
"""In order of preference: who took part comes before what was read."""


def replicate_of(detail: _Detail | None) -> Replicate | None:
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
