"""A worker's process: ``python -m harness.runner.engines.child NAME [CORE …]``.

Tasks come through standard input; what becomes of them goes to standard output, and whatever
libraries print goes to standard error, which is the worker's log.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from queue import SimpleQueue
from threading import Lock, Thread
from typing import IO

from harness.runner.cells import Cell, Variant
from harness.runner.engines.crew import Advance, Broken, Ended, Postponed, Returned, Stage
from harness.runner.engines.hand_back import CODE, HandedBack
from harness.runner.engines.memory import peak
from harness.runner.engines.messages import Memory, Message, receive, send
from harness.runner.work import Task, Worker
from harness.store.lock import Held

BEAT = 0.5
"""Seconds between two words about memory, and at least between two about how far a stage is."""


class Teller:
    """A listener that tells the client, see :class:`harness.runner.progress.Progress`."""

    def __init__(self, name: str, stream: IO[bytes]) -> None:
        self._name, self._stream = name, stream
        self._guard = Lock()
        self._last = 0.0

    def tell(self, message: Message) -> None:
        """Send a message, from whatever thread."""
        try:
            with self._guard:
                send(self._stream, message)
        except OSError:  # the client has gone: this is no failure of a cell
            os._exit(1)

    def stage(self, variant: Variant, what: str) -> None:
        """Tell that a stage begins."""
        self._last = 0.0
        print(f"{time.strftime('%F %T')} {variant.name}: {what}", file=sys.stderr, flush=True)
        self.tell(Memory(peak()))
        self.tell(Stage(self._name, variant, what))

    def advance(self, done: int, total: int | None) -> None:
        """Tell how far the stage is, from time to time."""
        now = time.monotonic()
        if now - self._last >= BEAT or done == total:
            self._last = now
            self.tell(Advance(self._name, done, total))

    def finished(self, cell: Cell) -> None:
        """Tell nothing: the client knows."""

    def worker(self, name: str) -> Teller:
        """Return itself."""
        return self


def main(name: str, cores: list[int]) -> None:
    """Do tasks until standard input ends."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    stream = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    teller = Teller(name, stream)
    tasks: SimpleQueue[Task] = SimpleQueue()
    Thread(target=_read, args=(tasks,), daemon=True).start()
    Thread(target=_beat, args=(teller,), daemon=True).start()
    worker = Worker(teller)
    signal.signal(signal.SIGTERM, _leave)
    while True:
        task = tasks.get()
        try:
            ended = Ended.of(task, task.done_by(worker), worker)
        except HandedBack:
            teller.tell(Returned(task))
            os._exit(CODE)
        except Held:
            teller.tell(Postponed(task))
        except Exception as error:  # the store: a failure of a cell is a cell
            teller.tell(Broken(error))
        else:
            teller.tell(ended)


def _leave(*_: object) -> None:
    """Let go of the task; a second signal ends the process at once."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise HandedBack


def _read(tasks: SimpleQueue[Task]) -> None:
    """Pass tasks on; when the client has gone, stop at once: files are whole or not there."""
    while True:
        try:
            tasks.put(receive(sys.stdin.buffer))
        except EOFError:
            os._exit(0)


def _beat(teller: Teller) -> None:
    while True:
        time.sleep(BEAT)
        teller.tell(Memory(peak()))


if __name__ == "__main__":
    main(sys.argv[1], [int(core) for core in sys.argv[2:]])
