"""Work that stops in its middle and goes on later, however deep in other people's code."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class Course(threading.Thread):
    """Work that pauses at places of its own choosing until it is told to go on.

    It has a thread, because a forward pass can be held in its middle no other way without being
    rewritten; but the thread runs only while :meth:`resume` waits for it. So never do two run at
    once, nothing has to be locked, and the order of all that happens is fixed.

    What torch keeps for each thread by itself (``no_grad``, autocast) the work has to set itself.

    Parameters
    ----------
    work : callable
        What to do. In it, ``threading.current_thread()`` is this course.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        # A daemon: should the program end while a course is held, it is not waited for.
        super().__init__(daemon=True)
        self._work = work
        self._go_on: SimpleQueue[bool] = SimpleQueue()
        self._stopped: SimpleQueue[tuple[str | None, BaseException | None]] = SimpleQueue()

    def resume(self) -> str | None:
        """Let the work go on until it pauses or ends.

        Returns
        -------
        str or None
            The place where it paused; None when it has ended.

        Raises
        ------
        BaseException
            Whatever the work raised.
        """
        if self.ident is None:
            self.start()
        else:
            self._go_on.put(True)
        place, error = self._stopped.get()
        if place is None:
            self.join()
        if error is not None:
            raise error
        return place

    def pause(self, place: str) -> None:
        """Hold the work, which calls this itself, until it is resumed.

        Parameters
        ----------
        place : str
            What :meth:`resume` returns.
        """
        assert threading.current_thread() is self
        self._stopped.put((place, None))
        if not self._go_on.get():
            raise _Closed

    def close(self) -> None:
        """End the work where it is; nothing happens when it has ended, or never began."""
        if self.is_alive():
            self._go_on.put(False)
            self.join()

    def run(self) -> None:
        """Do the work, in the thread."""
        try:
            self._work()
        except BaseException as error:  # it is raised again, by resume
            self._stopped.put((None, error))
        else:
            self._stopped.put((None, None))


class _Closed(BaseException):
    """Unwinds the work of a course that was closed; no ``except Exception`` holds it up."""
