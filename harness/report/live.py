"""What a run shows while it runs: bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from harness.runner.cells import Cell, Variant


class _Left(ProgressColumn):
    """Time that is left, as far as what is done tells it, else by the estimate of the plan.

    Parameters
    ----------
    expected : float
        Seconds of all of it; 0 where nothing is known.
    """

    max_refresh = 0.5

    def __init__(self, expected: float) -> None:
        super().__init__()
        self._expected = expected

    def render(self, task: Task) -> Text:
        """Write it as ``3 min left``; nothing where it cannot be told."""
        left = task.time_remaining
        if left is None and self._expected and task.fields.get("whole"):
            left = max(0.0, self._expected - (task.elapsed or 0.0))
        return Text(f"{duration(left)} left" if left is not None else "", style="cyan")


def duration(seconds: float) -> str:
    """Write a duration in two units at most: ``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


class _Stacked(Progress):
    """Bars over their names: a long name takes no room from the bar and the time."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Draw each bar on a line, and its stage on the line under it."""
        for task in self.tasks:
            yield self.make_tasks_table([task])
            if not task.fields.get("whole"):
                said = Text.from_markup(f"  {task.description}", style="dim")
                said.truncate(self.console.width - 1, overflow="ellipsis")
                yield said


class Bars:
    """A listener to a run that draws what is going on.

    One bar counts cells; one for each worker shows how far its stage is and when it will end, and
    under it what the stage is. Each finished cell leaves a line. Where the console is no terminal,
    each stage leaves a line with the time instead.

    Parameters
    ----------
    console : Console
    cells : int
        Cells to do.
    expected : float
        Seconds that the plan was estimated to take, for the time left before a cell is done.
    """

    def __init__(self, console: Console, cells: int, expected: float = 0.0) -> None:
        self._console = console
        self._progress = _Stacked(
            SpinnerColumn(),
            BarColumn(bar_width=max(8, min(40, console.width - 48))),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            _Left(expected),
            console=console,
            transient=True,
        )
        self._cells = self._progress.add_task("cells", total=cells, whole=True)
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
