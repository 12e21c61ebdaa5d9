"""A streamed analysis under way: its participants, their voxels in blocks, and what is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.encode.ceilings.voxel_ceilings import repeat_ceiling
from harness.encode.design.band import ColumnBand
from harness.encode.design.confounds import Drift, Projection
from harness.encode.design.features import zscore_by_run
from harness.encode.design.options import EncodingOptions
from harness.encode.design.sources import ResponseSource
from harness.encode.design.targets import Split, unusable_targets, usable_columns
from harness.encode.solve.plan import plan_bytes
from harness.encode.solve.tally import Tally
from harness.encode.voxels.checkpoint import Checkpoint
from harness.encode.voxels.stream_options import StreamOptions
from harness.errors import DataError, ScoreError
from harness.numeric.arrays import Doubles, Floats, Positions
from harness.place.place import here

WIDEST = 8192
"""Voxels of a block: more are not faster."""


@dataclass(frozen=True, eq=False)
class StreamJob:
    """What every step of a streamed analysis needs.

    Steps are (layer, fold), in this order; with nuisance regressors, folds of nuisance alone come
    first, as layer -1.
    """

    source: ResponseSource
    runs: npt.NDArray[Any]
    splits: tuple[Split, ...]
    options: EncodingOptions
    stream: StreamOptions
    width: int
    kept: Checkpoint
    n_layers: int
    nuisance: ColumnBand | None
    drift: Drift | None
    cleaning: Projection | None
    tallies: dict[str, Tally] = field(default_factory=dict)

    @property
    def device(self) -> str:
        """Where products are made."""
        return self.stream.device or here().found_device()

    @property
    def n_voxels(self) -> int:
        """Voxels of all participants."""
        return sum(map(self.source.n_voxels, self.source.participants))

    def number(self, name: str) -> int:
        """Return the number of a participant."""
        return self.source.participants.index(name)

    def open(self, name: str, ceilings: Mapping[str, npt.ArrayLike] | None) -> None:
        """Start a participant's tally, or go on with what was kept of it."""
        size = self.n_layers, self.source.n_voxels(name)
        beside = self.nuisance is not None
        tally = self.kept.tally(self.number(name), self.splits, *size, nuisance=beside)
        self.tallies[name] = tally
        if tally.done == 0:
            self._examine(name, None if ceilings is None else np.asarray(ceilings[name], float))

    def _examine(self, name: str, ceiling: Doubles | None) -> None:
        """Find what cannot be scored, and the ceilings; one pass over a participant's responses."""
        tally = self.tallies[name]
        if ceiling is not None:
            if ceiling.shape != tally.ceiling.shape:
                raise DataError(
                    f"participant {name} has {ceiling.size} ceilings for {tally.n_voxels} voxels"
                )
            tally.ceiling[:] = ceiling
            tally.ceiling_kind = "given"
        for block in self._slices(name):
            values = self.source.block(name, block.start, block.stop)
            for item in unusable_targets(values, self.splits, self.runs):
                tally.unusable[block.start + item.target] = item.reason
            repeats = self._repeats(name, block)
            if ceiling is None and repeats is not None:
                tally.ceiling[block] = repeat_ceiling(repeats)
                tally.ceiling_kind = "repeats"
        tally.ceiling[list(tally.unusable)] = np.nan

    def undone(self, layer: int, fold: int) -> list[str]:
        """Participants whose score of a layer in a fold is still to be made."""
        step = (layer + (self.nuisance is not None)) * len(self.splits) + fold
        return [name for name, tally in self.tallies.items() if tally.done <= step]

    def finish(self, name: str) -> None:
        """Note that a participant's step is done."""
        self.tallies[name].done += 1
        self.save(name)

    def save(self, name: str, *, now: bool = False) -> None:
        """Save a participant's tally, if a minute has passed or it is to be now."""
        self.kept.save(self.number(name), self.tallies[name], now=now)

    def blocks(self, name: str) -> Iterator[tuple[Positions, Floats]]:
        """Read a participant's usable voxels in blocks.

        Yields
        ------
        voxels : array of int, shape (n_voxels,)
            Their numbers.
        responses : array, shape (n_samples, n_voxels)
            Without confounds, z-scored by run.
        """
        for block in self._slices(name):
            usable = self.tallies[name].usable(block)
            yield usable, self._read(name, block, usable)

    def repeats(self, name: str) -> Iterator[tuple[Positions, Floats]]:
        """Read what was repeated, in blocks, of usable voxels whose repeats are all usable.

        Yields
        ------
        voxels : array of int, shape (n_voxels,)
        repeats : array, shape (n_repeats, n_rows, n_voxels)
            Without drift.
        """
        for block in self._slices(name):
            usable = self.tallies[name].usable(block)
            values = self._repeats(name, block)
            if values is None:
                return
            own = values[:, :, usable - block.start]
            known = np.isfinite(own).all(axis=(0, 1))
            if known.any():
                yield usable[known], own[:, :, known]

    def _read(self, name: str, block: slice, usable: Positions) -> Floats:
        values = self.source.block(name, block.start, block.stop)
        wanted = values[:, usable - block.start]
        if self.cleaning is not None:
            wanted = self.cleaning.rows(wanted).astype(values.dtype, copy=False)
        return zscore_by_run(wanted, self.runs)

    def _slices(self, name: str) -> Iterator[slice]:
        count = self.source.n_voxels(name)
        for start in range(0, count, self.width):
            yield slice(start, min(start + self.width, count))

    def _repeats(self, name: str, block: slice) -> Floats | None:
        """Read the repeats of a block's voxels, without drift, where there are any."""
        values = self.source.repeats(name, block.start, block.stop)
        if values is None:
            return None
        one_run = np.zeros(values.shape[1], np.int64)
        # A presentation that is missing, as zeros or a fill value, would count as noise.
        usable = np.all([usable_columns(repeat, one_run) for repeat in values], axis=0)
        cleaned = np.full(values.shape, np.nan)
        cleaned[:, :, usable] = values[:, :, usable]
        if self.drift is not None:
            slow = self.drift.projection(one_run)
            cleaned[:, :, usable] = [slow.rows(repeat) for repeat in cleaned[:, :, usable]]
        return cleaned


def block_width(
    labels: npt.NDArray[Any],
    n_units: int,
    options: EncodingOptions,
    stream: StreamOptions,
    n_columns: int = 0,
) -> int:
    """Count the voxels of a block, from what is left of the memory beside a layer's plan.

    ``labels`` are runs, (n_samples,); ``n_units`` are of a layer, ``n_columns`` delayed nuisance
    regressors. A ScoreError where nothing is left.
    """
    n = len(labels)
    memory = here().scoring_memory if stream.memory is None else stream.memory
    plan = plan_bytes(n, n_units, options)
    # A block as read, z-scored, its training rows, and what goes through the device.
    voxel = 8 * 4 * n
    if n_columns:
        # By penalty: rows for each inner fold, and while they are made a fold's inverses.
        plan += 8 * options.penalties * (2 * n * n_columns * (options.n_inner + 3))
        plan += 8 * options.penalties * (n // options.n_inner) ** 2
        # Voxels that a layer suits better, and what nuisance leaves of them.
        voxel += 8 * 2 * n
    width = (memory - plan) // voxel
    if width < 1:
        raise ScoreError(
            f"{memory / 2**30:.1f} GiB of memory do not hold a layer's plan of {plan / 2**30:.1f}"
            " GiB",
            f"allow at least {math.ceil((plan + 256 * voxel) / 2**29) / 2} GiB",
        )
    return min(width, WIDEST)
