"""Progress bars for a run."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from harness.runner.cells import Cell, Variant


class Bars:
    """A listener to a run that draws what is going on.

    One bar counts cells; the other shows the stage in flight. Each finished cell leaves a line.

    Parameters
    ----------
    console : Console
    cells : int
        Cells to do.
    """

    def __init__(self, console: Console, cells: int) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._cells = self._progress.add_task("cells", total=cells)
        self._stage = self._progress.add_task("starting", total=None)

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def stage(self, variant: Variant, what: str) -> None:
        """Name the stage in flight."""
        self._progress.reset(
            self._stage, total=None, description=f"{variant.name}: {what}", completed=0
        )

    def advance(self, done: int, total: int | None) -> None:
        """Move the bar of the stage."""
        self._progress.update(self._stage, completed=done, total=total)

    def finished(self, cell: Cell) -> None:
        """Leave a line, and count the cell."""
        self._progress.advance(self._cells)
        name = f"{cell.variant.name} x {cell.benchmark.name}"
        if cell.reason:
            self._console.print(f"[red]{cell.status}[/] {name}: {cell.reason.splitlines()[0]}")
        else:
            self._console.print(f"[green]{cell.status}[/] {name}")
