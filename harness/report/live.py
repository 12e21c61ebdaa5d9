"""What a run shows while it runs: bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from harness.runner.cells import Cell, Variant


class Bars:
    """A listener to a run that draws what is going on.

    One bar counts cells; one for each worker shows the stage in flight and when it will end. Each
    finished cell leaves a line. Where the console is no terminal, each stage leaves a line with the
    time instead.

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
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._cells = self._progress.add_task("cells", total=cells)
        self._workers: dict[str, WorkerBar] = {}

    def __enter__(self) -> Bars:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def stage(self, variant: Variant, what: str) -> None:
        """Name the stage in flight."""
        self.worker("").stage(variant, what)

    def advance(self, done: int, total: int | None) -> None:
        """Move the bar of the stage."""
        self.worker("").advance(done, total)

    def finished(self, cell: Cell) -> None:
        """Leave a line, and count the cell."""
        self._progress.advance(self._cells)
        name = escape(f"{cell.variant.name} x {cell.benchmark.name}")
        line = f"[{cell.status.style}]{cell.status}[/] {name}"
        if cell.reason:
            line += f": {escape(cell.reason.splitlines()[0])}"
        self._console.print(line)

    def worker(self, name: str) -> WorkerBar:
        """Return the bar of one worker."""
        if name not in self._workers:
            task = self._progress.add_task(name or "starting", total=None)
            self._workers[name] = WorkerBar(self, name, self._progress, task)
        return self._workers[name]

    def note(self, line: str) -> None:
        """Leave a line with the time where no bar can be drawn."""
        if not self._console.is_terminal:
            self._console.print(f"{time.strftime('%H:%M:%S')} {line}", soft_wrap=True, markup=False)


class WorkerBar:
    """A listener to one worker, see :class:`harness.runner.progress.Progress`."""

    def __init__(self, bars: Bars, name: str, progress: Progress, task: TaskID) -> None:
        self._bars, self._name, self._progress, self._task = bars, name, progress, task

    def stage(self, variant: Variant, what: str) -> None:
        """Name the stage in flight."""
        line = f"{self._name}: " * bool(self._name) + f"{variant.name}: {what}"
        self._progress.reset(self._task, total=None, description=escape(line), completed=0)
        self._bars.note(line)

    def advance(self, done: int, total: int | None) -> None:
        """Move the bar of the stage."""
        self._progress.update(self._task, completed=done, total=total)

    def finished(self, cell: Cell) -> None:
        """Leave a line, and count the cell."""
        self._bars.finished(cell)

    def worker(self, name: str) -> WorkerBar:
        """Return the bar of another worker."""
        return self._bars.worker(name)
