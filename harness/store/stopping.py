"""Signals that stop a command: after what is being written, with a sentence, and with their code.

The first SIGINT, SIGTERM or SIGHUP is raised as :class:`Stopped` in the main thread, so that every
``finally`` does its part; while a file is being written it waits for that file. A second one ends
the process at once: files are there whole or not at all, and what it leaves is swept later.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


AGAIN = 0.02
"""Seconds after which a signal is sent again that was dropped."""


class Stopped(BaseException):
    """The user, or the system, wants the command to stop.

    Parameters
    ----------
    number : int
        Of the signal.

    Attributes
    ----------
    remains : str
        What is left to do; filled in on the way up by whoever knows.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.remains = ""

    @property
    def code(self) -> int:
        """Exit code, as shells give it."""
        return 128 + self.number


@contextmanager
def listening() -> Iterator[None]:
    """Hear the signals while open; a command that is stopped says so and exits.

    Raises
    ------
    SystemExit
        The command was stopped: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.
    """
    if _listener() is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    listener = _Listener()
    # Who ignores a signal (nohup) goes on ignoring it.
    before = {n: signal.getsignal(n) for n in SIGNALS if signal.getsignal(n) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, listener)
    hook, sys.unraisablehook = sys.unraisablehook, listener.ignored
    try:
        yield
    except BaseException as error:
        if (stopped := _stopped(error)) is None:
            raise
        again = shlex.join(["brainpress", *sys.argv[1:]])
        _say(f"stopped by {signal.Signals(stopped.number).name}; {stopped.remains}go on: {again}")
        raise SystemExit(stopped.code) from None
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _stopped(error: BaseException | None) -> Stopped | None:
    """Return what stopped the command, under whatever a library made of it on its way.

    Python 3.11 raises a RuntimeError from what comes while a class is made.
    """
    while error is not None and not isinstance(error, Stopped):
        error = error.__cause__ or error.__context__
    return error


@contextmanager
def unhurried() -> Iterator[None]:
    """Let a first signal wait while open; nothing where :func:`listening` is not."""
    listener = _listener()
    if listener is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    listener.depth += 1
    try:
        yield
    finally:
        listener.depth -= 1
        listener.look()


class _Listener:
    """Handler of the signals."""

    def __init__(self) -> None:
        self.depth = 0
        self._came: int | None = None
        self._raised = False

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Raise the first one, or let it wait; end the process at the second."""
        if self._came is not None:
            _say("stopped at once")
            os._exit(128 + number)
        self._came = number
        if self.depth:
            _say("stopping after what is being written; once more stops at once")
        self.look()

    def ignored(self, found: sys.UnraisableHookArgs) -> None:
        """Send a signal again that Python dropped: where an object is freed it raises nothing."""
        if isinstance(found.exc_value, Stopped):
            self._came, self._raised = None, False
            threading.Timer(AGAIN, os.kill, (os.getpid(), found.exc_value.number)).start()
        else:
            sys.__unraisablehook__(found)

    def look(self) -> None:
        """Raise what came, once nothing is being written."""
        if self._came is not None and not self.depth and not self._raised:
            self._raised = True
            raise Stopped(self._came)


def _listener() -> _Listener | None:
    found = signal.getsignal(signal.SIGINT)
    if isinstance(found, _Listener):
        return found
    found = signal.getsignal(signal.SIGTERM)  # SIGINT may be ignored
    return found if isinstance(found, _Listener) else None


def _say(line: str) -> None:
    """Write a line to standard error, around whatever has the terminal."""
    with suppress(OSError):
        os.write(2, f"\n{line}\n".encode())
