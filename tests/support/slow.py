"""A benchmark that takes as long to score as it is told, and leaves a trace of each attempt."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import xarray as xr
from toys import Hidden


class Slow(Hidden):
    """Sleeps in its score: ``seconds`` at the first attempts, not at all after ``times`` of them.

    Each attempt leaves an empty file in ``folder``, named by number and process.
    """

    def __init__(self, folder: str, times: int, seconds: float = 600.0) -> None:
        super().__init__()
        self.folder, self.times, self.seconds = folder, times, seconds

    def score(self, recordings: Any) -> xr.Dataset:
        number = len(os.listdir(self.folder))
        (Path(self.folder) / f"{number}-{os.getpid()}").touch()
        end = time.monotonic() + self.seconds * (number < self.times)
        while time.monotonic() < end:
            time.sleep(0.1)
        return super().score(recordings)
