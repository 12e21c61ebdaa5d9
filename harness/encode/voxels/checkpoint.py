"""What is done of a streamed analysis, on disk: a killed run goes on from it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.design.sources import ResponseSource
from harness.encode.design.targets import Split
from harness.encode.solve.tally import Tally
from harness.numeric.arrays import Floats
from harness.store.atomic import explained, writing
from harness.store.keys import content_key
from harness.store.seal import fault, seal

EVERY = 60.0
"""Seconds of work that a kill may cost, and the step that it falls into."""

SAMPLE = 16
"""Voxels of a participant that are read to tell one data set from another."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Tallies of one analysis, in a folder if in any."""

    folder: Path | None = None
    lasting: bool = False  # whether anybody could come back to the folder
    predictions: bool = False  # whether held-out predictions are kept, too
    _saved: dict[int, float] = field(default_factory=dict)

    def tally(
        self,
        number: int,
        splits: Sequence[Split],
        n_layers: int,
        n_voxels: int,
        *,
        nuisance: bool = False,
    ) -> Tally:
        """Make a participant's tally; it holds what was saved of it, if anything was."""
        file, size = None, 4 * n_voxels * sum(len(split.outer.test) for split in splits)
        if self.folder is not None and self.predictions:
            file = self.folder / f"{number}.predictions"
        whole = file is None or (file.exists() and file.stat().st_size == size)
        if file is not None and not whole:
            with explained(file.parent):
                _allocate(file, size)
        found = Tally.empty(
            splits, n_layers, n_voxels, file, nuisance=nuisance, tested=self.predictions
        )
        if whole and self.lasting and self._fits(number) and found.restore(self._path(number)):
            self._saved[number] = time.monotonic()
        return found

    def save(self, number: int, tally: Tally, *, now: bool = False) -> None:
        """Save a participant's tally, if a minute has passed or it is to be now."""
        if not self.lasting:
            return
        if not now and time.monotonic() - self._saved.get(number, -np.inf) < EVERY:
            return
        with writing(self._path(number)) as beside:
            tally.save(beside)
            seal(beside, self._label(number))
        self._saved[number] = time.monotonic()

    def _fits(self, number: int) -> bool:
        """Whether what was saved is of this analysis, and undamaged."""
        try:
            return not fault(self._path(number), self._label(number))
        except OSError:
            return False

    def _label(self, number: int) -> str:
        assert self.folder is not None
        return f"unfinished/{self.folder.name}/{number}"

    def _path(self, number: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{number}.npz"


@contextmanager
def checkpoint(
    folder: Path | None, fingerprint: str, *, predictions: bool, files: bool = False
) -> Iterator[Checkpoint]:
    """Open the checkpoint of an analysis that a fingerprint tells from others.

    ``folder`` holds a folder for each, which stays there; without it nothing lasts, and there is
    one for the time being if predictions or something else need files.
    """
    if folder is not None:
        mine = folder / fingerprint[:32]
        with explained(folder):
            mine.mkdir(parents=True, exist_ok=True)
        yield Checkpoint(mine, lasting=True, predictions=predictions)
    elif predictions or files:
        with TemporaryDirectory(prefix="brainpress-") as temporary:
            yield Checkpoint(Path(temporary), predictions=predictions)
    else:
        yield Checkpoint()


def fingerprint(
    recording: xr.DataArray,
    source: ResponseSource,
    splits: Sequence[Split],
    ceilings: Mapping[str, npt.ArrayLike] | None,
    settings: Sequence[object],
    nuisance: Floats | None = None,
    confounds: Floats | None = None,
) -> str:
    """Tell one analysis from another, by its settings and by a sample of its data.

    Of the recording the first layer counts, and the names of all; of the source shapes, and the
    first voxels of each participant. ``settings`` are whatever else changes a score, all with a
    canonical form; ``confounds`` the basis of what is taken out of everything.
    """
    data: dict[str, list[object]] = {}
    for name in source.participants:
        count = source.n_voxels(name)
        data[name] = [count, _digest(source.block(name, 0, min(count, SAMPLE)))]
        if ceilings is not None:
            data[name].append(_digest(np.asarray(ceilings[name], np.float64)))
    beside = {} if nuisance is None else {"nuisance": _digest(np.asarray(nuisance, np.float64))}
    if confounds is not None:
        beside["confounds"] = _digest(np.asarray(confounds, np.float64))
    return content_key(
        **beside,
        data=data,
        features=_digest(np.asarray(recording[:, 0].values)),
        layers=[str(layer) for layer in recording["layer"].values],
        folds=[[rows.tolist() for rows in (s.outer.train, s.outer.test)] for s in splits],
        settings=settings,
    )


def _allocate(path: Path, size: int) -> None:
    """Make an empty file of a size; a full disk says so here, not when a memory map is written."""
    with path.open("wb") as file:
        if size and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)


def _digest(array: npt.NDArray[np.generic]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
