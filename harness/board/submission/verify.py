"""Cells of a submission computed again, from public inputs, in a store that holds nothing."""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from harness.board.submission.entry import Entry
from harness.board.submission.inputs import selection_of
from harness.board.submission.verified import entry_state
from harness.errors import ChecksumError, HarnessError, SubmissionError
from harness.place.place import Place
from harness.runner.options import RunOptions
from harness.runner.provenance import versions
from harness.runner.select import Selection
from harness.runner.status import Status
from harness.spec.registry import Registry

if TYPE_CHECKING:
    from harness.runner.progress import Progress

Run = Callable[[Selection, RunOptions, Place, "Progress | None"], xr.DataTree]
"""Computes a selection at a place and returns its board."""
MOST_BYTES = 64 * 2**30
"""Of one file at an address that a submitter names."""
MOST_SECONDS = 6 * 3600.0
"""For one file or repository that a submitter names."""
SHARE_OF_MARGIN = 0.1
"""A cell agrees when it comes back within this share of the benchmark's margin of equivalence."""
TOLERANCE = 0.002
"""Where a benchmark states no margin."""
HALF_PRECISION = 5.0
"""How much wider for bfloat16 and float16, whose rounding differs between devices."""
DETAIL = 5.0
"""How much wider for the root mean square of the detail, which is not averaged over people.

A variable whose values are larger than 1 (bits of a code, milliseconds) is compared relative to
their root mean square: the order in which a processor sums moves a code of 700 bits by a tenth of
a bit.
"""
REDRAWN = 5.0
"""How much wider for weights that were compressed by calibration.

GPTQ decides weights one after another, each for the errors of those before it, and later blocks for
what earlier ones do: sums in another order, as another processor makes them, end in other weights,
of another draw from the same method.
"""
REDRAWN_SPREAD = 1.0
"""What the root mean square may be there, as a share of the standard deviation of a variable's own
values: draws agree on averages, and on who scores high on what, not on every pair of sentences.

Scores that changed hands differ by 1.4 of it. The mean brain of six regions, whose layer is chosen
once, came back within .6."""
_P_ENDS = 1e-4
"""What is told of a probability nearer to 0 or 1: as much as some thousand permutations can."""
_CHOICES = ("layer", "penalty")
"""Variables with this in their name are choices, which flip where two are as good."""


@dataclass(frozen=True)
class Rerun:
    """What became of one cell.

    Parameters
    ----------
    compressor : str
    outcome : str
        ``agrees``, ``differs``, or ``not computed``: the inputs are not to be had, or the run
        failed.
    submitted, computed : float, optional
        Values.
    tolerance : float, optional
        Largest difference of the values that is agreement; None where nothing was computed.
    detail : float, optional
        Largest root mean square difference of a variable of the detail.
    key : bool
        Whether the key came out the same; libraries of another version change it.
    reason : str
        Why it was not computed, or what differs.
    """

    compressor: str
    outcome: str
    submitted: float | None
    computed: float | None
    tolerance: float | None
    detail: float | None = None
    key: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Verification:
    """What a verification found out about one entry.

    Parameters
    ----------
    entry : Entry
    findings : tuple of Rerun
    """

    entry: Entry
    findings: tuple[Rerun, ...]

    @property
    def outcome(self) -> str:
        """What this verification says of the entry, see :func:`.verified.entry_state`."""
        return entry_state({f.compressor: f.outcome for f in self.findings}, self.of)

    @property
    def agreed(self) -> int:
        """Number of cells that came back the same."""
        return sum(finding.outcome == "agrees" for finding in self.findings)

    @property
    def of(self) -> int:
        """Number of cells of the entry that have a score."""
        return sum(Status(cell["status"]).has_score for cell in self.entry.record["cells"])

    def sentence(self) -> str:
        """Say how much of the entry is verified by now."""
        return f"{self.entry.name}: {self.agreed} of {self.of} cells verified ({self.outcome})"

    def to_json(self, sample: int, seed: int) -> dict[str, Any]:
        """Return what is recorded beside the entry."""
        return {
            "entry": self.entry.id,
            "outcome": self.outcome,
            "agreed": self.agreed,
            "of": self.of,
            "sample": sample,
            "seed": seed,
            "versions": versions(),
            "cells": [asdict(finding) for finding in self.findings],
        }


