"""What a Dask worker keeps, does and tells."""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.place.memory import most
from harness.runner.cells import Cell, Variant
from harness.runner.engines.crew import Ended, Postponed, Returned
from harness.runner.engines.hand_back import Busy, HandedBack, on_sigterm
from harness.runner.engines.memory import peak
from harness.runner.work import Task, Worker
from harness.store.lock import Held

NAME = "brainpress"
BEAT = 0.5
"""Seconds, at least, between two words about how far a stage is."""
GROWN = 1.02
"""How much more memory is worth a word."""


class Desk:
    """What a Dask worker keeps from task to task, for each of its threads: a worker plugin.

    Parameters
    ----------
    logs : str
        Beginning of the path of each worker's log; empty where whoever started it keeps one.
    lifetime : float, optional
        Seconds after which the worker hands its task back by itself.
    """

    def __init__(self, logs: str = "", lifetime: float | None = None) -> None:
        self._logs, self._lifetime = logs, lifetime

    def setup(self, worker: Any) -> None:
        """Begin, as Dask calls it in each worker."""
        if self._logs:
            _write_to(Path(f"{self._logs}-worker-{worker.name}.log"))
        self._threads = threading.local()
        self._teller = Teller(worker)
        self.busy = Busy()
        on_sigterm(self._leave)
        if self._lifetime is not None:
            timer = threading.Timer(self._lifetime, self._leave)
            timer.daemon = True
            timer.start()
        threading.Thread(target=self._beat, name="beat", daemon=True).start()

    def teardown(self, worker: Any) -> None:
        """End; nothing is left to do."""

    def worker(self) -> Worker:
        """Return the worker of the calling thread."""
        if not hasattr(self._threads, "worker"):
            self._threads.worker = Worker(self._teller)
        found: Worker = self._threads.worker
        return found

    def _leave(self) -> None:
        self._teller.leaves()
        self.busy.leave()

    def _beat(self) -> None:
        told = 0.0
        while True:
            if (used := peak()) > GROWN * told:
                told = used
                self._teller.memory(used, most())
            time.sleep(BEAT)


def do(task: Task) -> Ended | Postponed | Returned:
    """Do a task in a Dask worker."""
    library: ModuleType = importlib.import_module("distributed")
    desk: Desk = library.get_worker().plugins[NAME]
    try:
        with desk.busy:
            worker = desk.worker()
            return Ended.of(task, task.done_by(worker), worker)
    except Held:
        return Postponed(task)
    except HandedBack:
        return Returned(task)


class Teller:
    """A listener that logs events, which the scheduler passes on to the client."""

    def __init__(self, worker: Any) -> None:
        self._worker, self._last = worker, 0.0

    def stage(self, variant: Variant, what: str) -> None:
        """Tell that a stage begins."""
        self._last = 0.0
        print(f"{time.strftime('%F %T')} {variant.name}: {what}", file=sys.stderr, flush=True)
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

    def memory(self, used: int, of: int) -> None:
        """Tell how much memory the worker has had, and how much it may have."""
        self._tell(memory=used, of=of)

    def leaves(self) -> None:
        """Tell that the worker goes, and is to be given nothing."""
        print(f"{time.strftime('%F %T')} leaving: told to end", file=sys.stderr, flush=True)
        self._tell(leaves=True)

    def _tell(self, **said: Any) -> None:
        worker = self._worker
        # The scheduler adds the worker's address, as "worker".
        worker.log_event(NAME, {"who": f"worker {worker.name}", **said})


def _write_to(log: Path) -> None:
    """Have all that this process prints go to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())
