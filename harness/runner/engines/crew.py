"""An engine over any crew of workers: prepare a variant, then score its cells side by side.

A crew is what differs between processes of this machine and a cluster: it takes tasks, and puts
what becomes of them into a queue. What follows from it is the same for all, and is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Protocol, assert_never

from harness.errors import HarnessError
from harness.runner.cells import Cell, Variant
from harness.runner.engines.parts import Parts
from harness.runner.job import Job
from harness.runner.progress import Progress
from harness.runner.work import Task, Worker, failed
from harness.store.store import Store


@dataclass(frozen=True)
class Stage:
    """A worker begins a stage of a variant."""

    worker: str
    variant: Variant
    what: str


@dataclass(frozen=True)
class Advance:
    """A worker is so far in its stage."""

    worker: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Ended:
    """A task ended.

    Parameters
    ----------
    task : Task
    cells : tuple of Cell
    parts : tuple of int
        Of each cell that it has prepared, how many parts the score has.
    """

    task: Task
    cells: tuple[Cell, ...]
    parts: tuple[int, ...] = ()

    @classmethod
    def of(cls, task: Task, cells: tuple[Cell, ...], worker: Worker) -> Ended:
        """Return the event for a task that a worker has done."""
        return cls(task, cells, task.parts_of(cells, worker))


@dataclass(frozen=True)
class Postponed:
    """Another process does the same task: it comes last."""

    task: Task


@dataclass(frozen=True)
class Returned:
    """A worker had to go, and handed its task back."""

    task: Task
    stage: str = ""


@dataclass(frozen=True)
class Lost:
    """A task was given to as many workers as allowed, and all of them died."""

    task: Task
    reason: str


@dataclass(frozen=True)
class Broken:
    """Something that ends the run: the store cannot be written, a worker does not start."""

    error: Exception


Event = Stage | Advance | Ended | Postponed | Returned | Lost | Broken

RETURNS = 20
"""How often a task is handed back before it is one that no worker lives long enough for."""


class Crew(Protocol):
    """Workers, however far away."""

    def submit(self, task: Task) -> None:
        """Have a task done; what becomes of it is put into the queue of events."""

    def close(self) -> None:
        """Drop what waits, stop what runs, let the workers go."""


class WorkerLost(HarnessError):
    """A worker died, again and again, over the same task."""


@dataclass(frozen=True)
class Crewed:
    """An engine that gives tasks to a crew, see :class:`harness.runner.engine.Engine`.

    Parameters
    ----------
    hire : callable
        Makes the crew, given the queue that events go into.
    several : bool
        Whether there are several workers: then scores that have parts are made part by part.
    """

    hire: Callable[[SimpleQueue[Event]], Crew]
    several: bool = True

    def run(self, jobs: Sequence[Job], progress: Progress) -> Iterator[Cell]:
        """Prepare every job; score each of its cells as soon as the job is prepared."""
        events: SimpleQueue[Event] = SimpleQueue()
        parts = Parts(self.several)
        crew = self.hire(events)
        try:
            for job in jobs:
                crew.submit(Task(job))
            waiting = len(jobs)
            while waiting:
                event = events.get()
                match event:
                    case Stage(worker, variant, what):
                        progress.worker(worker).stage(variant, what)
                    case Advance(worker, done, total):
                        progress.worker(worker).advance(done, total)
                    case Ended(task, cells, counts):
                        following = parts.following(task, cells, counts)
                        for further in following:
                            crew.submit(further)
                        waiting += len(following) - 1
                        left = [further.cell for further in following]
                        yield from (cell for cell in cells if cell not in left)
                    case Postponed(task):
                        crew.submit(replace(task, wait=True))
                    case Returned(task, stage) if task.returned + 1 < RETURNS:
                        crew.submit(replace(task, returned=task.returned + 1))
                    case Returned(task, stage):
                        waiting -= 1
                        parts.lost(task)
                        yield from lost(task, _too_long(task.returned + 1, stage))
                    case Lost(task, reason):
                        waiting -= 1
                        parts.lost(task)
                        yield from lost(task, reason)
                    case Broken(error):
                        raise error
                    case _:
                        assert_never(event)
        finally:
            crew.close()


def died(times: int, how: str, stage: str, memory: str, where: str) -> str:
    """Say why a task is given up: ``worker killed 3 times (SIGKILL); last stage: …``."""
    often = "once" if times == 1 else f"{times} times"
    signal = f" ({how})" if how else ""
    return f"worker killed {often}{signal}; last stage: {stage}; {memory}; {where}"


def lost(task: Task, reason: str) -> Iterator[Cell]:
    """Give the cells of a task that no worker has finished, as failed."""
    store = Store(task.job.place.store)
    for cell in task.cells:
        yield failed(cell, WorkerLost(reason), store)


def _too_long(times: int, stage: str) -> str:
    last = f"; last stage: {stage}" if stage else ""
    return f"handed back {times} times by workers that had to go{last}; give a longer walltime"