def chosen(
    entries: Sequence[Entry], models: Sequence[str] = (), benchmarks: Sequence[str] = ()
) -> list[Entry]:
    """Return the entries of models and benchmarks by name and glob: what can be afforded here.

    Raises
    ------
    SubmissionError
        There are none.
    """
    kept = [
        entry
        for entry in entries
        if _matches(entry.record["model"]["name"], models)
        and _matches(entry.record["benchmark"]["name"], benchmarks)
    ]
    if not kept:
        names = sorted({entry.record[kind]["name"] for entry in entries
                        for kind in ("model", "benchmark")})  # fmt: skip
        raise SubmissionError(
            "there is no such entry to verify", f"there are {', '.join(names)}" if names else ""
        )
    return kept


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def draw(entries: Sequence[Entry], sample: int, seed: int) -> list[tuple[Entry, Mapping[str, Any]]]:
    """Draw finished cells at random; the order of the entries does not matter.

    Of a cell that was corrected the last revision stands: no earlier one is drawn.
    """
    last: dict[tuple[str, str], tuple[Entry, Mapping[str, Any]]] = {}
    for entry in sorted(entries, key=lambda e: (e.record["revision"], e.id)):
        for cell in entry.record["cells"]:
            if Status(cell["status"]).has_score:
                last[entry.folder, cell["compressor"]["name"]] = entry, cell
    cells = [last[name] for name in sorted(last)]
    return random.Random(seed).sample(cells, min(sample, len(cells)))  # noqa: S311 - no secret


def verify(
    entries: Sequence[Entry],
    registry: Registry,
    run: Run,
    place: Place,
    *,
    sample: int = 3,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Verification]:
    """Compute cells of a submission again and compare.

    The store is a new one, so nothing of the submitter's, and nothing computed here before, is
    taken over.

    Parameters
    ----------
    entries : sequence of Entry
        Checked before: see :func:`harness.board.submission.check.check`.
    registry : Registry
    run : callable
        Computes a selection and returns its board: it is given a
        :class:`harness.runner.select.Selection`, options, a place and the progress.
    place : Place
        Its network and its device; its store is left alone.
    sample : int
        Number of cells.
    seed : int
        Of the draw. A maintainer chooses it after the submission is in.
    progress : Progress, optional

    Returns
    -------
    list of Verification
        Of each entry of which a cell was drawn.
    """
    found: dict[str, list[Rerun]] = {}
    by_id = {entry.id: entry for entry in entries}
    with tempfile.TemporaryDirectory(prefix="brainpress-verify-") as folder:
        there = replace(place, store=Path(folder), most_bytes=MOST_BYTES, most_seconds=MOST_SECONDS)
        for entry, cell in draw(entries, sample, seed):
            finding = _again(entry, cell, registry, run, there, progress)
            found.setdefault(entry.id, []).append(finding)
    return [Verification(by_id[i], tuple(found[i])) for i in sorted(found)]


def _again(
    entry: Entry,
    cell: Mapping[str, Any],
    registry: Registry,
    run: Run,
    there: Place,
    progress: Progress | None,
) -> Rerun:
    """Compute one cell; whatever goes wrong is a finding of this cell and stops no other."""
    try:
        selection = selection_of(entry.record, cell, registry)
        options = RunOptions(dtype=str(cell["provenance"].get("dtype") or "float32"))
        board = run(selection, options, there, progress)
        return compare(entry, cell, board, strictness(selection, options))
    except ChecksumError:  # what a host answered with is nobody else's to read
        return _missing(cell, "the file at the model's address is not the one that is pinned")
    except HarnessError as error:
        return _missing(cell, error.message)
    except Exception as error:
        return _missing(cell, f"{type(error).__name__}: {error}")


@dataclass(frozen=True)
class Strictness:
    """How closely a cell must come back: by the specs installed here, not by the record.

    Parameters
    ----------
    narrow : float
        Largest difference of two values in float32 whose weights come back the same.
    wide : float
        How many times wider it is for this cell.
    redrawn : bool
        Whether computing the cell again draws other weights: its compressor was calibrated.
    """

    narrow: float
    wide: float = 1.0
    redrawn: bool = False

    @property
    def value(self) -> float:
        """Largest difference of two values that is agreement."""
        return self.wide * self.narrow


