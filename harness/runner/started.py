"""Marks beside what was begun: a cell whose process was killed is told from one never tried.

A worker puts a mark into the store for each cell of a task before it begins, says in it which stage
it is at and how much memory it has, and removes it when the task ends, however it ends. So a mark
whose process has gone is the trace of a kill: the system ends a process that is out of memory
without a word, and leaves it no time for one.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event, Lock, Thread

from harness.errors import StoreError
from harness.place.memory import available, used
from harness.runner.cells import Cell, Variant
from harness.runner.progress import Progress
from harness.store.atomic import writing
from harness.store.leftovers import alive, machine
from harness.store.store import Store

FOLDER = "started"
BEAT = 10.0
"""Seconds between two signs of life."""
LIMIT = 300.0
"""Seconds without one after which a process of another machine counts as gone."""


@dataclass(frozen=True)
class Mark:
    """What a process said of a task before it was heard of last.

    Parameters
    ----------
    host : str
    machine : str
        Where numbers of processes mean the same, see :func:`harness.store.leftovers.machine`.
    pid : int
    since : str
        Local time, as ``2026-01-31 12:00:00``.
    stage : str
    memory, left : int
        Bytes that the process had, and that were left to it; 0: not known.
    gone : bool
        Whether the process has ended; not stored.
    """

    host: str
    machine: str
    pid: int
    since: str
    stage: str = "starting"
    memory: int = 0
    left: int = 0
    gone: bool = False

    def __str__(self) -> str:
        who = f"process {self.pid} on {self.host}, since {self.since}"
        if not self.gone:
            return f"at work: {self.stage} ({who})"
        seen = f"; last seen with {self.memory / 2**30:.1f} GiB of memory" if self.memory else ""
        seen += f", {self.left / 2**30:.1f} GiB left" if self.memory and self.left else ""
        return f"killed (out of memory?) while {self.stage}{seen}; {who}"


@contextmanager
def marked(
    store: Store, keys: Iterable[str], progress: Progress, part: int | None = None
) -> Iterator[Progress]:
    """Mark a task as begun while open; a store that takes no mark costs the mark alone.

    Parameters
    ----------
    store : Store
    keys : iterable of str
        Of the cells of the task: :func:`harness.runner.keys.failure_key`.
    progress : Progress
        Hears of the stages.
    part : int, optional
        The part of a cell's score, of which several processes may each do one.

    Yields
    ------
    Progress
        To be told of the stages instead: it notes them in the mark, too.
    """
    marker = _Marker([_path(store, key, part) for key in keys], progress)
    marker.note()
    ended = Event()
    Thread(target=marker.beat, args=(ended,), daemon=True).start()
    try:
        yield marker
    finally:
        ended.set()
        marker.end()


def mark_of(store: Store, key: str) -> Mark | None:
    """Return the mark of a cell, by its failure key; None where nobody has begun it.

    Where several processes are at its parts, the mark of one that lives comes before those of the
    dead: others go on with their parts.
    """
    marks = [mark for path in _paths(store, key) if (mark := _read(path)) is not None]
    return min(marks, key=lambda mark: mark.gone, default=None)


def _read(path: Path) -> Mark | None:
    try:
        found = Mark(**json.loads(path.read_text(encoding="utf-8")))
        still = time.time() - path.stat().st_mtime
    except (OSError, ValueError, TypeError):
        return None
    gone = not alive(found.pid) if found.machine == machine() else still > LIMIT
    return replace(found, gone=gone)


def withdraw(store: Store, keys: Iterable[str]) -> None:
    """Remove the marks of cells, by their failure keys: more is known of them by now."""
    for key in keys:
        _remove(_paths(store, key))


def withdraw_process(store: Store, pid: int) -> None:
    """Remove what a process of this machine has marked, which was stopped on purpose."""
    for path in (store.root / FOLDER).glob("*/*.json"):
        mark = _read(path)
        if mark is not None and (mark.pid, mark.machine) == (pid, machine()):
            _remove([path])


class _Marker:
    """A listener that notes the stages in marks, see :class:`harness.runner.progress.Progress`."""

    def __init__(self, paths: list[Path], progress: Progress) -> None:
        self._paths, self._progress = paths, progress
        self._guard, self._ended = Lock(), False
        since = time.strftime("%F %T")
        self._mark = Mark(platform.node(), machine(), os.getpid(), since)

    def note(self) -> None:
        """Write the marks as things are."""
        with self._guard:
            if self._ended:
                return
            room = available()
            self._mark = replace(self._mark, memory=used(), left=room.size if room else 0)
            said = {name: value for name, value in asdict(self._mark).items() if name != "gone"}
            for path in self._paths:
                with suppress(OSError, StoreError), writing(path) as beside:
                    beside.write_text(json.dumps(said), encoding="utf-8")

    def beat(self, ended: Event) -> None:
        """Write them again from time to time."""
        while not ended.wait(BEAT):
            self.note()

    def end(self) -> None:
        """Remove them."""
        with self._guard:
            self._ended = True
            _remove(self._paths)

    def stage(self, variant: Variant, what: str) -> None:
        """Note a stage, and pass it on."""
        self._mark = replace(self._mark, stage=what)
        self.note()
        self._progress.stage(variant, what)

    def advance(self, done: int, total: int | None) -> None:
        """Pass it on."""
        self._progress.advance(done, total)

    def finished(self, cell: Cell) -> None:
        """Pass it on."""
        self._progress.finished(cell)

    def worker(self, name: str) -> Progress:
        """Pass it on."""
        return self._progress.worker(name)


def _path(store: Store, key: str, part: int | None) -> Path:
    name = key if part is None else f"{key}.part-{part}"
    return store.root / FOLDER / key[:2] / f"{name}.json"


def _paths(store: Store, key: str) -> list[Path]:
    """Return the mark of a cell and those of its parts."""
    whole = _path(store, key, None)
    return [whole, *whole.parent.glob(f"{key}.part-*.json")]


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)
