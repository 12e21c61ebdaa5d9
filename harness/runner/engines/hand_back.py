"""A worker that has to go hands its task back: walltime, preemption, a node that is drained.

SIGTERM is how schedulers of clusters, and a user's ``kill``, say so. The task is left where it
stands: what was stored stays, locks are let go, and the client is told, so that the task goes to
another worker and no death is counted.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable

GRACE = 8.0
"""Seconds for a task to let go; clusters give 10 to 30 before they kill."""
FLUSH = 0.5
"""Seconds for the last words to leave."""
CODE = 128 + signal.SIGTERM
"""Exit code of a process that was told to end."""


class HandedBack(BaseException):
    """The worker must go; raised where the task is. No failure of a cell, so no Exception."""


def on_sigterm(leave: Callable[[], None]) -> bool:
    """Call something in a thread of its own when this process is told to end.

    Returns
    -------
    bool
        Whether it will be: only the main thread may say so.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=leave, name="leaving").start())
    return True


class Busy:
    """The threads that are at a task."""

    def __init__(self) -> None:
        self._threads: set[int] = set()
        self._leaving = False

    def __enter__(self) -> None:
        if self._leaving:
            raise HandedBack
        self._threads.add(threading.get_ident())

    def __exit__(self, *_: object) -> None:
        self._threads.discard(threading.get_ident())

    def leave(self) -> None:
        """Have every task let go, and end the process; what does not let go is cut off."""
        self._leaving = True
        for thread in list(self._threads):
            _raise_in(thread)
        deadline = time.monotonic() + GRACE
        while self._threads and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(FLUSH)
        os._exit(CODE)


def _raise_in(thread: int) -> None:
    """Raise HandedBack in a thread, as soon as it is at its next Python instruction."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(HandedBack))
