"""What follows when a device has no memory left: once more with half, then the numbers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from harness.errors import HarnessError

T = TypeVar("T")


class DeviceMemoryError(HarnessError):
    """A device has too little memory, also for half as much at a time."""


def halved(work: Callable[[int], T], device: str, what: str) -> T:
    """Do something; where the device runs out of memory, do it once more with half at a time.

    Parameters
    ----------
    work : callable
        Is given what to divide by: 1, then 2.
    device : str
    what : str
        What is done, for the reason.

    Raises
    ------
    DeviceMemoryError
        Half is too much, too. It names the device's memory, what is free, and what was asked for.
    """
    for part in (1, 2):
        try:
            return work(part)
        except Exception as error:
            if not ran_out(error):
                raise
            reason = _first_line(error)
        # Outside of the handler: the error's frames hold what takes the memory.
        room = _room(device)
    raise DeviceMemoryError(
        f"{device} ran out of memory while {what}, also with half as much at a time{room}:"
        f" {reason}",
        "use --dtype bfloat16, a smaller --batch-size or --memory, or a larger device",
    )


def ran_out(error: BaseException) -> bool:
    """Whether an error is torch's of a device without memory; torch need not be loaded."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip()


def _room(device: str) -> str:
    """Give back what is cached, and say what of the device's memory is free then."""
    import gc

    import torch

    gc.collect()
    if not device.startswith("cuda") or not torch.cuda.is_available():
        return ""
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info(device)
    return f" ({free / 2**30:.1f} of {total / 2**30:.1f} GiB free without the batch)"
