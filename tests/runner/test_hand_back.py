"""Workers that are told to go: their task is handed back, and no death is counted."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from toys import NONE, benchmark

from harness.api import carry_out
from harness.lm import controls
from harness.lm.source import spec_from_address
from harness.runner.engines import crew
from harness.runner.engines.crew import RETURNS, Crewed, Event, Returned
from harness.runner.engines.hand_back import HandedBack, _raise_in
from harness.runner.engines.options import EngineName, EngineOptions
from harness.runner.progress import Silent
from harness.runner.status import Status
from harness.runner.work import Task


class Heard(Silent):
    """Notes the names of workers."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def worker(self, name: str) -> Silent:
        self.names.add(name)
        return self


ENGINES = [
    EngineName.PROCESSES,
    pytest.param(
        EngineName.DASK,
        marks=pytest.mark.skipif(find_spec("distributed") is None, reason="needs the extra `dask`"),
    ),
]


@pytest.fixture
def static(tiny_release: Any) -> Any:
    """Word embeddings alone: a variant whose report takes no time."""
    return controls.static(spec_from_address(f"file:{tiny_release()}"))


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Path]:
    """A folder of attempts; the process that makes the first is told to end, as by a scheduler."""
    folder = tmp_path / "attempts"
    folder.mkdir()
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(0.1):
            if attempts := os.listdir(folder):
                os.kill(int(attempts[0].partition("-")[2]), signal.SIGTERM)
                return

    thread = threading.Thread(target=tell)
    thread.start()
    yield folder
    ended.set()
    thread.join()


@pytest.mark.parametrize("name", ENGINES)
def test_a_worker_that_is_told_to_end_hands_its_task_back(
    name: EngineName, planning: Any, static: Any, told: Path
) -> None:
    options = {"folder": str(told), "times": 1, "seconds": 300.0}
    spec = replace(benchmark("Hidden", options=options), name="slow", target="slow:Slow")
    made = planning([spec, benchmark("Hidden")], [NONE], [static])
    start = time.monotonic()
    # One death would make it a row.
    heard = Heard()
    engine = EngineOptions(name, workers=1, retries=1)
    cells, _ = carry_out(replace(made, engine=engine), heard)
    assert heard.names == {"worker 1" if name is EngineName.PROCESSES else "worker 0"}
    assert [cell.status for cell in cells] == [Status.DONE] * 2
    assert len(os.listdir(told)) == 2
    assert time.monotonic() - start < 250


def test_a_task_that_no_worker_lives_long_enough_for_is_a_row(planning: Any) -> None:
    class Short:
        """A crew whose workers always have to go."""

        def __init__(self, events: SimpleQueue[Event]) -> None:
            self.events, self.given = events, 0

        def submit(self, task: Task) -> None:
            self.given += 1
            self.events.put(Returned(task, "recording toy"))

        def close(self) -> None:
            pass

    hired: list[Short] = []

    def hire(events: SimpleQueue[Event]) -> crew.Crew:
        hired.append(Short(events))
        return hired[0]

    jobs = planning(compressors=[NONE]).jobs()
    cells = list(Crewed(hire).run(jobs, Silent()))
    assert hired[0].given == RETURNS
    assert [cell.status for cell in cells] == [Status.FAILED] * 2
    assert f"handed back {RETURNS} times" in cells[0].reason
    assert "last stage: recording toy; give a longer walltime" in cells[0].reason


def test_a_task_in_a_thread_lets_go_of_what_it_holds() -> None:
    let_go: list[str] = []
    begun = threading.Event()

    def work() -> None:
        try:
            begun.set()
            for _ in range(10_000):
                time.sleep(0.01)
        except HandedBack:
            let_go.append("handed back")
        finally:
            let_go.append("let go")

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    assert thread.ident is not None
    _raise_in(thread.ident)
    thread.join(10)
    assert let_go == ["handed back", "let go"]
