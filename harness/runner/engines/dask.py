"""A Dask cluster: an existing scheduler, or workers that are started on this machine.

Tasks go through the scheduler, scores through the store: what travels are specs one way and
statuses the other. Where workers offer the resource ``GPU``, preparing asks for it; scoring never
does. A worker needs brainpress and the folders of the job's place: a shared disk.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Mapping
from queue import SimpleQueue
from types import ModuleType
from typing import Any

from harness.errors import ExtraMissing, HarnessError
from harness.runner.cells import Cell, Variant
from harness.runner.engines.crew import (
    Advance,
    Broken,
    Crewed,
    Ended,
    Event,
    Lost,
    Postponed,
    Stage,
)
from harness.runner.engines.options import EngineOptions
from harness.runner.work import Task, Worker
from harness.spec.extras import not_installed
from harness.store.lock import Held

NAME = "brainpress"
BEAT = 0.5
"""Seconds, at least, between two words about how far a stage is."""
TIMEOUT = 10.0
"""Seconds that a scheduler has to answer."""


def dask(options: EngineOptions) -> Crewed:
    """Return the engine.

    Raises
    ------
    ExtraMissing
        Dask is not installed.
    """
    if reason := not_installed("dask"):
        raise ExtraMissing(reason)
    return Crewed(lambda events: DaskCrew(options, events))


class DaskCrew:
    """A crew of Dask workers, see :class:`harness.runner.engines.crew.Crew`."""

    def __init__(self, options: EngineOptions, events: SimpleQueue[Event]) -> None:
        self._events = events
        self._futures: dict[Any, Task] = {}
        self._variants: dict[str, Variant] = {}
        self._stages: dict[str, str] = {}
        self._closing = False
        desk = type("Desk", (Desk, _distributed().WorkerPlugin), {})()
        self._cluster = None if options.scheduler else _local(options)
        try:
            self._client: Any = _distributed().Client(
                options.scheduler or self._cluster, timeout=TIMEOUT
            )
        except OSError as error:
            raise HarnessError(
                f"no Dask scheduler answers at {options.scheduler}: {error}",
                "start one with `dask scheduler`, and workers with `dask worker ADDRESS`",
            ) from error
        self._client.register_plugin(desk, name=NAME)
        self._client.subscribe_topic(NAME, self._heard)

    def submit(self, task: Task) -> None:
        """Give a task to the scheduler."""
        self._variants[task.job.variant.name] = task.job.variant
        wants = {"GPU": 1} if task.cell is None and self._has_cards() else {}
        future = self._client.submit(_do, task, resources=wants, pure=False)
        self._futures[future] = task
        future.add_done_callback(self._ended)

    def close(self) -> None:
        """Cancel what waits; workers that were started here end, others finish their task."""
        self._closing = True
        self._client.cancel(list(self._futures), force=True)
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()

    def _has_cards(self) -> bool:
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        return any("GPU" in worker.get("resources", {}) for worker in workers)

    def _heard(self, event: tuple[float, Mapping[str, Any]]) -> None:
        _, said = event
        if "what" in said and said["variant"] in self._variants:
            self._stages[said["variant"]] = said["what"]
            variant = self._variants[said["variant"]]
            self._events.put(Stage(said["worker"], variant, said["what"]))
        elif "done" in said:
            self._events.put(Advance(said["worker"], said["done"], said["total"]))

    def _ended(self, future: Any) -> None:
        task = self._futures.pop(future, None)
        if task is None or self._closing:
            return
        error = future.exception() if future.status == "error" else None
        if future.status == "finished":
            self._events.put(future.result())
        elif isinstance(error, _distributed().KilledWorker):
            stage = (
                f"scoring {task.cell.benchmark.name}"
                if task.cell is not None
                else self._stages.get(task.job.variant.name, "starting")
            )
            self._events.put(Lost(task, _reason(error, stage)))
        else:
            gone = HarnessError("the Dask scheduler has dropped a task, or has gone")
            self._events.put(Broken(error if isinstance(error, Exception) else gone))


def _reason(error: Any, stage: str) -> str:
    times, worker = error.allowed_failures + 1, error.last_worker
    often = "once" if times == 1 else f"{times} times"
    return f"worker killed {often}; last stage: {stage}; last on {worker.address}"


def _local(options: EngineOptions) -> Any:
    settings: Any = importlib.import_module("dask.config")
    # The scheduler reads how often a worker may die over a task when it starts.
    with settings.set({"distributed.scheduler.allowed-failures": options.retries - 1}):
        return _distributed().LocalCluster(
            n_workers=options.workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            host="127.0.0.1",
        )


class Desk:
    """What a Dask worker keeps from task to task, for each of its threads: a worker plugin."""

    def setup(self, worker: Any) -> None:
        """Begin, as Dask calls it in each worker."""
        self._threads = threading.local()
        self._teller = Teller(worker)

    def teardown(self, worker: Any) -> None:
        """End; nothing is left to do."""

    def worker(self) -> Worker:
        """Return the worker of the calling thread."""
        if not hasattr(self._threads, "worker"):
            self._threads.worker = Worker(self._teller)
        found: Worker = self._threads.worker
        return found


def _do(task: Task) -> Ended | Postponed:
    """Do a task in a Dask worker."""
    worker: Worker = _distributed().get_worker().plugins[NAME].worker()
    try:
        return Ended(task, task.done_by(worker))
    except Held:
        return Postponed(task)


class Teller:
    """A listener that logs events, which the scheduler passes on to the client."""

    def __init__(self, worker: Any) -> None:
        self._worker, self._last = worker, 0.0

    def stage(self, variant: Variant, what: str) -> None:
        """Tell that a stage begins."""
        self._last = 0.0
        self._tell(variant=variant.name, what=what)

    def advance(self, done: int, total: int | None) -> None:
        """Tell how far the stage is, from time to time."""
        now = time.monotonic()
        if now - self._last >= BEAT or done == total:
            self._last = now
            self._tell(done=done, total=total)

    def finished(self, cell: Cell) -> None:
        """Tell nothing: the client knows."""

    def worker(self, name: str) -> Teller:
        """Return itself."""
        return self

    def _tell(self, **said: Any) -> None:
        self._worker.log_event(NAME, {"worker": f"worker {self._worker.name}", **said})


def _distributed() -> Any:
    """Return Dask's library, which is there only with its extra."""
    found: ModuleType = importlib.import_module("distributed")
    return found
