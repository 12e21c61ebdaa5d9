"""How busy a card is while a section runs, as its driver says."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import torch

EVERY = 0.05
"""Seconds between two looks."""


class Utilisation:
    """Per cent of the time in which a kernel ran.

    A kernel that uses one of the card's processors counts as one that uses all: it says how long
    the card waited, not how well it worked.
    """

    def __init__(self) -> None:
        self._samples: list[tuple[float, float]] = []

    def add(self, percent: float) -> None:
        """Keep a sample."""
        self._samples.append((time.perf_counter(), percent))

    def since(self, start: float) -> float | None:
        """Mean since a time of ``time.perf_counter``, in per cent; None where nothing was said."""
        own = [value for at, value in self._samples if at >= start]
        return sum(own) / len(own) if own else None


@contextmanager
def watching(device: torch.device) -> Iterator[Utilisation]:
    """Sample while open; without a card, or where its driver says nothing, nothing is kept."""
    found, done, look = Utilisation(), Event(), driver(device)
    if look is None:
        yield found
        return

    def sample() -> None:
        while not done.wait(EVERY):
            percent = look()
            if percent is not None:
                found.add(percent)

    thread = Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


class _Rates(ctypes.Structure):
    """``nvmlUtilization_t``: per cent of the last period with a kernel, and with memory busy."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


def driver(
    device: torch.device, library: str = "libnvidia-ml.so.1"
) -> Callable[[], float | None] | None:
    """Return what asks a card's driver, by NVML, which drivers bring; None without either.

    ``torch.cuda.utilization`` asks the same, and wants a package for it.
    """
    if device.type != "cuda":
        return None
    try:
        nvml = ctypes.CDLL(library)
    except OSError:
        return None
    handle = ctypes.c_void_p()
    name = f"GPU-{torch.cuda.get_device_properties(device).uuid}".encode()
    if nvml.nvmlInit_v2() or nvml.nvmlDeviceGetHandleByUUID(name, ctypes.byref(handle)):
        return None

    def look() -> float | None:
        rates = _Rates()
        # Parts of a card (MIG) have no rates of their own.
        failed = nvml.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(rates))
        return None if failed else float(rates.gpu)

    return look
