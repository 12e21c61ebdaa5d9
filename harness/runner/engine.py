"""The seam where an engine goes: a plan's jobs go in, its cells come out as they end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import Protocol

from harness.errors import HarnessError
from harness.lm.source import resolve
from harness.place.place import entered
from harness.runner.cells import Cell
from harness.runner.engines.options import EngineName, EngineOptions
from harness.runner.job import Job
from harness.runner.options import Overwrite
from harness.runner.plan import Plan
from harness.runner.progress import Progress, Silent
from harness.store.store import Store


class Engine(Protocol):
    """Whatever does jobs: in this process, in others, on other machines.

    An engine calls ``prepare`` and ``score`` of a :class:`harness.runner.work.Worker` for each job,
    where and when it likes. Its settings change no result and are in no key.
    """

    def run(self, jobs: Sequence[Job], progress: Progress) -> Iterator[Cell]:
        """Do jobs, and yield each cell when it ends; a cell that failed says why.

        Raises
        ------
        StoreError
            The store cannot be written; nothing computed before is lost.
        """


def execute(plan: Plan, progress: Progress | None = None) -> Plan:
    """Compute the cells of a plan that are to do.

    A cell that fails is a cell with a reason; the others go on.

    Parameters
    ----------
    plan : Plan
    progress : Progress, optional

    Returns
    -------
    Plan
        The same with its cells as they ended, and with the files of models that were fetched.

    Raises
    ------
    StoreError
        The store cannot be written; nothing computed before is lost.
    """
    listener = progress or Silent()
    jobs = plan.jobs()
    if plan.options.overwrite is Overwrite.NEVER or not jobs:
        return plan
    Store(plan.place.store).check_writable()
    ended = {_name(cell): cell for cell in plan.cells}
    with closing(make_engine(plan).run(jobs, listener)) as cells:  # type: ignore[type-var]
        for cell in cells:
            ended[_name(cell)] = cell
            listener.finished(cell)
    return _with_files(replace(plan, cells=tuple(ended.values())))


def make_engine(plan: Plan) -> Engine:
    """Return the engine that a plan asks for."""
    options: EngineOptions = plan.engine
    match options.engine:
        case EngineName.LOCAL:
            from harness.runner.engines.local import Local

            return Local(plan.benchmarks)
        case EngineName.PROCESSES:
            from harness.runner.engines.processes import processes

            return processes(options, plan.place)
        case EngineName.DASK:
            from harness.runner.engines.dask import dask

            return dask(options, plan.place)


def _name(cell: Cell) -> tuple[str, str]:
    return cell.variant.name, cell.benchmark.name


def _with_files(plan: Plan) -> Plan:
    """Look again for models that were not on this machine when the plan was made."""
    found = dict(plan.files)
    models = {c.variant.model.name: c.variant.model for c in plan.cells}
    with entered(plan.place):
        for name, model in models.items():
            if name not in found:
                with suppress(HarnessError, OSError):
                    found[name] = resolve(model, offline=True)
    return replace(plan, files=found)
