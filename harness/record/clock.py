"""How long the passes of a recording take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Clock:
    """Wall time of passes through a model, readout included.

    A card is handed work and does it later, while the host lays out the next batch: there the time
    runs from the first batch until nothing is left to do. Elsewhere it is that of the passes alone.

    Parameters
    ----------
    device : torch.device
        Where the model computes.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._begun: float | None = None
        self._passes = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time what is done while open."""
        start = time.perf_counter()
        if self._begun is None:
            self._begun = start
        yield
        self._passes += time.perf_counter() - start

    def seconds(self) -> float:
        """Return the time (s), once everything is done that was asked for."""
        if self._device.type != "cuda" or self._begun is None:
            return self._passes
        torch.cuda.synchronize(self._device)
        return time.perf_counter() - self._begun
