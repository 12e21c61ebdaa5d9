"""The base of benchmarks on listeners whose images lie in one space: regions are spheres."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING

from harness.encode.score.stories import PublishedStories

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr

    from harness.encode.design.sources import PartedResponses
    from harness.numeric.arrays import Doubles

    from .mni_listening import Masks
    from .mni_volumes import SphereVoxels


class MniStories(PublishedStories):
    """Stories heard by people whose images lie in one space: regions are spheres.

    A subclass says ``labels``, ``used`` and ``images``, beside the words and clocks of a
    :class:`harness.encode.score.stories.PublishedStories`.
    """

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """Names of the runs."""

    @property
    @abstractmethod
    def used(self) -> tuple[slice, ...]:
        """Volumes to use of each run."""

    @property
    @abstractmethod
    def images(self) -> Mapping[str, Sequence[SphereVoxels]]:
        """Runs of each participant, in the order of the labels."""

    @cached_property
    def arranged(self) -> tuple[PartedResponses, Masks]:
        """Responses, and the columns of each region by participant."""
        from harness.encode.score.naturalistic import Resolution

        from .mni_listening import region_responses

        return region_responses(
            self.images,
            self.used,
            self.labels,
            Resolution(self.resolution),
            tr=self.tr,
            cutoff=self.cutoff,
        )

    @property
    def source(self) -> PartedResponses:
        """Responses, read when they are asked for."""
        return self.arranged[0]

    @property
    def masks(self) -> Masks:
        """By participant, the columns of each region."""
        return self.arranged[1]

    def score_recording(self, recording: xr.DataArray) -> xr.Dataset:
        """Score a recording; by voxel against the ceiling that the other participants give."""
        from dataclasses import replace

        from harness.encode.score.naturalistic import Resolution, score_stories

        if self.resolution == Resolution.ROI:
            return super().score_recording(recording).assign_attrs(profile="strict")
        score = score_stories(
            recording,
            replace(self.data, ceilings=self.voxel_ceilings),
            self.options,
            resolution=Resolution.VOXEL,
        )
        kind = "leave-one-out inter-participant correlation" if self.voxel_ceilings else "none"
        return score.assign_attrs(ceiling_kind=kind, profile="strict")

    @cached_property
    def voxel_ceilings(self) -> dict[str, Doubles]:
        """Correlations of voxels with the others' mean, above chance; once for all models."""
        from .mni_listening import reliable_ceilings

        return reliable_ceilings(self.source)
