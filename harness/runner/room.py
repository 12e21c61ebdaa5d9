"""What a run has to itself: memory of the machine, of its cards or of a cluster's job; its disk."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from harness.place.memory import most
from harness.place.place import Place
from harness.runner.engines.options import EngineOptions


@dataclass(frozen=True)
class Room:
    """Memory that one worker may have.

    Parameters
    ----------
    memory : int, optional
        Bytes of main memory; None where it is elsewhere and nothing is known of it.
    card : int, optional
        Bytes of the smallest card that prepares; None without one, or where nothing is known.
    where : str
        Whose they are, in words.
    """

    memory: int | None
    card: int | None
    where: str

    @property
    def model(self) -> int | None:
        """Bytes that a model's weights may take: they lie on the card, where there is one."""
        return self.memory if self.card is None else self.card

    @property
    def named(self) -> str:
        """What :attr:`model` is of, in words."""
        return self.where if self.card is None else f"a card of {self.where}"


def room(place: Place, engine: EngineOptions) -> Room:
    """Return what the workers of an engine have; other machines are not asked."""
    if engine.cluster and engine.cluster_options:
        options = engine.cluster_options
        if options.gpus:  # of what kind, only the cluster knows
            return Room(None, None, "a job")
        return Room(options.bytes, None, "a job")
    if engine.scheduler:
        return Room(None, None, "a worker")
    sizes = cards() if place.device == "auto" or place.device.startswith("cuda") else ()
    chosen = [sizes[i] for i in _wanted(place, engine) if i < len(sizes)]
    return Room(most() or None, min(chosen, default=None), "this machine")


def cards() -> tuple[int, ...]:
    """Return the bytes of each card of this machine; torch is not loaded for it."""
    torch = sys.modules.get("torch")
    if torch is not None:
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return tuple(torch.cuda.get_device_properties(i).total_memory for i in range(count))
    if shutil.which("nvidia-smi") is None:
        return ()
    with suppress(OSError, subprocess.TimeoutExpired, ValueError):
        said = subprocess.run(
            ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        if said.returncode == 0:
            return tuple(int(line) * 2**20 for line in said.stdout.split())
    return ()


def _wanted(place: Place, engine: EngineOptions) -> Sequence[int]:
    if engine.gpus:
        return engine.gpus
    number = place.device.partition(":")[2]
    return (int(number) if number.isdigit() else 0,)
