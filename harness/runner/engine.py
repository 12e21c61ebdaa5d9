"""The engine of one machine: variant by variant in this process, all stored as it is made."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import xarray as xr

from harness.errors import CorruptError, HarnessError, StoreError
from harness.place.place import entered
from harness.record.request import Recordings, Request
from harness.runner.cells import Cell, cell_parts, recording_key
from harness.runner.options import Overwrite
from harness.runner.plan import Loaded, Plan, cell_key, planned
from harness.runner.progress import Progress, Silent
from harness.runner.provenance import provenance
from harness.runner.session import Session, session
from harness.runner.status import Status
from harness.store.store import Kind, Store


def execute(plan: Plan, progress: Progress | None = None) -> tuple[Cell, ...]:
    """Compute the cells of a plan that are to do.

    A cell that fails is a cell with a reason; the others go on.

    Parameters
    ----------
    plan : Plan
    progress : Progress, optional

    Returns
    -------
    tuple of Cell
        Every cell of the plan as it ended.

    Raises
    ------
    StoreError
        The store cannot be written; nothing computed before is lost.
    """
    listener = progress or Silent()
    if plan.options.overwrite is Overwrite.NEVER:
        return plan.cells
    if plan.todo:
        Store(plan.place.store).check_writable()
    texts = _texts(plan) if any(c.variant.compressor.calibrated for c in plan.todo) else {}
    ended: list[Cell] = []
    for variant in plan.variants:
        cells = [c for c in plan.cells if c.variant.name == variant.name]
        if any(c.status is Status.TODO for c in cells):
            with (
                entered(plan.place),
                session(variant, plan.place, plan.options, listener, texts) as opened,
            ):
                cells = _run_variant(plan, cells, opened)
        ended += cells
    return tuple(ended)


def _texts(plan: Plan) -> dict[str, str]:
    """Return what the variants will be tested on, by name."""
    return {
        f"{loaded.spec.name}/{passage.name}": passage.text
        for loaded in plan.benchmarks.values()
        for request in loaded.requests
        for passage in request.stimuli.passages
    }


def _run_variant(plan: Plan, cells: list[Cell], opened: Session) -> list[Cell]:
    todo = [c for c in cells if c.status is Status.TODO]
    failures: dict[str, str] = {}
    try:
        plan.files[opened.variant.model.name] = opened.files
        todo = [_keyed(c, plan, opened) for c in todo]
        opened.report()
    except Exception as error:  # a failure is a row of the board, not the end
        _unless_store(error)
        failures = {c.benchmark.name: _reason(error, opened, c) for c in todo}
    if not failures and plan.options.overwrite is Overwrite.ALWAYS:
        opened.forget(_requests(plan, todo))
    ended = {c.benchmark.name: c for c in cells}
    for cell in todo:
        if cell.status is Status.TODO:
            reason = failures.get(cell.benchmark.name) or _run_cell(plan, cell, opened)
            cell = replace(cell, status=Status.FAILED if reason else Status.DONE, reason=reason)
        ended[cell.benchmark.name] = cell
        opened.progress.finished(cell)
    return list(ended.values())


def _keyed(cell: Cell, plan: Plan, opened: Session) -> Cell:
    """Give a cell its key, now that the model's files are here; it may turn out to be done."""
    if cell.key:
        return cell
    return planned(opened.variant, plan, cell.benchmark, opened.store)


def _requests(plan: Plan, cells: Sequence[Cell]) -> list[Request]:
    return [r for c in cells for r in plan.benchmarks[c.benchmark.name].requests]


def _run_cell(plan: Plan, cell: Cell, opened: Session) -> str:
    """Record and score one cell; return why it failed, or nothing."""
    loaded = plan.benchmarks[cell.benchmark.name]
    try:
        # What all cells of the variant ask of the same stimuli is recorded in one pass.
        asked = {r.pass_key for r in loaded.requests}
        alike = [r for r in _requests(plan, plan.todo_of(opened.variant)) if r.pass_key in asked]
        opened.record(alike)
        key = cell_key(opened.variant, plan, loaded)
        with opened.store.lock(Kind.SCORE, key):
            anew = plan.options.overwrite is Overwrite.ALWAYS
            if anew or not opened.store.has(Kind.SCORE, key):
                opened.progress.stage(opened.variant, f"scoring {cell.benchmark.name}")
                # A killed run goes on from what it left here.
                with (
                    opened.store.unfinished(key, anew=anew) as folder,
                    entered(replace(opened.place, device=opened.device, unfinished=folder)),
                ):
                    opened.store.write(Kind.SCORE, key, _score(loaded, opened))
    except Exception as error:  # likewise
        _unless_store(error)
        return _reason(error, opened, cell)
    opened.store.remove(Kind.FAILURE, cell.identity)
    return ""


def _score(loaded: Loaded, opened: Session) -> xr.Dataset:
    start = time.perf_counter()
    # Attributes alone: a benchmark of 200 tasks lets each recording go when it has scored it.
    read: list[Mapping[str, Any]] = []

    def load(request: Request) -> xr.DataArray:
        recording = opened.recording(request)
        read.append(recording.attrs)
        return recording

    score = loaded.benchmark.score(Recordings(loaded.requests, load))
    keys = [recording_key(opened.key, r) for r in loaded.requests]
    parts = cell_parts(
        opened.files.fingerprint,
        opened.variant.compressor,
        opened.options.dtype,
        loaded.requests,
        loaded.spec,
        loaded.content,
    )
    said = provenance(opened.variant, loaded.spec, opened.files, read, keys, parts)
    return score.assign_attrs(score.attrs | said | {"score_seconds": time.perf_counter() - start})


def _unless_store(error: Exception) -> None:
    """Let a store that cannot be written stop the run: every further cell would be lost."""
    if isinstance(error, StoreError) and not isinstance(error, CorruptError):
        raise error


def _reason(error: Exception, opened: Session, cell: Cell) -> str:
    """Say why a cell failed, and remember it in the store."""
    if isinstance(error, HarnessError):
        reason, trace = str(error), ""
    else:
        reason = f"{type(error).__name__}: {error}"
        trace = "".join(traceback.format_exception(error))
    failure = xr.Dataset(
        attrs={
            "reason": reason,
            "traceback": trace,
            "model": cell.variant.model.name,
            "compressor": cell.variant.compressor.name,
            "benchmark": cell.benchmark.name,
        }
    )
    opened.store.write(Kind.FAILURE, cell.identity, failure)
    return reason
