"""What all sections share: the device, sizes, clocks, the precision of products, rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

T = TypeVar("T")
KINDS = ("float32", "tf32", "bfloat16")
"""Arithmetic of products: TF32 is float32 of which the tensor cores see ten bits of mantissa."""


@dataclass(frozen=True)
class Row:
    """A line of a table; tables of a section are told apart by their titles."""

    table: str
    values: dict[str, Any]


@dataclass
class Setting:
    """Where sections run, and how large.

    Parameters
    ----------
    device : torch.device
        With an index, if it is a card.
    small : bool
        Sizes of a test on a CPU, whose figures mean nothing.
    peaks : dict
        TFLOP/s of large products by kind, once they were measured.
    """

    device: torch.device
    small: bool = False
    peaks: dict[str, float] = field(default_factory=dict)

    @property
    def on_card(self) -> bool:
        """Whether the device is a card."""
        return self.device.type == "cuda"

    def pick(self, full: T, small: T) -> T:
        """Choose a size."""
        return small if self.small else full

    def wait(self) -> None:
        """Return when everything that was asked of the device is done."""
        if self.on_card:
            torch.cuda.synchronize(self.device)

    def let_go(self) -> None:
        """Give memory back that nothing holds any more."""
        import gc

        gc.collect()
        if self.on_card:
            torch.cuda.empty_cache()

    def fits(self, nbytes: float) -> bool:
        """Whether so much is free on the card; a CPU is taken to have it."""
        return not self.on_card or nbytes < torch.cuda.mem_get_info(self.device)[0]

    def timed(self, work: Callable[[], T]) -> tuple[float, T]:
        """Do something; return the seconds until the device is done, and what it gives."""
        self.wait()
        start = time.perf_counter()
        found = work()
        self.wait()
        return time.perf_counter() - start, found

    def peak(self, kind: str) -> float:
        """TFLOP/s of a large square product, measured once for each kind."""
        if kind not in self.peaks:
            side = self.pick(8192, 256)
            self.peaks[kind] = product_rate(self, kind, (side, side, side))
        return self.peaks[kind]


class Stopwatch:
    """Time that pieces of work take on a device, added up: by CUDA events, read in the end.

    Between two events of a card that waits for its host the wait counts, too.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._pairs: list[tuple[Any, Any]] = []

    def _mark(self) -> Any:
        if not self._setting.on_card:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time what is done while open."""
        start = self._mark()
        try:
            yield
        finally:
            self._pairs.append((start, self._mark()))

    @property
    def seconds(self) -> float:
        """All of it."""
        self._setting.wait()
        if self._setting.on_card:
            return sum(start.elapsed_time(end) for start, end in self._pairs) / 1e3
        return sum(end - start for start, end in self._pairs)


@contextmanager
def products_in(kind: str) -> Iterator[torch.dtype]:
    """Let float32 products be made in TF32, or not; give the type of the matrices."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if kind == "tf32" else "highest")
    try:
        yield torch.bfloat16 if kind == "bfloat16" else torch.float32
    finally:
        torch.set_float32_matmul_precision(before)


def product_rate(setting: Setting, kind: str, shape: tuple[int, int, int]) -> float:
    """TFLOP/s of a product (n, k) @ (k, m), from half a second of them."""
    n, k, m = shape
    with products_in(kind) as dtype:
        a = torch.randn(n, k, device=setting.device, dtype=dtype)
        b = torch.randn(k, m, device=setting.device, dtype=dtype)
        out = a @ b
        once, _ = setting.timed(lambda: torch.mm(a, b, out=out))
        times = max(1, min(1000, int(setting.pick(0.5, 0.01) / max(once, 1e-6))))
        watch = Stopwatch(setting)
        with watch.running():
            for _ in range(times):
                torch.mm(a, b, out=out)
        return 2.0 * n * k * m * times / watch.seconds / 1e12
