"""The benchmark that a description stands for."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.encode.design.options import EncodingOptions
from harness.encode.score.stories import StoryBenchmark
from harness.errors import DataError
from harness.own_data.description import Description, read_description

if TYPE_CHECKING:
    import xarray as xr

    from harness.encode.design.sources import PartedResponses
    from harness.encode.design.splits import Fold
    from harness.stimuli.passages import Passage


ENCODING = EncodingOptions()


@dataclass(frozen=True)
class OwnData(StoryBenchmark):
    """Score a recording against the responses that a ``benchmark.toml`` names.

    Parameters
    ----------
    path : str or path-like
        Of the description.
    encoding : EncodingOptions
        Penalties, solver: typed by their names (``solver=himalaya``). Delays, folds and gap are
        those of the description.

    Raises
    ------
    DataError
        A file is not what the description says.
    """

    path: str
    content: str = ""
    encoding: EncodingOptions = ENCODING

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_folds()
        for told in self.told:
            warnings.warn(told, stacklevel=3)

    @staticmethod
    def surface(participant: str, path: str, **_: object) -> Any:
        """Return the mapper (n_vertices, n_voxels) from a participant's voxels to fsaverage.

        Raises
        ------
        DataError
            The description names none, or its file is not whole.
        """
        from harness.own_data.tables import read_surface

        said = read_description(Path(path))
        mappers = said.mappers
        if said.is_bids and not mappers:
            from harness.own_data.responses import bids_of, surface_identity

            if (
                whole := surface_identity(bids_of(Path(path).parent, said, participant))
            ) is not None:
                return whole
        if not mappers:
            raise DataError(
                f"{path} names no mappers",
                'add a line like: mappers = "mappers/{participant}.npz" (see docs/your-data.md)',
            )
        return read_surface(Path(path).parent, mappers.replace("{participant}", participant))

    @cached_property
    def said(self) -> Description:
        """The description."""
        return read_description(Path(self.path))

    @property
    def name(self) -> str:
        """Name of the benchmark."""
        return self.said.name

    @property
    def tr(self) -> float:
        """Seconds from one volume to the next."""
        return self.said.tr

    @property
    def context(self) -> str:
        """Context policy of the recording."""
        return self.said.context

    @property
    def resolution(self) -> str:
        """``roi`` or ``voxel``."""
        return self.said.by

    @property
    def cutoff(self) -> float | None:
        """Longest period that is kept, s."""
        return self.said.cutoff

    @property
    def language(self) -> str:
        """Code of the language of the word frequencies."""
        return self.said.language

    @property
    def repeat_ceilings(self) -> bool:
        """Ceilings of regions come from repeats, where there are any."""
        return True

    @property
    def options(self) -> EncodingOptions:
        """How encoding models are fitted."""
        said = self.said
        return replace(self.encoding, delays=said.delays, n_outer=said.folds, gap=said.gap)

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """The words of each run."""
        from harness.own_data.heard import with_sound
        from harness.own_data.words import words_of_run

        read = ((run, words_of_run(self._folder, self.said, run)) for run in self.said.runs)
        return tuple(with_sound(words, self._folder, run) for run, words in read)

    def nuisance(self) -> dict[str, Any]:
        """Return what any account must beat, as the description says: words, sound, or both."""
        from harness.own_data.heard import SOUND, WORDS, sound_columns

        found = super().nuisance() if WORDS in self.said.nuisance else {}
        if SOUND in self.said.nuisance:
            found |= sound_columns(self.passages, self.clocks)
        return found

    @cached_property
    def clocks(self) -> tuple[tuple[float, ...], ...]:
        """Times of the volumes of each run, as many as the first participant who has it has."""
        each = zip(self.said.runs, *self._arrays.values(), strict=True)
        return tuple(
            tuple(
                run.start + self.said.tr * (i + run.skip)
                for i in range(next(a.shape[-2] for a in arrays if a is not None))
            )
            for run, *arrays in each
        )

    @cached_property
    def source(self) -> PartedResponses:
        """Responses, read when they are asked for."""
        from harness.encode.design.sources import PartedResponses, ResponseRows

        _ = self.told  # a transposed array is told as such, not as one of another length
        parts = {
            person: [None if array is None else ResponseRows(array) for array in arrays]
            for person, arrays in self._arrays.items()
        }
        return PartedResponses(parts, [r.name for r in self.said.runs])

    @cached_property
    def folds(self) -> tuple[Fold, ...] | None:
        """Test runs against the others, where the description names any."""
        import numpy as np

        from harness.encode.design.splits import Fold

        test = np.array([run.test for run in self.said.runs])
        if not test.any():
            return None
        held = test[np.asarray(self.source.runs)]
        return (Fold(np.flatnonzero(~held), np.flatnonzero(held)),)

    @cached_property
    def masks(self) -> dict[str, dict[str, Any]]:
        """By participant, the columns of each region."""
        return {p: self._masks(p, self.source.n_voxels(p)) for p in self.said.participants}

    @cached_property
    def told(self) -> tuple[str, ...]:
        """What is odd and can be meant: clocks that meet in part, words of another language."""
        from harness.own_data.clocks import compare_clocks
        from harness.own_data.heard import compare_sound
        from harness.own_data.responses import unsteady
        from harness.stimuli.frequency import unfamiliar

        pairs = zip(self.passages, self.clocks, strict=True)
        odd = [compare_clocks(p, clock, self.tr, self.path) for p, clock in pairs]
        odd += [compare_sound(p, self.path) for p in self.passages]
        if self.said.is_bids and (early := unsteady(self._folder, self.said)):
            odd.append(f"{self.path}: {early}")
        words = [word for passage in self.passages for word in passage.items]
        if strange := unfamiliar(words, self.language):
            odd.append(f"{self.path}: {strange}")
        return tuple(filter(None, odd))

    def score_recording(self, recording: xr.DataArray) -> xr.Dataset:
        """Score a recording; what is odd about the data goes with the score."""
        score = super().score_recording(recording)
        return score.assign_attrs(data_warnings="; ".join(self.told)) if self.told else score

    def _check_folds(self) -> None:
        """See that whoever lacks runs can be scored: parts to fit to, and parts to test on."""
        from harness.encode.design.lacking import folds_of_rows, sharing
        from harness.encode.design.splits import contiguous_folds
        from harness.encode.score.lacking import alike_for_all

        absent, runs = self.data.absent, self.source.runs
        if not absent:
            return
        alike_for_all(self.options)
        folds = self.folds or contiguous_folds(runs, self.options.n_outer, self.options.gap)
        for group in sharing(absent, self.source.participants, runs):
            folds_of_rows(folds, group.rows, group.participants)

    @property
    def _folder(self) -> Path:
        path = Path(self.path)
        return path if path.is_dir() else path.parent

    @cached_property
    def _arrays(self) -> dict[str, list[Any]]:
        from harness.own_data.responses import heard_by_all, open_run

        said = self.said
        return heard_by_all(
            said,
            {
                person: {
                    run.name: open_run(self._folder, said, person, run)
                    for run in said.runs_of(person)
                }
                for person in said.participants
            },
        )

    @cached_property
    def confounds(self) -> dict[str, Any]:
        """By participant, motion and the like, (n_samples, k), where the description names any."""
        import numpy as np

        from harness.own_data.responses import open_confounds, side_by_side

        said = self.said
        if not (said.confounds or (said.bids and said.bids.confounds)):
            return {}
        found = {}
        for person in said.participants:
            own = said.runs_of(person)
            there = {run.name: open_confounds(self._folder, said, person, run) for run in own}
            # What an absent run has is not looked at.
            parts = [
                there.get(run.name, np.empty((len(clock), 0)))
                for run, clock in zip(said.runs, self.clocks, strict=True)
            ]
            rows, lengths = [len(p) for p in parts], [len(clock) for clock in self.clocks]
            widths = {part.shape[1] for part in parts} - {0}
            if rows != lengths or (len(widths) > 1 and not said.is_bids):
                raise DataError(
                    f"{self.path}: confounds of {person} have shapes {[p.shape for p in parts]},"
                    f" the responses {lengths} volumes",
                    "give a row for every volume, and the same columns in every run",
                )
            found[person] = parts
        return side_by_side(found)

    def _masks(self, person: str, n_voxels: int) -> dict[str, Any]:
        import numpy as np

        from harness.own_data.tables import read_masks

        said = self.said
        if said.is_bids:
            from harness.own_data.responses import region_masks

            return dict(region_masks(self._folder, said, person))
        if said.masks:
            return dict(read_masks(self._folder / said.masks.replace("{participant}", person)))
        if said.rois and len(said.rois) != n_voxels:
            raise DataError(
                f"{self.path}: {len(said.rois)} rois, and participant {person} has {n_voxels}"
                " columns",
                "name every column, or give masks",
            )
        return dict(zip(said.rois, np.eye(n_voxels, dtype=bool), strict=True)) if said.rois else {}
