"""The engine of the calling process: variant by variant, all stored as it is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.runner.cells import Cell
from harness.runner.job import Job
from harness.runner.plan import Loaded
from harness.runner.progress import Progress
from harness.runner.status import Status
from harness.runner.work import Worker


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
        for job in jobs:
            for cell in worker.prepare(job):
                yield worker.score(job, cell) if cell.status is Status.TODO else cell
