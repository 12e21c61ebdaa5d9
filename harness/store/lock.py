"""Locks that name their holder, and that a holder that died elsewhere does not keep for ever.

A lock is the system's (``flock``) where the file system has it; elsewhere ``filelock`` falls back
to a file, which a process that was killed on another host never removes. So the holder writes
beside the lock who it is, and touches that note while it lives: whoever waits says whom for, and
goes on when the note has not moved for ``LIMIT`` seconds. What is made under a lock appears whole
or not at all, so that a lock taken from a process that was merely suspended costs time, and no
result.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread

from filelock import FileLock, Timeout

from harness.errors import HarnessError

BEAT = 20.0
"""Seconds between two signs of life."""
LIMIT = 300.0
"""Seconds without one after which a lock is taken over."""
DAY = 86400.0
"""Seconds after which the note of a holder on another host is swept."""
POLL = 2.0
"""Seconds between two looks at who holds a lock."""

_log = logging.getLogger("brainpress.store")


class Held(HarnessError):
    """Another process holds a lock."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Parameters
    ----------
    host : str
    pid : int
    since : str
        Local time, as ``2026-01-31 12:00:00``.
    """

    host: str
    pid: int
    since: str

    @classmethod
    def me(cls) -> Holder:
        """Return this process, from now on."""
        return cls(socket.gethostname(), os.getpid(), time.strftime("%F %T"))

    @classmethod
    def read(cls, note: Path) -> Holder | None:
        """Return who wrote a note; None where there is none that reads."""
        try:
            return cls(**json.loads(note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def gone(self) -> bool:
        """Whether it was a process of this host that has ended."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


@contextmanager
def held(path: Path, *, wait: bool = True, limit: float = LIMIT) -> Iterator[None]:
    """Hold a lock while open.

    Parameters
    ----------
    path : Path
        The lock's file; its folder is there.
    wait : bool
        Whether to wait for another holder.
    limit : float
        Seconds without a sign of life after which the lock of another holder is taken over.

    Raises
    ------
    Held
        Another process holds it, and ``wait`` is not set.
    """
    lock, note = FileLock(path), path.with_suffix(".holder")
    seen, told = _Seen(), False
    while True:
        try:
            lock.acquire(timeout=min(POLL, limit) if wait else 0)
            break
        except Timeout:
            holder = Holder.read(note)
            if (holder and holder.gone) or seen.still(note) > limit:
                _log.warning("taking over %s from %s: no sign of life", path.name, holder)
                note.unlink(missing_ok=True)
                path.unlink(missing_ok=True)
                seen, lock = _Seen(), FileLock(path)
                continue
            if not wait:
                raise Held(f"{path.name} is held by {holder or 'another process'}") from None
            if not told:
                _log.warning("waiting for %s, which holds %s", holder or "a process", path.name)
                told = True
    ended = Event()
    mine = Holder.me()
    with suppress(OSError):
        note.write_text(json.dumps(asdict(mine)), encoding="utf-8")
    Thread(target=_beat, args=(note, ended), daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        if Holder.read(note) == mine:
            note.unlink(missing_ok=True)
        lock.release()


def sweep_notes(folder: Path) -> list[Path]:
    """Remove the notes of holders that have gone; return what was removed.

    The system lets go of a dead process' lock, and nobody may ever want the same one again.
    """
    swept = []
    for note in folder.glob("*.holder"):
        holder = Holder.read(note)
        with suppress(OSError):
            still = time.time() - note.stat().st_mtime
            if (holder is not None and holder.gone) or still > DAY:
                note.unlink()
                swept.append(note)
    return swept


class _Seen:
    """How long a note has not moved while this process looked at it; clocks of hosts differ."""

    def __init__(self) -> None:
        self._moved: float | None = None
        self._since = time.monotonic()

    def still(self, note: Path) -> float:
        """Return the seconds since the note was last seen to move."""
        try:
            moved: float | None = note.stat().st_mtime
        except OSError:
            moved = None
        if moved != self._moved:
            self._moved, self._since = moved, time.monotonic()
        return time.monotonic() - self._since


def _beat(note: Path, ended: Event) -> None:
    while not ended.wait(BEAT):
        with suppress(OSError):
            os.utime(note)
