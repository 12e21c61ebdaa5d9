"""Time and peak memory of a piece of work."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from types import TracebackType

import torch

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


class Meter:
    """Context manager that measures wall time and peak memory.

    The peak is that of the accelerator when there is one, else the resident size of this process:
    on Linux since the meter was entered, elsewhere (or where the kernel refuses to reset its
    counter) since the process began, an upper bound.

    Parameters
    ----------
    device : torch.device
        Where the work is done.

    Attributes
    ----------
    seconds : float
        Wall time, s.
    peak_memory : int
        Bytes.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.seconds = 0.0
        self.peak_memory = 0
        self._start = 0.0

    def __enter__(self) -> Meter:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            _reset_peak()
        self._start = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            self.peak_memory = torch.cuda.max_memory_allocated(self.device)
        else:
            self.peak_memory = _peak()
        self.seconds = time.perf_counter() - self._start


def _reset_peak() -> None:
    try:
        _CLEAR_REFS.write_text("5")
    except OSError:
        return  # not Linux, or a sandbox: the peak since the process began is an upper bound


def _peak() -> int:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    kibibytes = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(kibibytes) * 1024
