"""The engine of the calling process: variant by variant, all stored as it is made."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.runner.cells import Cell
from harness.runner.job import Job
from harness.runner.plan import Loaded
from harness.runner.progress import Progress
from harness.runner.work import Task, Worker
from harness.store.lock import Held


@dataclass(frozen=True)
class Local:
    """The engine that is used where none is named.

    Parameters
    ----------
    benchmarks : mapping
        Benchmarks that the plan has loaded, by name.
    """

    benchmarks: Mapping[str, Loaded] = field(default_factory=dict)

    def run(self, jobs: Sequence[Job], progress: Progress) -> Iterator[Cell]:
        """Do jobs one after another, see :class:`harness.runner.engine.Engine`."""
        worker = Worker(progress, self.benchmarks)
        tasks = deque(Task(job) for job in jobs)
        while tasks:
            task = tasks.popleft()
            try:
                cells = task.done_by(worker)
            except Held:
                tasks.append(replace(task, wait=True))
                continue
            following = task.followed_by(cells)
            tasks.extendleft(reversed(following))
            left = [further.cell for further in following]
            yield from (cell for cell in cells if cell not in left)
