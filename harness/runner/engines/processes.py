"""Processes of this machine, each with its own cores, its own threads and its own GPU.

Each worker is a Python of its own (:mod:`harness.runner.engines.child`) that reads tasks from its
standard input and writes what becomes of them to its standard output; both ends are ours. It is not
``multiprocessing``, which would run the user's script again in every worker, and whose pools do not
outlive a worker that is killed.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from threading import Condition, Lock, Thread

from harness.errors import HarnessError
from harness.place.memory import most
from harness.place.place import Place
from harness.runner.engines.crew import (
    Advance,
    Broken,
    Crewed,
    Ended,
    Event,
    Lost,
    Postponed,
    Returned,
    Stage,
    died,
)
from harness.runner.engines.memory import share
from harness.runner.engines.messages import Memory, Message, receive, send
from harness.runner.engines.options import EngineOptions
from harness.runner.started import withdraw_process
from harness.runner.work import Task
from harness.store.store import Store

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
PATIENCE = 5.0
"""Seconds that a worker has to stop before it is killed."""


def processes(options: EngineOptions, place: Place) -> Crewed:
    """Return the engine."""
    count = _count(options)
    return Crewed(lambda events: Processes(options, place, events), several=count > 1)


class Waiting:
    """Tasks that wait for a worker. Scores come first: what is begun is finished.

    A worker with a GPU of its own prepares first, so that the card does not wait for scores; where
    GPUs are named, only their workers prepare.
    """

    def __init__(self, *, reserved: bool) -> None:
        self._reserved = reserved
        self._changed = Condition()
        self._prepare: deque[tuple[Task, int]] = deque()
        self._score: deque[tuple[Task, int]] = deque()
        self._closed = False

    def put(self, task: Task, lost: int = 0) -> None:
        """Add a task that so many workers have died over."""
        with self._changed:
            (self._prepare if task.cell is None else self._score).append((task, lost))
            self._changed.notify_all()

    def take(self, *, accelerator: bool) -> tuple[Task, int] | None:
        """Wait for a task; None when no more come."""
        mine = [self._score] if self._reserved and not accelerator else [self._score, self._prepare]
        if accelerator:
            mine.reverse()
        with self._changed:
            self._changed.wait_for(lambda: self._closed or any(mine))
            if self._closed:
                return None
            return next(queue for queue in mine if queue).popleft()

    def close(self) -> None:
        """Drop all, and let every worker's thread end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Processes:
    """A crew of processes, see :class:`harness.runner.engines.crew.Crew`."""

    def __init__(self, options: EngineOptions, place: Place, events: SimpleQueue[Event]) -> None:
        self._waiting = Waiting(reserved=bool(options.gpus))
        cores, count = _cores(), _count(options)
        self._slots = [
            Slot(
                Desk(
                    name=f"worker {i + 1}",
                    cores=tuple(cores[i::count]) or tuple(cores),
                    gpu=options.gpus[i] if i < len(options.gpus) else None,
                    hidden=bool(options.gpus),
                    log=place.store / "logs" / f"{os.getpid()}-worker-{i + 1}.log",
                ),
                self._waiting,
                events,
                options.retries,
            )
            for i in range(count)
        ]
        for slot in self._slots:
            slot.start()

    def submit(self, task: Task) -> None:
        """Add a task."""
        self._waiting.put(task)

    def close(self) -> None:
        """Drop what waits, stop what runs."""
        self._waiting.close()
        for slot in self._slots:
            slot.stop()
        for slot in self._slots:
            slot.join(2 * PATIENCE)


@dataclass(frozen=True)
class Desk:
    """What one worker has to itself.

    Parameters
    ----------
    name : str
    cores : tuple of int
        Empty where the system does not say which there are.
    gpu : int, optional
    hidden : bool
        Whether it must see no other GPU.
    log : Path
        Where it writes what libraries print.
    """

    name: str
    cores: tuple[int, ...]
    gpu: int | None
    hidden: bool
    log: Path

    def environment(self) -> dict[str, str]:
        """Return the environment of its process."""
        found = dict(os.environ)
        # A plugin beside the user's script is found there, too.
        found["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        for variable in THREADS:
            found.setdefault(variable, os.environ.get(THREADS[0], str(max(1, len(self.cores)))))
        if self.hidden:
            found["CUDA_VISIBLE_DEVICES"] = "" if self.gpu is None else str(self.gpu)
        return found


class Slot(Thread):
    """A worker's place in the crew: a thread that keeps its process, or starts another."""

    def __init__(
        self, desk: Desk, waiting: Waiting, events: SimpleQueue[Event], retries: int
    ) -> None:
        super().__init__(name=desk.name, daemon=True)
        self._desk, self._waiting, self._events, self._retries = desk, waiting, events, retries
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = Lock()
        self._stopped = False

    def run(self) -> None:
        """Do tasks until there are no more."""
        try:
            while taken := self._waiting.take(accelerator=self._desk.gpu is not None):
                self._do(*taken)
        except Exception as error:  # it belongs to the run, not to this thread
            if not self._stopped:
                self._events.put(Broken(error))

    def stop(self) -> None:
        """End the process, whatever it does; what is in the store stays whole."""
        with self._guard:
            self._stopped = True
            process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            # It was stopped on purpose: `status` must not say that it was killed.
            withdraw_process(Store(self._desk.log.parent.parent), process.pid)

    def _do(self, task: Task, lost: int) -> None:
        last, memory = "starting", 0
        process = self._running()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            send(process.stdin, task)
            while True:
                message: Message = receive(process.stdout)
                match message:
                    case Memory(size):
                        memory = max(memory, size)
                    case Returned(task):  # its process ends
                        self._events.put(replace(message, stage=last))
                        process.wait()
                        return
                    case Ended() | Postponed() | Broken():
                        self._events.put(message)
                        return
                    case Stage():
                        last = message.what
                        self._events.put(message)
                    case Advance():
                        self._events.put(message)
        except (EOFError, OSError, pickle.UnpicklingError):
            code = process.wait()
            with self._guard:
                self._process = None
            if self._stopped:
                return
        if lost + 1 < self._retries:
            self._waiting.put(task, lost + 1)
            return
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        reason = died(lost + 1, how, last, share(memory, most()), f"log: {self._desk.log}")
        self._events.put(Lost(task, reason))

    def _running(self) -> subprocess.Popen[bytes]:
        with self._guard:
            if self._stopped:
                raise HarnessError("the run has ended")
            if self._process is not None and self._process.poll() is None:
                return self._process
            self._desk.log.parent.mkdir(parents=True, exist_ok=True)
            with self._desk.log.open("ab") as log:
                self._process = subprocess.Popen(
                    # -P: a folder `harness` where the command is typed must not hide this one.
                    [sys.executable, "-P", "-m", "harness.runner.engines.child", self._desk.name]
                    + [str(core) for core in self._desk.cores],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=self._desk.environment(),
                    start_new_session=True,  # Ctrl-C is ours to hear
                )
            return self._process


def _count(options: EngineOptions) -> int:
    return options.workers or len(options.gpus) or len(_cores())


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
