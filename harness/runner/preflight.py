"""What a plan will take: time, memory, disk. Estimates, and so labelled."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from harness.lm.files import ModelFiles
from harness.place.memory import Room, available
from harness.place.place import Place
from harness.record.request import Request
from harness.record.size import recording_bytes
from harness.runner.cells import Variant
from harness.runner.plan import Plan, missing_models
from harness.runner.status import Status
from harness.store.store import Kind, Store

TOKENS_PER_WORD = 1.35
FLOPS = {"cpu": 6e10, "cuda": 5e13}
"""Floating-point operations a second that forward passes sustain: a core; a card."""
ACTIVATION_BYTES = 800 * 2**20
"""Of the libraries, and of the states of a batch."""
SCORE_SECONDS = 10.0
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Estimate:
    """Time, memory and disk of the cells that are to be computed.

    Parameters
    ----------
    counts : mapping
        Number of cells by status.
    seconds : float
        Wall time.
    memory : int
        Peak, bytes.
    disk : int
        Bytes of recordings, and of compressed weights that are kept.
    free : int
        Bytes free on the store's disk.
    room : Room, optional
        Memory that is left here; None where the system does not say.
    fetch : tuple of str
        Models that have to be fetched first; nothing is known of their size or time.
    """

    counts: Mapping[Status, int]
    seconds: float
    memory: int
    disk: int
    free: int
    fetch: tuple[str, ...]
    room: Room | None = None

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
            said += f"; to fetch first, and not counted: {', '.join(self.fetch)}"
        return said


def estimate(plan: Plan) -> Estimate:
    """Estimate what a plan takes from word counts, sizes and typical speeds."""
    store = Store(plan.place.store)
    seconds, memory, disk, passing = 0.0, 0, 0, 0
    by_variant = plan.todo_by_variant()
    for variant in plan.variants:
        todo = by_variant.get(variant.name, ())
        if not todo or variant.model.name not in plan.files:
            continue
        files = plan.files[variant.model.name]
        wanted = {r.key: r for c in todo for r in plan.benchmarks[c.benchmark.name].requests}
        missing = [r for r in wanted.values() if not _there(variant, r, plan, store)]
        passes = {r.pass_key: r for r in missing}
        flops = sum(_tokens(r) for r in passes.values()) * 2.0 * _parameters(files, variant)
        seconds += flops / _speed(plan.place) + SCORE_SECONDS * len(todo)
        weights = files.parameters * BYTES[plan.options.dtype]
        disk += _weights_kept(variant, weights, plan, store)
        passing = max(passing, _blocks(variant, weights, plan, store))
        # Recordings of one pass are made together; those of different passes one after the other.
        recorded: Counter[str] = Counter()
        for request in missing:
            recorded[request.pass_key] += recording_bytes(request, files.config)
        disk += recorded.total()
        memory = max(memory, weights + ACTIVATION_BYTES + 2 * max(recorded.values(), default=0))
    return Estimate(
        counts={status: plan.count(status) for status in Status},
        seconds=seconds,
        memory=memory,
        disk=disk + passing,
        free=store.free_bytes(),
        fetch=tuple(m.name for m in missing_models(plan)),
        room=available(),
    )


def _there(variant: Variant, request: Request, plan: Plan, store: Store) -> bool:
    return store.has(Kind.RECORDING, plan.keys(variant).recording(request))


def _weights_kept(variant: Variant, weights: int, plan: Plan, store: Store) -> int:
    key = plan.keys(variant).variant
    kept = plan.options.keep_weights and variant.compressor.calibrated
    return 0 if not kept or store.weights_path(key).is_file() else weights


def _blocks(variant: Variant, weights: int, plan: Plan, store: Store) -> int:
    """Bytes of finished blocks: beside the weights that are kept until both are whole."""
    key = plan.keys(variant).variant
    made = store.weights_path(key).is_file() or store.has(Kind.COMPRESSION, key)
    return 0 if made or not variant.compressor.calibrated else weights


def _tokens(request: Request) -> float:
    """Tokens that go through the model: those of the text, as often as the policy shows them."""
    context, tokens = request.context, request.stimuli.words * TOKENS_PER_WORD
    if context.kind == "words":
        return tokens * context.size
    if context.kind == "tokens":
        return request.stimuli.words * float(context.size)
    if context.kind == "strided":
        return tokens * context.size / context.stride
    return tokens


def _parameters(files: ModelFiles, variant: Variant) -> float:
    return 0.0 if variant.model.control == "static" else float(files.parameters)


def _speed(place: Place) -> float:
    if place.device.startswith("cuda"):
        return FLOPS["cuda"]
    return FLOPS["cpu"] * (os.cpu_count() or 1)


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _bytes(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**29 else f"{count / 2**20:.0f} MiB"
