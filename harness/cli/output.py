"""A standard output that takes no more: told in a line, once."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


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
