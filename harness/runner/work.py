"""How a job is done: ``prepare`` fetches, compresses and records; ``score`` scores one cell."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import xarray as xr

from harness.errors import CorruptError, HarnessError, StoreError, Unsupported
from harness.place.memory import told_memory
from harness.place.place import entered
from harness.record.benchmark import HasParts
from harness.record.request import Recordings, Request
from harness.runner.cells import Cell
from harness.runner.device_memory import halved
from harness.runner.job import Job
from harness.runner.keys import failure_key
from harness.runner.options import Overwrite
from harness.runner.plan import Loaded, Plan, cell_key, load_benchmark, planned
from harness.runner.progress import Progress
from harness.runner.provenance import provenance
from harness.runner.session import Session
from harness.runner.started import marked, withdraw
from harness.runner.status import Status
from harness.store.keys import content_key
from harness.store.lock import Held
from harness.store.store import Kind, Store


@dataclass
class Worker:
    """Does jobs, one after another, in one process.

    Parameters
    ----------
    progress : Progress
        Hears of the stages.
    benchmarks : mapping
        Benchmarks that are loaded, by name. Others are loaded when a job needs them, and kept for
        the next.
    """

    progress: Progress
    benchmarks: Mapping[str, Loaded] = field(default_factory=dict)
    _here: dict[str, Loaded] = field(default_factory=dict, init=False, repr=False)
    _session: Session | None = field(default=None, init=False, repr=False)

    def prepare(self, job: Job, *, wait: bool = True) -> tuple[Cell, ...]:
        """Fetch, compress and record what the cells of a job need; this wants the accelerator.

        Returns
        -------
        tuple of Cell
            In the order of the job. Those that are still to do can be scored; the others have
            ended: a cell that cannot be recorded has failed, and the others go on.

        Raises
        ------
        Held
            Another process prepares the same, and ``wait`` is not set.
        StoreError
            The store cannot be written.
        """
        with entered(job.place):
            opened = self._opened(job)
            cells = [failure_key(cell.variant, cell.benchmark) for cell in job.cells]
            mark = content_key(cells=cells, options=job.options)
            try:
                with (
                    opened.store.lock("preparing", mark, wait=wait),
                    self._marked(cells, opened),
                ):
                    return tuple(self._prepared(job, opened))
            finally:
                opened.close()

    def score(self, job: Job, cell: Cell, *, wait: bool = True) -> Cell:
        """Score one prepared cell from its recordings, and store the score; this wants cores.

        Returns
        -------
        Cell
            As it ended.

        Raises
        ------
        Held
            Another process scores the same, and ``wait`` is not set.
        StoreError
            The store cannot be written.
        """
        with entered(job.place):
            opened = self._opened(job)
            try:
                self._scored(job, cell, opened, wait)
            except Held:
                raise
            except Exception as error:  # a failure is a row of the board, not the end
                return failed(cell, error, opened.store)
            finally:
                opened.close()
            opened.store.remove(Kind.FAILURE, failure_key(cell.variant, cell.benchmark))
            return replace(cell, status=Status.DONE, reason="")

    def parts(self, job: Job, cell: Cell) -> int:
        """Return how many parts a prepared cell's score has; 1 where it is one piece of work."""
        if cell.status is not Status.TODO or job.options.overwrite is Overwrite.ALWAYS:
            return 1
        with entered(job.place):
            benchmark = self._loaded(cell.benchmark.name, job).benchmark
            return benchmark.parts() if isinstance(benchmark, HasParts) else 1

    def score_part(self, job: Job, cell: Cell, part: int, *, wait: bool = True) -> None:
        """Do a part of a prepared cell's score; scoring goes on from what it leaves.

        What goes wrong is left to scoring, which tries the part again, and tells.

        Raises
        ------
        Held
            Another process does the same, and ``wait`` is not set.
        """
        with entered(job.place):
            opened = self._opened(job)
            try:
                loaded = self._loaded(cell.benchmark.name, job)
                key = cell_key(cell.variant, self._known(cell, job, opened), loaded)
                with opened.store.lock("part", content_key(score=key, part=part), wait=wait):
                    if not opened.store.has(Kind.SCORE, key):
                        mark = failure_key(cell.variant, cell.benchmark)
                        with self._marked([mark], opened, part):
                            self._part_scored(loaded, part, key, opened)
            except Held:
                raise
            except Exception as error:
                print(f"part {part} of {cell.benchmark.name}: {error}", file=sys.stderr)
            finally:
                opened.close()

    def _part_scored(self, loaded: Loaded, part: int, key: str, opened: Session) -> None:
        benchmark = loaded.benchmark
        assert isinstance(benchmark, HasParts)
        of = benchmark.parts()
        what = f"scoring {loaded.spec.name}, part {part + 1} of {of}"
        opened.progress.stage(opened.variant, what)
        folder = opened.store.unfinished_path(key)
        with entered(replace(opened.place, device=opened.device, unfinished=folder)):
            benchmark.score_part(Recordings(loaded.requests, opened.recording), part)

    def _prepared(self, job: Job, opened: Session) -> list[Cell]:
        try:
            cells = [self._keyed(cell, job, opened) for cell in job.cells]
            todo = [cell for cell in cells if cell.status is Status.TODO]
            if not todo:  # none has a meaning, which shows with the model's files
                return cells
            opened.report()
            asked = {c.benchmark.name: self._loaded(c.benchmark.name, job).requests for c in todo}
            every = [request for requests in asked.values() for request in requests]
            if job.options.overwrite is Overwrite.ALWAYS:
                opened.forget(every)
        except Exception as error:  # likewise
            return [failed(cell, error, opened.store) for cell in job.cells]
        anew = job.options.overwrite is Overwrite.ALWAYS
        return [
            self._recorded(cell, asked[cell.benchmark.name], every, opened)
            if cell.status is Status.TODO and (anew or not opened.store.has(Kind.SCORE, cell.key))
            else cell  # ended, or scored: its report alone was damaged, and is made by now
            for cell in cells
        ]

    def _keyed(self, cell: Cell, job: Job, opened: Session) -> Cell:
        """Give a cell its key, now that the model's files are here; it may turn out to be done."""
        if cell.key:
            return cell
        known = self._known(cell, job, opened)
        return planned(cell.variant, known, cell.benchmark, opened.store)

    def _recorded(
        self, cell: Cell, mine: Sequence[Request], every: Sequence[Request], opened: Session
    ) -> Cell:
        # What all cells of the variant ask of the same stimuli is recorded in one pass.
        passes = {request.pass_key for request in mine}
        try:
            opened.record(request for request in every if request.pass_key in passes)
        except Exception as error:  # likewise
            return failed(cell, error, opened.store)
        return cell

    def _scored(self, job: Job, cell: Cell, opened: Session, wait: bool) -> None:
        loaded = self._loaded(cell.benchmark.name, job)
        key = cell_key(cell.variant, self._known(cell, job, opened), loaded)
        anew = job.options.overwrite is Overwrite.ALWAYS
        with opened.store.lock(Kind.SCORE, key, wait=wait):
            if not anew and opened.store.has(Kind.SCORE, key):
                return
            with self._marked([failure_key(cell.variant, cell.benchmark)], opened):
                opened.progress.stage(cell.variant, f"scoring {cell.benchmark.name}")
                # A killed run goes on from what it left here.
                with opened.store.unfinished(key, anew=anew) as folder:
                    place = replace(job.place, device=opened.device, unfinished=folder)

                    def score(part: int) -> xr.Dataset:
                        with entered(replace(place, memory=place.memory // part)):
                            return _mended(loaded, opened)

                    found = halved(score, opened.device, f"scoring {loaded.spec.name}")
                    opened.store.write(Kind.SCORE, key, found)
            # Of workers that died over parts, too.
            withdraw(opened.store, [failure_key(cell.variant, cell.benchmark)])

    @contextmanager
    def _marked(
        self, keys: Sequence[str], opened: Session, part: int | None = None
    ) -> Iterator[None]:
        """Mark cells as begun while open, and note the stages of the session in the marks."""
        with marked(opened.store, keys, self.progress, part) as opened.progress:
            try:
                yield
            finally:
                opened.progress = self.progress

    def _known(self, cell: Cell, job: Job, opened: Session) -> Plan:
        """Return a plan of one cell, whose model is here."""
        loaded = {cell.benchmark.name: self._loaded(cell.benchmark.name, job)}
        files = {cell.variant.model.name: opened.files}
        return Plan((), loaded, files, job.place, job.options)

    def _opened(self, job: Job) -> Session:
        if self._session is None or self._session.variant != job.variant:
            texts = {
                f"{spec.name}/{passage.name}": passage.text
                for spec in job.texts
                for request in self._loaded(spec.name, job).requests
                for passage in request.stimuli.passages
            }
            self._session = Session(
                job.variant, Store(job.place.store), job.place, job.options, self.progress, texts
            )
        return self._session

    def _loaded(self, name: str, job: Job) -> Loaded:
        if name in self.benchmarks:
            return self.benchmarks[name]
        if name not in self._here:
            specs = (*(cell.benchmark for cell in job.cells), *job.texts)
            self._here[name] = load_benchmark(next(s for s in specs if s.name == name))
        return self._here[name]


@dataclass(frozen=True)
class Task:
    """What a worker does at a time.

    Parameters
    ----------
    job : Job
    cell : Cell, optional
        The cell to score; without one the job is prepared, which wants the accelerator.
    wait : bool
        Whether to wait for another process that does the same; at first such a task is put last.
    returned : int
        How often a worker that had to go has handed it back.
    part : int, optional
        The part of the cell's score to do, see :class:`harness.record.benchmark.HasParts`.
    """

    job: Job
    cell: Cell | None = None
    wait: bool = False
    returned: int = 0
    part: int | None = None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Cells that are lost with it."""
        return self.job.cells if self.cell is None else (self.cell,)

    def done_by(self, worker: Worker) -> tuple[Cell, ...]:
        """Do it, and return its cells as they stand then.

        Raises
        ------
        Held
            Another process does the same, and ``wait`` is not set.
        """
        if self.cell is None:
            return worker.prepare(self.job, wait=self.wait)
        if self.part is not None:
            worker.score_part(self.job, self.cell, self.part, wait=self.wait)
            return ()
        return (worker.score(self.job, self.cell, wait=self.wait),)

    def parts_of(self, cells: tuple[Cell, ...], worker: Worker) -> tuple[int, ...]:
        """Return, of each cell that it has prepared, how many parts its score has."""
        if self.cell is not None:
            return ()
        return tuple(worker.parts(self.job, cell) for cell in cells)

    def followed_by(self, cells: tuple[Cell, ...]) -> tuple[Task, ...]:
        """Return the tasks that its cells, as it left them, ask for."""
        if self.cell is not None:
            return ()
        return tuple(Task(self.job, cell) for cell in cells if cell.status is Status.TODO)


def failed(cell: Cell, error: Exception, store: Store) -> Cell:
    """Return a cell that failed or proved without meaning, with the reason, which is remembered.

    Raises
    ------
    StoreError
        It is the error: every further cell would be lost, too.
    """
    if isinstance(error, StoreError) and not isinstance(error, CorruptError):
        raise error
    error = told_memory(error)
    if isinstance(error, HarnessError):
        reason, trace = str(error), ""
    else:
        reason = f"{type(error).__name__}: {error}"
        trace = "".join(traceback.format_exception(error))
    status = Status.NOT_APPLICABLE if isinstance(error, Unsupported) else Status.FAILED
    remembered = xr.Dataset(
        attrs={
            "status": str(status),
            "reason": reason,
            "traceback": trace,
            "model": cell.variant.model.name,
            "compressor": cell.variant.compressor.name,
            "benchmark": cell.benchmark.name,
        }
    )
    key = failure_key(cell.variant, cell.benchmark)
    store.write(Kind.FAILURE, key, remembered)
    withdraw(store, [key])  # of a worker that died over it
    return replace(cell, status=status, reason=reason)


def _mended(loaded: Loaded, opened: Session) -> xr.Dataset:
    """Score; once more where a recording decayed while it was read."""
    try:
        return _score(loaded, opened)
    except RuntimeError as error:
        if "NetCDF" not in str(error) or not opened.mend(loaded.requests):
            raise
        return _score(loaded, opened)


def _score(loaded: Loaded, opened: Session) -> xr.Dataset:
    start = time.perf_counter()
    # Attributes alone: a benchmark of 200 tasks lets each recording go when it has scored it.
    read: list[Mapping[str, Any]] = []

    def load(request: Request) -> xr.DataArray:
        recording = opened.recording(request)
        read.append(recording.attrs)
        return recording

    score = loaded.benchmark.score(Recordings(loaded.requests, load))
    parts = opened.keys.parts(loaded.spec, loaded.requests, loaded.content)
    said = provenance(opened.variant, loaded.spec, opened.files, read, parts)
    return score.assign_attrs(score.attrs | said | {"score_seconds": time.perf_counter() - start})
