"""What a run says while it runs. Whoever listens (the command line, a notebook) draws it."""

from __future__ import annotations

from typing import Protocol

from harness.runner.cells import Cell, Variant


class Progress(Protocol):
    """A listener to a run. It is called in the thread that called ``run``."""

    def stage(self, variant: Variant, what: str) -> None:
        """Say that a stage of a variant begins: fetching, loading, compressing, recording."""

    def advance(self, done: int, total: int | None) -> None:
        """Say how far the current stage is."""

    def finished(self, cell: Cell) -> None:
        """Say how a cell ended."""

    def worker(self, name: str) -> Progress:
        """Return a listener to one of several workers, whose stages run beside each other."""


class Silent:
    """A listener that draws nothing."""

    def stage(self, variant: Variant, what: str) -> None:
        """Draw nothing."""

    def advance(self, done: int, total: int | None) -> None:
        """Draw nothing."""

    def finished(self, cell: Cell) -> None:
        """Draw nothing."""

    def worker(self, name: str) -> Silent:
        """Return itself."""
        return self
