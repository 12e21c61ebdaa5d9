"""The benchmark that a description stands for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import DataError
from harness.own_data.description import Description, read_description

if TYPE_CHECKING:
    import xarray as xr

    from harness.encode.score.naturalistic import Naturalistic
    from harness.record.request import Recordings, Request
    from harness.stimuli.passages import Passage


@dataclass(frozen=True)
class OwnData:
    """Score a recording against the responses that a ``benchmark.toml`` names.

    Parameters
    ----------
    path : str
        Of the description.
    content : str
        Checksum of everything it names; part of the key of every score.

    Raises
    ------
    DataError
        A file is not what the description says.
    """

    path: str
    content: str = ""

    def __post_init__(self) -> None:
        _ = self.passages, self.data  # faults are found when the run is planned

    @staticmethod
    def surface(participant: str, path: str, **_: object) -> Any:
        """Return the mapper (n_vertices, n_voxels) from a participant's voxels to fsaverage.

        Raises
        ------
        DataError
            The description names none, or its file is not whole.
        """
        from harness.own_data.tables import read_surface

        mappers = read_description(Path(path)).mappers
        if not mappers:
            raise DataError(
                f"{path} names no mappers",
                'add a line like: mappers = "mappers/{participant}.npz" (see docs/your-data.md)',
            )
        return read_surface(Path(path).parent, mappers.replace("{participant}", participant))

    def requests(self) -> tuple[Request, ...]:
        """Ask for the hidden states of all layers, filtered onto the volumes of every run."""
        from harness.record.context import Context
        from harness.record.request import Measure, Request
        from harness.stimuli.passages import Stimuli
        from harness.stimuli.readouts import Lanczos

        stimuli = Stimuli(self.said.name, self.passages)
        readout = Lanczos(self.clocks)
        return (Request(stimuli, Measure.HIDDEN, Context.parse(self.said.context), readout),)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Score the recording; see :func:`harness.encode.score.naturalistic.score_stories`."""
        from harness.encode.design.result import EncodingOptions
        from harness.encode.score.naturalistic import Resolution, score_stories

        (recording,) = recordings.values()
        options = EncodingOptions(
            delays=self.said.delays, n_outer=self.said.folds, gap=self.said.gap
        )
        return score_stories(recording, self.data, options, resolution=Resolution(self.said.by))

    @cached_property
    def said(self) -> Description:
        """The description."""
        return read_description(Path(self.path))

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """The words of each run."""
        from harness.own_data.tables import read_words

        return tuple(read_words(self._folder / r.events, r.name) for r in self.said.runs)

    @cached_property
    def clocks(self) -> tuple[tuple[float, ...], ...]:
        """Times of the volumes of each run, as many as the first participant has."""
        first = self._arrays[self.said.participants[0]]
        return tuple(
            tuple(run.start + self.said.tr * i for i in range(array.shape[0]))
            for run, array in zip(self.said.runs, first, strict=True)
        )

    @cached_property
    def data(self) -> Naturalistic:
        """Responses, regions, nuisance regressors."""
        import numpy as np

        from harness.encode.design.sources import Part, PartedResponses
        from harness.encode.score.naturalistic import Naturalistic, Resolution
        from harness.stimuli.nuisance import LEXICAL, lexical_nuisance

        said = self.said
        if said.by not in list(Resolution):
            raise DataError(f"{self.path}: resolution is {said.by!r}", "roi or voxel")
        for passage, clock in zip(self.passages, self.clocks, strict=True):
            self._overlap(passage, clock)
        parts = {p: [Part(a) for a in arrays] for p, arrays in self._arrays.items()}
        source = PartedResponses(parts, [r.name for r in said.runs])
        pairs = zip(self.passages, self.clocks, strict=True)
        lexical = np.concatenate([lexical_nuisance(p, c, said.language) for p, c in pairs])
        return Naturalistic(
            source,
            said.tr,
            dict(zip(LEXICAL, lexical.T, strict=True)),
            {p: self._masks(p, source.n_voxels(p)) for p in said.participants},
            cutoff=said.cutoff,
            confounds=self._confounds(),
        )

    @property
    def _folder(self) -> Path:
        path = Path(self.path)
        return path if path.is_dir() else path.parent

    @cached_property
    def _arrays(self) -> dict[str, list[Any]]:
        from harness.own_data.tables import open_array

        return {
            person: [
                open_array(self._folder, self.said.response_address(person, run.name))
                for run in self.said.runs
            ]
            for person in self.said.participants
        }

    def _confounds(self) -> dict[str, Any]:
        import numpy as np

        from harness.own_data.tables import open_array

        if not self.said.confounds:
            return {}
        found = {}
        for person in self.said.participants:
            addresses = [self.said.confound_address(person, r.name) for r in self.said.runs]
            parts = [np.asarray(open_array(self._folder, a), np.float64) for a in addresses]
            lengths = [len(array) for array in self._arrays[person]]
            if [len(part) for part in parts] != lengths:
                raise DataError(
                    f"{self.path}: confounds of {person} have {[len(p) for p in parts]} rows, the"
                    f" responses {lengths}",
                    "give a row for every volume, in every run",
                )
            if len({part.shape[1] for part in parts}) > 1:
                raise DataError(f"{self.path}: confounds of {person} differ in number by run")
            found[person] = np.concatenate(parts)
        return found

    def _masks(self, person: str, n_voxels: int) -> dict[str, Any]:
        import numpy as np

        from harness.own_data.tables import read_masks

        said = self.said
        if said.masks:
            return dict(read_masks(self._folder / said.masks.replace("{participant}", person)))
        if said.rois and len(said.rois) != n_voxels:
            raise DataError(
                f"{self.path}: {len(said.rois)} rois, and participant {person} has {n_voxels}"
                " columns",
                "name every column, or give masks",
            )
        return dict(zip(said.rois, np.eye(n_voxels, dtype=bool), strict=True)) if said.rois else {}

    def _overlap(self, passage: Passage, clock: tuple[float, ...]) -> None:
        """Refuse words and volumes that do not meet: one of the clocks is wrong."""
        last = max(passage.offsets or (0.0,))
        first = min(passage.onsets or (0.0,))
        if last < clock[0] or first > clock[-1]:
            raise DataError(
                f"{self.path}: the words of run {passage.name} last from {first:g} to {last:g} s,"
                f" its volumes from {clock[0]:g} to {clock[-1]:g} s",
                "start is the time of the first volume on the clock of the events",
            )
