"""What a run says while it runs. Whoever listens (the command line, a notebook) draws it."""

from __future__ import annotations

from typing import Protocol

from harness.runner.cells import Cell, Variant


class Progress(Protocol):
    """A listener to a run."""

    def stage(self, variant: Variant, what: str) -> None:
        """Say that a stage of a variant begins: fetching, loading, compressing, recording."""

    def advance(self, done: int, total: int | None) -> None:
        """Say how far the current stage is."""

    def finished(self, cell: Cell) -> None:
        """Say how a cell ended."""


class Silent:
    """A listener that draws nothing."""

    def stage(self, variant: Variant, what: str) -> None:
        """Draw nothing."""

    def advance(self, done: int, total: int | None) -> None:
        """Draw nothing."""

    def finished(self, cell: Cell) -> None:
        """Draw nothing."""
