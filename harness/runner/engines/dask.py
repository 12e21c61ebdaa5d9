"""A Dask cluster: an existing scheduler, workers of this machine, or jobs of a batch scheduler.

Tasks go through the scheduler, scores through the store: what travels are specs one way and
statuses the other. Where workers offer the resource ``GPU``, preparing asks for it; scoring never
does. A worker needs brainpress and the folders of the job's place: a shared disk.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from queue import SimpleQueue
from types import ModuleType
from typing import Any

from harness.errors import ExtraMissing, HarnessError
from harness.place.place import Place
from harness.runner.cells import Variant
from harness.runner.engines import jobqueue
from harness.runner.engines.crew import (
    Advance,
    Broken,
    Crewed,
    Event,
    Lost,
    Returned,
    Stage,
    died,
)
from harness.runner.engines.dask_worker import NAME, Desk, do
from harness.runner.engines.memory import share
from harness.runner.engines.options import EngineOptions
from harness.runner.work import Task
from harness.spec.extras import not_installed

TIMEOUT = 10.0
"""Seconds that a scheduler has to answer."""
PULSE = 5.0
"""Seconds, at most, between two looks at which workers there are."""


def dask(options: EngineOptions, place: Place) -> Crewed:
    """Return the engine.

    Raises
    ------
    ExtraMissing
        Dask is not installed.
    """
    if reason := not_installed("dask"):
        raise ExtraMissing(reason)
    return Crewed(lambda events: DaskCrew(options, place, events), several=options.workers != 1)


@dataclass(frozen=True)
class Given:
    """A task, and what became of it so far.

    Parameters
    ----------
    task : Task
    lost : int
        How many workers have died over it.
    address : str
        The worker that it was given to; empty while it waits.
    """

    task: Task
    lost: int = 0
    address: str = ""

    @property
    def prepares(self) -> bool:
        """Whether it is a job to prepare."""
        return self.task.cell is None


class DaskCrew:
    """A crew of Dask workers, see :class:`harness.runner.engines.crew.Crew`.

    A task waits here until a worker has a thread free, and is given to that worker. Dask charges
    every task that a worker has with its death, those that only wait there, too.
    """

    def __init__(self, options: EngineOptions, place: Place, events: SimpleQueue[Event]) -> None:
        self._events, self._retries = events, options.retries
        self._logs = place.store / "logs"
        self._waiting: list[Given] = []
        self._futures: dict[Any, Given] = {}
        self._guard, self._changed = threading.Lock(), threading.Event()
        self._left: set[str] = set()  # addresses of workers that have gone
        self._killed: set[str] = set()  # keys of what ran on those that died
        self._leaving: set[str] = set()  # addresses of workers that have to go
        self._memory: dict[str, tuple[int, int]] = {}  # bytes had at most, and allowed
        self._variants: dict[str, Variant] = {}
        self._stages: dict[str, str] = {}
        self._closing = self._queueing = False
        self._jobs: jobqueue.Jobs | None = None
        self._cluster: Any = None
        lifetime = None
        if options.cluster and options.cluster_options:
            lifetime = jobqueue.lifetime(options.cluster, options.cluster_options)
            self._jobs = jobqueue.Jobs(
                options.cluster, options.cluster_options, options.workers or 1, self._logs
            )
            self._cluster = self._jobs.cluster
        elif not options.scheduler:
            self._cluster = _local(options)
        elsewhere = options.scheduler or self._jobs
        logs = "" if elsewhere else str(self._logs / str(os.getpid()))
        try:
            self._client: Any = _distributed().Client(
                options.scheduler or self._cluster, timeout=TIMEOUT
            )
        except OSError as error:
            raise HarnessError(
                f"no Dask scheduler answers at {options.scheduler}: {error}",
                "start one with `dask scheduler`, and workers with `dask worker ADDRESS`",
            ) from error
        desk = type("Desk", (Desk, _distributed().WorkerPlugin), {})(logs, lifetime)
        self._client.register_plugin(desk, name=NAME)
        self._client.subscribe_topic(NAME, self._heard)
        self._client.subscribe_topic("all", self._heard_of_workers)
        self._giver = threading.Thread(target=self._give, name="dask tasks", daemon=True)
        self._giver.start()

    def submit(self, task: Task) -> None:
        """Add a task."""
        self._variants[task.job.variant.name] = task.job.variant
        self._wait(Given(task))

    def close(self) -> None:
        """Drop what waits; workers that were started here end, others finish their task."""
        self._closing = True
        self._changed.set()
        self._giver.join(TIMEOUT)
        self._client.cancel(list(self._futures), force=True)
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()

    def _wait(self, given: Given) -> None:
        with self._guard:
            self._waiting.append(given)
        self._changed.set()

    def _give(self) -> None:
        """Give tasks to workers that have a thread free, until the end."""
        while not self._closing:
            try:
                if self._waiting or self._futures:
                    self._take_back()
                    workers = self._client.scheduler_info(n_workers=-1)["workers"]
                    if self._jobs is not None:
                        self._jobs.keep(str(worker["name"]) for worker in workers.values())
                        self._tell_of_queue(workers)
                    self._give_to(workers)
            except Exception as error:  # it belongs to the run, not to this thread
                if not self._closing:
                    self._events.put(Broken(error))
                return
            self._changed.wait(PULSE)
            self._changed.clear()

    def _tell_of_queue(self, workers: Mapping[str, Any]) -> None:
        """Say, once, that nothing goes on until the cluster lets a job start."""
        with self._guard:
            first = self._waiting[0].task.job.variant if self._waiting else None
        if workers or first is None or self._queueing:
            self._queueing = self._queueing and not workers
            return
        self._queueing = True
        self._events.put(Stage("cluster", first, "waiting in the cluster's queue"))

    def _give_to(self, workers: Mapping[str, Any]) -> None:
        cards = any(_cards(worker) for worker in workers.values())
        # One each, in turn, until no worker takes one more.
        while sum(self._given(*pair, cards) for pair in workers.items()):
            pass

    def _given(self, address: str, worker: Mapping[str, Any], cards: bool) -> bool:
        with self._guard:
            if address in self._leaving:
                return False
            here = [given for given in self._futures.values() if given.address == address]
            chosen = choose(self._waiting, worker, here, cards=cards)
            if chosen is None:
                return False
            self._waiting.remove(chosen)
            future = self._client.submit(
                do,
                chosen.task,
                workers=[address],
                resources={"GPU": 1} if cards and chosen.prepares else {},
                pure=False,
            )
            self._futures[future] = replace(chosen, address=address)
        future.add_done_callback(self._ended)
        return True

    def _take_back(self) -> None:
        """Take tasks back whose worker has gone, if the scheduler would still try them again."""
        with self._guard:
            gone = [pair for pair in self._futures.items() if pair[1].address in self._left]
        for future, given in gone:
            if self._taken(future):
                future.cancel()
                self._again(given, died=future.key in self._killed)

    def _taken(self, future: Any) -> Given | None:
        """Return what a future was given, to the first who asks."""
        with self._guard:
            return self._futures.pop(future, None)

    def _again(self, given: Given, *, died: bool) -> None:
        if given.address in self._leaving:
            self._events.put(Returned(given.task, self._stage(given.task)))
            return
        lost = given.lost + died
        if lost < self._retries:
            self._wait(Given(given.task, lost))
            return
        self._events.put(Lost(given.task, self._reason(lost, given)))

    def _stage(self, task: Task) -> str:
        if task.cell is not None:
            part = "" if task.part is None else f", part {task.part + 1}"
            return f"scoring {task.cell.benchmark.name}{part}"
        return self._stages.get(task.job.variant.name, "starting")

    def _reason(self, times: int, given: Given) -> str:
        memory = share(*self._memory.get(given.address, (0, 0)))
        where = f"last on {given.address}" if self._cluster is None else f"logs: {self._logs}"
        return died(times, "", self._stage(given.task), memory, where)

    def _heard(self, event: tuple[float, Mapping[str, Any]]) -> None:
        _, said = event
        if "what" in said and said["variant"] in self._variants:
            self._stages[said["variant"]] = said["what"]
            variant = self._variants[said["variant"]]
            self._events.put(Stage(said["who"], variant, said["what"]))
        elif "done" in said:
            self._events.put(Advance(said["who"], said["done"], said["total"]))
        elif "memory" in said:
            self._memory[said["worker"]] = (said["memory"], said["of"])
        elif "leaves" in said:
            self._leaving.add(said["worker"])

    def _heard_of_workers(self, event: tuple[float, Any]) -> None:
        _, said = event
        action = said.get("action") if isinstance(said, Mapping) else None
        if action == "remove-worker":
            if not said.get("expected"):
                self._killed.update(said["processing-tasks"])
            self._left.add(said["worker"])
        elif action == "add-worker":
            self._left.discard(said["worker"])
        else:
            return
        self._changed.set()

    def _ended(self, future: Any) -> None:
        said: Event | None = None
        try:
            said = future.result()
        except Exception as raised:
            error = raised
        given = self._taken(future)
        if given is None or self._closing:
            return
        if said is not None:
            self._events.put(said)
        elif isinstance(error, _distributed().KilledWorker):
            self._again(given, died=True)
        elif isinstance(error, CancelledError):
            self._events.put(
                Broken(HarnessError("the Dask scheduler has dropped a task, or has gone"))
            )
        else:
            self._events.put(Broken(error))
        self._changed.set()


def choose(
    waiting: Sequence[Given], worker: Mapping[str, Any], here: Sequence[Given], *, cards: bool
) -> Given | None:
    """Return the task that a worker does next: scores first, on a card what is to prepare.

    Parameters
    ----------
    waiting : sequence of Given
    worker : mapping
        What the scheduler says of it.
    here : sequence of Given
        What it does now.
    cards : bool
        Whether any worker has a card: then only those prepare, one task to a card.

    Returns
    -------
    Given or None
        None where nothing fits, or the worker has no thread free.
    """
    if worker["status"] != "running" or len(here) >= worker["nthreads"]:
        return None
    free = _cards(worker) - sum(given.prepares for given in here)
    fitting = [given for given in waiting if not (given.prepares and cards and free < 1)]
    return min(fitting, key=lambda given: given.prepares != bool(_cards(worker)), default=None)


def _cards(worker: Mapping[str, Any]) -> float:
    found: float = worker.get("resources", {}).get("GPU", 0)
    return found


def _local(options: EngineOptions) -> Any:
    library = _distributed()  # first: its defaults would go when the settings below do
    settings: Any = importlib.import_module("dask.config")
    # Deaths are counted here; the scheduler reads that it tries nothing again when it starts.
    with settings.set({"distributed.scheduler.allowed-failures": 0}):
        return library.LocalCluster(
            n_workers=options.workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            host="127.0.0.1",
        )


def _distributed() -> Any:
    """Return Dask's library, which is there only with its extra."""
    found: ModuleType = importlib.import_module("distributed")
    return found
