"""How voxels stream: memory, device, and who shares a penalty."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class PenaltyScope(StrEnum):
    """Targets that share one penalty."""

    VOXEL = "voxel"
    PARTICIPANT = "participant"
    """One penalty for all voxels of a participant, by their mean inner score. By R2 it comes from
    cross-products of the responses, a matrix of rows by rows on disk for each outer and inner fold
    and participant."""


@dataclass(frozen=True)
class StreamOptions:
    """How voxels stream.

    Memory (bytes that may be used), device (where products are made) and folder leave scores as
    they are; their defaults are those of :func:`harness.place.place.here`. The folder keeps what is
    done, so that the same call after a kill goes on from there; it can be deleted once scores are
    safe. The seed is of the permutations behind p-values.
    """

    memory: int | None = None
    device: str | None = None
    folder: Path | None = None
    scope: PenaltyScope = PenaltyScope.VOXEL
    seed: int = 0


STREAM = StreamOptions()
