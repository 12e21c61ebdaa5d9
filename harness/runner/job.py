"""A job: one variant with its cells, as a worker in any process gets it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.place.place import Place
from harness.runner.cells import Cell, Variant
from harness.runner.options import RunOptions
from harness.spec.specs import BenchmarkSpec


@dataclass(frozen=True)
class Job:
    """A variant with those of its cells that are to be computed.

    It pickles to a few kB: specs and settings, never arrays. Whoever does it has the rest from the
    store and the data folders that its place names.

    Parameters
    ----------
    variant : Variant
    cells : tuple of Cell
    place : Place
    options : RunOptions
    texts : tuple of BenchmarkSpec
        Benchmarks of the whole run whose stimuli a calibration text must not hold; none for a
        compressor without calibration.
    """

    variant: Variant
    cells: tuple[Cell, ...]
    place: Place
    options: RunOptions
    texts: tuple[BenchmarkSpec, ...] = ()
