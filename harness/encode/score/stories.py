"""The base of benchmarks on stories: a subclass says where words, volumes and responses are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.encode.design.options import EncodingOptions
from harness.errors import DataError

if TYPE_CHECKING:
    import xarray as xr

    from harness.encode.design.sources import ResponseSource
    from harness.encode.design.splits import Fold
    from harness.encode.score.naturalistic import Naturalistic
    from harness.encode.voxels.stream_options import PenaltyScope
    from harness.fetch.resource import Resource
    from harness.numeric.arrays import Bools, Doubles
    from harness.record.request import Recordings, Request
    from harness.stimuli.passages import Passage


class StoryBenchmark(ABC):
    """Predict responses to stories from the hidden states of a model that reads them.

    A subclass is a frozen dataclass whose fields (with defaults) are options. It has a ``name`` and
    a ``tr``, and says ``passages``, ``clocks`` and ``source``; everything else has a default that a
    field, an attribute or a property of the subclass replaces. Whatever is missing or wrong shows
    when the benchmark is made, which is before any model is loaded.
    """

    @property
    def context(self) -> str:
        """Context policy of the recording."""
        return "strided(256,128)"

    @property
    def resolution(self) -> str:
        """``roi`` or ``voxel``."""
        return "voxel"

    @property
    def cutoff(self) -> float | None:
        """Longest period that is kept in responses, features and nuisance, s."""
        return None

    @property
    def confounds(self) -> Mapping[str, Doubles]:
        """By participant, what has nothing to do with the stimulus (motion), (n_samples, k)."""
        return {}

    @property
    def language(self) -> str:
        """Code of the language of the word frequencies."""
        return "en"

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the stimuli."""

    @property
    @abstractmethod
    def tr(self) -> float:
        """Seconds from one volume to the next."""

    @property
    @abstractmethod
    def passages(self) -> tuple[Passage, ...]:
        """The words of each run, with times on the clock of ``clocks``, s."""

    @property
    @abstractmethod
    def clocks(self) -> tuple[tuple[float, ...], ...]:
        """Middles of the volumes used, run by run, s."""

    @property
    @abstractmethod
    def source(self) -> ResponseSource:
        """Responses of all participants, in the volumes of ``clocks``."""

    @property
    def masks(self) -> Mapping[str, Mapping[str, Bools]]:
        """By participant, the voxels of each region."""
        return {}

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions that are scored, by name; none: all that every participant has."""
        return ()

    @property
    def ceilings(self) -> Mapping[str, Doubles]:
        """By participant, ceilings that were published, (n_voxels,)."""
        return {}

    @property
    def repeat_ceilings(self) -> bool:
        """Whether ceilings of regions come from repeats, where there are any; voxels' always do."""
        return False

    @property
    def encoding(self) -> EncodingOptions:
        """Delays, folds, penalties, solver: a field, where users may set them."""
        return EncodingOptions()

    @property
    def options(self) -> EncodingOptions:
        """How encoding models are fitted: ``encoding``, with what the data set demands."""
        return self.encoding

    @property
    def folds(self) -> Sequence[Fold] | None:
        """What is held out, where the data set prescribes it (a test story)."""
        return None

    @property
    def scope(self) -> PenaltyScope:
        """By voxel, who shares a penalty."""
        from harness.encode.voxels.stream_options import PenaltyScope

        return PenaltyScope.VOXEL

    def nuisance(self) -> dict[str, Doubles]:
        """Regressors that any account of the responses must beat: rate, length, frequency."""
        import numpy as np

        from harness.stimuli.nuisance import LEXICAL, lexical_nuisance

        pairs = zip(self.passages, self.clocks, strict=True)
        columns = np.concatenate([lexical_nuisance(p, c, self.language) for p, c in pairs])
        return dict(zip(LEXICAL, columns.T, strict=True))

    def bands(self) -> dict[str, dict[str, Doubles]]:
        """Regressors of further bands, for the partition of variance: where a word stands."""
        from harness.stimuli.position import bands, joined

        pairs = zip(self.passages, self.clocks, strict=True)
        return joined([bands(passage, clock) for passage, clock in pairs])

    def __post_init__(self) -> None:
        """Look at everything that is needed.

        Raises
        ------
        DataError
            An option has no such value, or a file is not what it should be.
        OfflineError
            A file is not on this machine.
        """
        from harness.encode.score.naturalistic import Resolution

        if self.resolution not in list(Resolution):
            raise DataError(f"resolution is {self.resolution!r}", "roi or voxel")
        _ = self.passages, self.data

    def requests(self) -> tuple[Request, ...]:
        """Ask for the hidden states of all layers, filtered onto the volumes of every run."""
        from harness.record.context import Context
        from harness.record.request import Measure, Request
        from harness.stimuli.passages import Stimuli
        from harness.stimuli.readouts import Lanczos

        stimuli = Stimuli(self.name, self.passages)
        context = Context.parse(self.context)
        return (Request(stimuli, Measure.HIDDEN, context, Lanczos(self.clocks)),)

    @cached_property
    def data(self) -> Naturalistic:
        """Responses, read when they are asked for; regions, ceilings, nuisance regressors."""
        from harness.encode.score.naturalistic import Naturalistic

        return Naturalistic(
            self.source,
            self.tr,
            self.nuisance(),
            self.masks,
            self.ceilings,
            cutoff=self.cutoff,
            confounds=self.confounds,
            bands=self.bands() if self.options.partition else {},
            repeat_ceilings=self.repeat_ceilings,
        )

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Score the recording; see :func:`harness.encode.score.naturalistic.score_stories`."""
        (recording,) = recordings.values()
        return self.score_recording(recording)

    def score_recording(self, recording: xr.DataArray) -> xr.Dataset:
        """Score a recording (sample, layer, unit) with the options of the benchmark."""
        from harness.encode.score.naturalistic import Resolution, score_stories

        return score_stories(
            recording,
            self.data,
            self.options,
            resolution=Resolution(self.resolution),
            folds=self.folds,
            rois=self.regions,
            scope=self.scope,
        )

    def parts(self) -> int:
        """Return the number of participants, of a score by voxel; regions are one part."""
        return len(self.data.source.participants) if self.resolution == "voxel" else 1

    def score_part(self, recordings: Recordings, part: int) -> None:
        """Take the voxels of one participant through all layers, into ``here().unfinished``."""
        from harness.encode.score.naturalistic import stream_stories

        (recording,) = recordings.values()
        stream_stories(
            recording,
            self.data,
            self.options,
            folds=self.folds,
            scope=self.scope,
            only=self.data.source.participants[part],
        )


class PublishedStories(StoryBenchmark):
    """Stories whose files are fetched: a subclass says its ``resources``."""

    @staticmethod
    @abstractmethod
    def resources(**options: Any) -> tuple[Resource, ...]:
        """Files that a benchmark with these options needs, without making one."""

    @classmethod
    def resources_of(cls, participants: tuple[str, ...], **options: Any) -> tuple[Resource, ...]:
        """Files of these participants, and those that all share."""
        return cls.resources(**{**options, "participants": participants})


def chosen(
    given: tuple[str, ...] | str, known: Collection[str], what: str = "participants"
) -> tuple[str, ...]:
    """Return names, from a tuple or from ``"01+02"``; all of them for ``all``.

    Raises
    ------
    DataError
        One is unknown, or given twice, or there is none.
    """
    if given == "all":
        return tuple(known)
    names = tuple(given.replace("+", ",").split(",") if isinstance(given, str) else given)
    if unknown := [name for name in names if name not in known]:
        raise DataError(f"no {what} {unknown}", f"there are {', '.join(known)}")
    if not names or len(set(names)) < len(names):
        raise DataError(f"{what} are {list(names)}", "name at least one, each once")
    return names


def checked_choice(value: str, allowed: Iterable[str], what: str) -> None:
    """Refuse an option that has no such value.

    Raises
    ------
    DataError
        It has none.
    """
    values = [str(one) for one in allowed]
    if value not in values:
        raise DataError(f"no {what} {value!r}", f"there are {', '.join(values)}")
