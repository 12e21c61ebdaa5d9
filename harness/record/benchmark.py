"""What a benchmark offers: two methods that it must have, and those that it may have.

A class needs to inherit nothing: what has the methods is one. The optional ones are static, because
they are asked before the data are there, when no benchmark can be made; ``options`` are those of
its spec.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from harness.record.request import Recordings, Request

if TYPE_CHECKING:
    import xarray as xr

    from harness.fetch.resource import Resource


class Benchmark(Protocol):
    """Data and a protocol. It asks, and scores the answers; it never sees a model."""

    def requests(self) -> tuple[Request, ...]:
        """Return what has to be recorded."""

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Turn the recordings into a score: a pure function of them and the benchmark's data.

        Which names of a score are read, and over which dimensions: :mod:`harness.spec.layout`.
        """


@runtime_checkable
class HasFiles(Protocol):
    """Optional: its data can be fetched (``brainpress fetch NAME``)."""

    @staticmethod
    def resources(**options: Any) -> Iterable[Resource]:
        """Return all files that the benchmark of these options needs."""


@runtime_checkable
class HasFilesByParticipant(HasFiles, Protocol):
    """Optional: the files of some participants can be fetched without the others'."""

    @staticmethod
    def resources_of(participants: tuple[str, ...], **options: Any) -> Iterable[Resource]:
        """Return the files of these participants, and those that all share.

        Parameters
        ----------
        participants : tuple of str
            In place of those among the options.
        **options
        """


@runtime_checkable
class HasParts(Protocol):
    """Optional: several workers make its score, a part each (a participant)."""

    def parts(self) -> int:
        """Return how many parts there are; 1 where the score is one piece of work."""

    def score_part(self, recordings: Recordings, part: int) -> None:
        """Do a part of the score, from 0 on, and leave it in ``here().unfinished``.

        ``score`` goes on from what is there, and gives the same to the last bit.
        """


@runtime_checkable
class HasSurface(Protocol):
    """Optional: its voxels can be drawn on the cortical surface (``brainpress map NAME``)."""

    @staticmethod
    def surface(participant: str, **options: Any) -> Any:
        """Return a scipy.sparse array (n_vertices, n_voxels) to fsaverage, left hemisphere first.

        Voxels are in the order of the benchmark's scores by voxel.
        """
