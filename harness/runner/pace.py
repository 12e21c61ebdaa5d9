"""How fast this is: from results in the store, else from typical speeds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from harness.errors import HarnessError
from harness.place.place import Place
from harness.record.request import Request
from harness.runner.cells import Cell
from harness.runner.plan import Plan
from harness.runner.room import cards
from harness.runner.status import Status
from harness.spec.specs import BenchmarkSpec, CompressorSpec
from harness.stimuli.passages import Stimuli
from harness.store.store import Kind, Store

TOKENS_PER_WORD = 1.35
FRAMES_PER_SECOND = 100.0
"""50 a second, read twice where windows overlap by half."""
FLOPS = {"cpu": 6.5e10, "cuda": 5e13}
"""Floating-point operations a second that forward passes sustain: a core (measured, SmolLM2-135M in
float32 on an AMD EPYC); a card (not measured)."""
READ = 5e8
"""Bytes of weights a second: read, hashed, converted."""
START = 8.0
"""Seconds until a process has imported its libraries and read a benchmark's data."""
REPORT_TOKENS = 1550
"""Of the text that each variant's perplexity is measured on."""
CALIBRATION_TOKENS = 128 * 512
CALIBRATION_PASSES = 2.5
"""Of a calibrated compression, in passes of its text: .9 to compress (GPTQ, measured), the rest to
sample the text (not measured)."""
SCORING = {"neural": 3.0, "linguistic": 1.0, "behavioural": 3.0}
"""Seconds to score a cell of a kind that was never scored here."""
SAMPLE = 5
"""Results that speeds are read off."""


@dataclass(frozen=True)
class Pace:
    """Speeds.

    Parameters
    ----------
    flops : float
        Floating-point operations a second of forward passes.
    seconds : mapping
        Seconds to score a benchmark, by name, where the store has such a score.
    measured : bool
        Whether ``flops`` are of recordings in the store.
    start : float
        Seconds until a worker is ready.
    """

    flops: float
    seconds: Mapping[str, float] = field(default_factory=dict)
    measured: bool = False
    start: float = START

    def scoring(self, spec: BenchmarkSpec) -> float:
        """Return the seconds to score a cell."""
        return self.seconds.get(spec.name, SCORING.get(spec.kind, SCORING["neural"]))

    def loading(self, weights: int) -> float:
        """Return the seconds to load so many bytes of weights."""
        return 1.0 + weights / READ

    def report(self, parameters: int, compressor: CompressorSpec) -> float:
        """Return the seconds to compress a variant, and to measure its perplexity."""
        tokens = float(REPORT_TOKENS) * (1 if compressor.method == "none" else 2)
        if compressor.calibrated:
            tokens += CALIBRATION_PASSES * CALIBRATION_TOKENS
        return 2.0 * parameters * tokens / self.flops


def frames_of(request: Request) -> float:
    """Frames that go through a speech model, overlaps of windows included; 0 without sound."""
    sounds = [p.sound for p in request.stimuli.passages if p.sound is not None]
    return FRAMES_PER_SECOND * sum(sound.duration() for sound in sounds)


def tokens_of(request: Request) -> float:
    """Tokens that go through the model: those of the text, as often as the policy shows them."""
    if request.measure.of_tokens:
        return 0.0
    context, tokens = request.context, request.stimuli.words * TOKENS_PER_WORD
    if context.kind == "words":
        return tokens * context.size
    if context.kind == "tokens":
        return request.stimuli.words * float(context.size)
    if context.kind == "strided":
        return tokens * context.size / context.stride
    if context.kind == "sentence":  # what sentences begin with alike is read once
        return _beginnings(request.stimuli) * TOKENS_PER_WORD
    return tokens


def _beginnings(stimuli: Stimuli) -> int:
    """Count the different beginnings of passages, in words."""
    found: set[int] = set()
    for passage in stimuli.passages:
        beginning = 0
        for word in passage.text.split():
            beginning = hash((beginning, word))
            found.add(beginning)
    return len(found)


def pace_of(plan: Plan, store: Store) -> Pace:
    """Read speeds off the cells of a plan that are done; a few of them, as many as it takes."""
    done = [cell for cell in plan.cells if cell.status is Status.DONE and cell.key]
    seconds: dict[str, float] = {}
    for cell in {cell.benchmark.name: cell for cell in done}.values():
        for attributes in _attributes(store, Kind.SCORE, cell.key):
            if (took := attributes.get("score_seconds")) is not None:
                seconds[cell.benchmark.name] = float(took)
    speeds = [speed for cell in done[-SAMPLE:] for speed in _speeds(cell, plan, store)]
    if speeds:
        return Pace(median(speeds), seconds, measured=True)
    return Pace(_typical(plan.place), seconds)


def _speeds(cell: Cell, plan: Plan, store: Store) -> Iterator[float]:
    size = plan.size(cell.variant.model)
    loaded = plan.benchmarks.get(cell.benchmark.name)
    if size is None or loaded is None or cell.variant.model.control in ("static", "speech"):
        return
    keys = plan.keys(cell.variant)
    for request in loaded.requests[:1]:
        for attributes in _attributes(store, Kind.RECORDING, keys.recording(request)):
            tokens, took = attributes.get("tokens"), attributes.get("forward_seconds")
            alike = str(attributes.get("device", "")).startswith("cuda") == _card(plan.place)
            if tokens and took and alike:
                yield 2.0 * size.parameters * float(tokens) / float(took)


def _attributes(store: Store, kind: Kind, key: str) -> Iterator[Mapping[str, Any]]:
    """Give what a result says of how it was made; nothing where it is gone or does not open."""
    with suppress(HarnessError):
        yield store.said(kind, key)


def _card(place: Place) -> bool:
    return place.device.startswith("cuda") or (place.device == "auto" and bool(cards()))


def _typical(place: Place) -> float:
    if _card(place):
        return FLOPS["cuda"]
    threads = os.environ.get("OMP_NUM_THREADS", "")
    cores = int(threads) if threads.isdecimal() else os.cpu_count() or 1
    return FLOPS["cpu"] * max(1, cores)
