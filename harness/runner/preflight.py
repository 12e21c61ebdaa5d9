"""What a plan will take: time, memory, disk. Estimates, and so labelled.

Nothing is fetched for them: where a model is not here, its spec says how large it is. Speeds are
those of results in the store that were made on the same kind of device, else typical ones.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.place.memory import Room as Left
from harness.place.memory import available
from harness.record.request import Measure, Request
from harness.record.size import held_bytes
from harness.runner.cells import Cell, Variant
from harness.runner.options import Overwrite
from harness.runner.pace import Pace, frames_of, pace_of, tokens_of
from harness.runner.plan import Plan, missing_models
from harness.runner.room import Room, room
from harness.runner.sizes import Size
from harness.runner.status import Status
from harness.store.store import Kind, Store

ACTIVATION_BYTES = 800 * 2**20
"""Bytes of the libraries, and of the states of a batch."""
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Estimate:
    """Time, memory and disk of the cells that are to be computed.

    Parameters
    ----------
    counts : mapping
        Number of cells by status.
    seconds : float
        Wall time, downloads aside.
    memory : int
        Peak of one worker, bytes.
    disk : int
        Bytes of recordings, of compressed weights that are kept, of downloads and conversions.
    free : int
        Bytes free on the store's disk.
    room : Room, optional
        Memory that is left here; None where the system does not say.
    fetch : tuple of str
        Models that have to be fetched first.
    fetched : int
        Their bytes, as far as they are known.
    unknown : tuple of str
        Models of which nothing is known: they are in no number.
    short : tuple of str
        What does not fit, in words.
    measured : bool
        Whether speeds are of results in the store.
    """

    counts: Mapping[Status, int]
    seconds: float
    memory: int
    disk: int
    free: int
    fetch: tuple[str, ...]
    fetched: int = 0
    unknown: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    measured: bool = False
    room: Left | None = None

    def sentence(self) -> str:
        """Say it in words."""
        always = (Status.TODO, Status.DONE)
        counted = [s.counted(self.counts[s]) for s in Status if s in always or self.counts[s]]
        said = ", ".join(counted)
        if self.counts[Status.TODO]:
            left = f" ({_bytes(self.room.size)} left)" if self.room else ""
            said += (
                f"; about {_time(self.seconds)}, {self.memory / 2**30:.1f} GiB of memory{left},"
                f" {_bytes(self.disk)} of disk ({_bytes(self.free)} free)"
            )
        if self.fetch:
            size = f" ({_bytes(self.fetched)}, whose time is the network's)" if self.fetched else ""
            said += f"; to fetch first{size}: {', '.join(self.fetch)}"
        if self.unknown:
            said += f"; of unknown size, and not counted: {', '.join(self.unknown)}"
        return "\n".join([said, *(f"! {line}" for line in self.short)])


def estimate(plan: Plan) -> Estimate:
    """Estimate what a plan takes from word counts, sizes and speeds."""
    store = Store(plan.place.store)
    pace, parts = pace_of(plan, store), []
    tokens = {
        request.pass_key: tokens_of(request)
        for loaded in plan.benchmarks.values()
        for request in {r.pass_key: r for r in loaded.requests}.values()
    }
    by_variant = plan.todo_by_variant()
    unknown: dict[str, None] = {}
    sources: dict[tuple[str, str], Size] = {}  # a control is made from its model's files
    for variant in plan.variants:
        todo = by_variant.get(variant.name, ())
        if not todo:
            continue
        size = plan.size(variant.model)
        if size is None:
            unknown[variant.model.name] = None
            continue
        parts.append(_part(variant, todo, size, plan, store, pace, tokens))
        sources[variant.model.source, variant.model.revision] = size
    missing = missing_models(plan)
    workers = max(1, min(_workers(plan), len(parts)))
    seconds = [part.seconds for part in parts]
    found = Estimate(
        counts={status: plan.count(status) for status in Status},
        seconds=max([sum(seconds) / workers + pace.start, *seconds]) if seconds else 0.0,
        memory=max((part.memory for part in parts), default=0),
        disk=sum(part.disk for part in parts)
        + max((part.passing for part in parts), default=0)
        + sum(size.convert + size.fetch for size in sources.values()),
        free=store.free_bytes(),
        fetch=tuple(m.name for m in missing),
        fetched=sum(size.fetch for size in sources.values()),
        unknown=tuple(unknown),
        measured=pace.measured,
        room=available(),
    )
    return replace(found, short=_short(found, room(plan.place, plan.engine), workers, plan))


def fitting(plan: Plan) -> Plan:
    """Fail cells to do whose model alone is larger than what it would be loaded into."""
    have = room(plan.place, plan.engine)
    if have.model is None or plan.options.overwrite is Overwrite.NEVER:
        return plan
    limit, dtype = have.model, plan.options.dtype
    reasons: dict[str, str] = {}
    for name, model in {c.variant.model.name: c.variant.model for c in plan.todo}.items():
        size = plan.size(model)
        if size is not None and (needs := size.parameters * BYTES[dtype]) > limit:
            reasons[name] = (
                f"{name} takes {needs / 2**30:.1f} GiB in {dtype}; {have.named} has"
                f" {limit / 2**30:.1f} GiB\n  -> "
                + ("use --dtype bfloat16, or a larger machine" if BYTES[dtype] > 2 else "")
            ).removesuffix("\n  -> ")
    if not reasons:
        return plan
    cells = tuple(
        replace(cell, status=Status.FAILED, reason=reasons[cell.variant.model.name])
        if cell.status is Status.TODO and cell.variant.model.name in reasons
        else cell
        for cell in plan.cells
    )
    return replace(plan, cells=cells)


@dataclass(frozen=True)
class _Part:
    """What one variant takes."""

    seconds: float
    memory: int
    disk: int
    passing: int


def _part(
    variant: Variant,
    todo: tuple[Cell, ...],
    size: Size,
    plan: Plan,
    store: Store,
    pace: Pace,
    tokens: Mapping[str, float],
) -> _Part:
    known = [plan.benchmarks[c.benchmark.name] for c in todo if c.benchmark.name in plan.benchmarks]
    wanted = {r.key: r for loaded in known for r in loaded.requests}
    missing = [r for r in wanted.values() if not _there(variant, r, plan, store)]
    passes = {r.pass_key for r in missing}
    weights = size.parameters * BYTES[plan.options.dtype]
    through = 0 if variant.model.control == "static" else size.parameters
    if variant.model.control == "speech":
        read = sum(frames_of(request) for request in {r.pass_key: r for r in missing}.values())
    else:
        read = sum(tokens[key] for key in passes)
    flops = 2.0 * through * read
    seconds = flops / pace.flops + sum(pace.scoring(c.benchmark) for c in todo)
    if passes or not _reported(variant, plan, store):
        seconds += pace.loading(weights)
    if not _reported(variant, plan, store):
        measured = 0 if variant.model.control == "speech" else through
        seconds += pace.report(measured, variant.compressor)
    # Recordings of one pass are made together; those of different passes one after the other.
    recorded: Counter[str] = Counter()
    for request in missing:
        recorded[request.pass_key] += _recording_bytes(request, size)
    kept = _weights_kept(variant, weights, plan, store)
    return _Part(
        seconds=seconds,
        memory=weights + ACTIVATION_BYTES + held_bytes(max(recorded.values(), default=0)),
        disk=recorded.total() + kept,
        passing=_blocks(variant, weights, plan, store),
    )


def _there(variant: Variant, request: Request, plan: Plan, store: Store) -> bool:
    if variant.model.name not in plan.files:
        return False
    return store.has(Kind.RECORDING, plan.keys(variant).recording(request))


def _reported(variant: Variant, plan: Plan, store: Store) -> bool:
    if variant.model.name not in plan.files:
        return False
    return store.has(Kind.COMPRESSION, plan.keys(variant).variant)


def _weights_kept(variant: Variant, weights: int, plan: Plan, store: Store) -> int:
    if not plan.options.keep_weights or not variant.compressor.calibrated:
        return 0
    if variant.model.name not in plan.files:
        return weights
    return 0 if store.weights_path(plan.keys(variant).variant).is_file() else weights


def _blocks(variant: Variant, weights: int, plan: Plan, store: Store) -> int:
    """Bytes of finished blocks: beside the weights that are kept until both are whole."""
    if not variant.compressor.calibrated:
        return 0
    if variant.model.name not in plan.files:
        return weights
    made = store.weights_path(plan.keys(variant).variant).is_file()
    return 0 if made or _reported(variant, plan, store) else weights


def _recording_bytes(request: Request, size: Size) -> int:
    rows = sum(request.readout.rows(request.stimuli))
    return rows * 4 * (size.states if request.measure is Measure.HIDDEN else 1)


def _workers(plan: Plan) -> int:
    """Workers that prepare and score beside each other; of a scheduler's nobody knows."""
    engine = plan.engine
    if engine.engine == "local" or engine.scheduler:
        return 1
    return engine.workers or len(engine.gpus) or (1 if engine.cluster else os.cpu_count() or 1)


def _short(found: Estimate, have: Room, workers: int, plan: Plan) -> tuple[str, ...]:
    lines = []
    here = workers if plan.engine.engine == "processes" else 1
    if have.memory is not None and found.memory * here > have.memory:
        each = f" in each of {here} workers" if here > 1 else ""
        lines.append(
            f"about {found.memory / 2**30:.1f} GiB of memory{each}, and {have.where} has"
            f" {have.memory / 2**30:.1f} GiB"
        )
    if found.disk > found.free:
        lines.append(
            f"about {_bytes(found.disk)} of disk, and {_bytes(found.free)} are free at"
            f" {plan.place.store}"
        )
    return tuple(lines)


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _bytes(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**29 else f"{count / 2**20:.0f} MiB"