def strictness(selection: Selection, options: RunOptions) -> Strictness:
    """Return how closely the one cell of a selection must come back."""
    (compressor,), (benchmark,) = selection.compressors, selection.benchmarks
    wide = 1.0 if options.dtype == "float32" else HALF_PRECISION
    if compressor.calibrated:
        wide = max(wide, REDRAWN)
    narrow = SHARE_OF_MARGIN * benchmark.margin if benchmark.margin else TOLERANCE
    return Strictness(narrow, wide, compressor.calibrated)


def compare(entry: Entry, cell: Mapping[str, Any], board: xr.DataTree, strict: Strictness) -> Rerun:
    """Compare a submitted cell with the one cell of a board."""
    (at,) = _cells(board)
    if not Status.read(str(at["status"].item())).has_score:
        return _missing(cell, str(at["reason"].item()))
    limit = strict.value
    differs = []
    for name in ("value", "low", "high", "ceiling"):
        theirs, ours = cell[name], float(at[name])
        if theirs is None and math.isnan(ours):
            continue
        if theirs is None or not abs(theirs - ours) <= limit:
            differs.append(f"{name} is {ours:.6g}, was handed in as {theirs}")
    detail, fault = _detail_difference(entry, cell, board, strict)
    if fault:
        differs.append(fault)
    return Rerun(
        cell["compressor"]["name"],
        "differs" if differs else "agrees",
        cell["value"],
        float(at["value"]),
        limit,
        detail,
        at["key"].item() == cell["key"],
        "; ".join(differs),
    )


def _cells(board: xr.DataTree) -> list[xr.Dataset]:
    cells = board["cells"].to_dataset()
    flat = cells.stack(cell=("model", "compressor", "benchmark"))
    return [flat.isel(cell=i) for i in range(flat.sizes["cell"])]


def _missing(cell: Mapping[str, Any], reason: str) -> Rerun:
    name = cell["compressor"]["name"]
    return Rerun(name, "not computed", cell["value"], None, None, reason=reason)


def _detail_difference(
    entry: Entry, cell: Mapping[str, Any], board: xr.DataTree, strict: Strictness
) -> tuple[float | None, str]:
    """Return the largest root mean square difference of a variable, and what is wrong, if it is."""
    theirs = entry.dataset()
    benchmark = entry.record["benchmark"]
    if theirs is None:
        return None, "the detail has not been handed in"
    mine = board[f"{benchmark['kind']}/{benchmark['name']}"].to_dataset().isel(variant=0)
    theirs = theirs.sel(compressor=cell["compressor"]["name"])
    limit, spread = DETAIL * strict.value, 0.0
    if strict.redrawn:
        limit, spread = DETAIL * strict.narrow, REDRAWN_SPREAD
    found, beyond = {}, {}
    for name in sorted(map(str, set(theirs.data_vars) & set(mine.data_vars))):
        a, b = theirs[name], mine[name]
        if a.dtype.kind != "f" or any(choice in name for choice in _CHOICES):
            continue
        if a.dims != b.dims or a.shape != b.shape:
            return None, f"the detail has another shape ({name})"
        if not (np.isnan(a.values) == np.isnan(b.values)).all():
            return None, f"the detail has numbers where there are none ({name})"
        given, ours = a.values.astype(float), b.values.astype(float)
        if spread and name.endswith("_p"):
            # One number has no spread of its own: by how many standard errors its test moved.
            if not (moved := _size(_z(given) - _z(ours))) <= spread:
                beyond[name] = moved
            continue
        unit = max(1.0, _size(given))
        found[name] = _size(given - ours) / unit
        allowed = limit
        if spread and np.isfinite(given).any():
            allowed = max(allowed, spread * float(np.nanstd(given)) / unit)
        if not found[name] <= allowed:
            beyond[name] = found[name]
    largest = max(found.values(), default=0.0)
    if not beyond:
        return largest, ""
    worst = max(beyond, key=lambda n: beyond[n])
    return largest, f"{worst} differs by {beyond[worst]:.3g} (root mean square)"


def _z(p: Any) -> Any:
    """Return the standard normal deviates of probabilities."""
    from scipy.special import ndtri

    return ndtri(np.clip(p, _P_ENDS, 1 - _P_ENDS))


def _size(values: Any) -> float:
    """Root mean square of what is not NaN; 0 of nothing."""
    given = values[~np.isnan(values)]
    return float(np.sqrt(np.square(given).mean())) if len(given) else 0.0
