"""A standard output that takes no more: told in a line, once."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import HarnessError


@contextmanager
def told_output() -> Iterator[None]:
    """Say where what is printed cannot be written: a full disk behind ``>``.

    Raises
    ------
    SystemExit
        2: it cannot be.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO) or error.filename:
            raise
        # What is buffered must not be tried again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        os.write(2, f"error: the output cannot be written: {error.strerror}\n".encode())
        raise SystemExit(2) from error


def path_error(error: Exception) -> HarnessError | None:
    """Return what the system says of a path that was given; None where an error is another.

    A name that is too long, a character that no path has, a folder that may not be read.
    """
    if isinstance(error, OSError) and error.filename and error.strerror:
        name = os.fsdecode(error.filename) if not isinstance(error.filename, int) else "a file"
        shown = name if len(name) <= 200 else f"{name[:197]}..."
        return HarnessError(f"{shown!r}: {error.strerror.lower()}")
    if "null byte" in str(error) or "null character" in str(error):
        return HarnessError("a path holds the character NUL, which no path can")
    return None
