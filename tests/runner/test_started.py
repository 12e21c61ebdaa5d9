"""Marks beside what was begun: killed is not the same as never tried."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toys import NONE, ROUND, benchmark

from harness.api import carry_out
from harness.errors import HarnessError
from harness.place.memory import Room
from harness.runner import started
from harness.runner.keys import failure_key
from harness.runner.options import Overwrite
from harness.runner.progress import Silent
from harness.runner.started import mark_of, marked, withdraw, withdraw_process
from harness.runner.status import Status
from harness.runner.work import failed

KEY = "ab" * 32


def left(store: Any) -> list[Path]:
    return list((store.root / started.FOLDER).rglob("*.json"))


def killed(store: Any, keys: list[str], stage: str, part: int | None = None) -> int:
    """Mark as a process does that is killed meanwhile; return its number."""
    code = (
        "import os, signal, sys\nfrom harness.runner.started import marked\n"
        "from harness.runner.progress import Silent\nfrom harness.store.store import Store\n"
        f"with marked(Store({str(store.root)!r}), {keys!r}, Silent(), {part}) as progress:\n"
        f"    progress.stage(None, {stage!r})\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    assert process.wait() == -9
    return process.pid


def test_a_mark_says_who_is_at_what_and_goes_when_it_ends(store):
    with marked(store, [KEY], Silent()) as progress:
        progress.stage(None, "recording toy")  # type: ignore[arg-type]
        mark = mark_of(store, KEY)
        assert mark is not None
        assert not mark.gone
        assert mark.memory > 10 * 2**20
        assert f"at work: recording toy (process {os.getpid()} on" in str(mark)
    assert mark_of(store, KEY) is None
    with pytest.raises(KeyboardInterrupt), marked(store, [KEY], Silent()):
        raise KeyboardInterrupt
    assert not left(store)


def test_a_killed_process_leaves_its_mark(store):
    pid = killed(store, [KEY], "loading")
    mark = mark_of(store, KEY)
    assert mark is not None
    assert mark.gone
    assert str(mark).startswith("killed (out of memory?) while loading; last seen with 0.")
    assert "GiB left" in str(mark)
    withdraw_process(store, os.getpid())
    assert mark_of(store, KEY) is not None
    withdraw_process(store, pid)
    assert mark_of(store, KEY) is None


def test_each_part_has_a_mark_and_whoever_lives_speaks_for_the_cell(store):
    with marked(store, [KEY], Silent(), 0) as first, marked(store, [KEY], Silent(), 1) as second:
        first.stage(None, "scoring toy, part 1 of 2")  # type: ignore[arg-type]
        second.stage(None, "scoring toy, part 2 of 2")  # type: ignore[arg-type]
        assert len(left(store)) == 2
    assert not left(store)
    killed(store, [KEY], "scoring toy, part 2 of 2", part=1)
    with marked(store, [KEY], Silent(), 0):
        mark = mark_of(store, KEY)
        assert mark is not None
        assert not mark.gone
    mark = mark_of(store, KEY)
    assert mark is not None
    assert str(mark).startswith("killed (out of memory?) while scoring toy, part 2 of 2")
    withdraw(store, [KEY])
    assert not left(store)


def test_a_process_of_another_machine_is_gone_when_it_gives_no_sign(store, monkeypatch):
    with marked(store, [KEY], Silent()):
        (path,) = left(store)
        monkeypatch.setattr(started, "machine", lambda: "01234567")
        mark = mark_of(store, KEY)
        assert mark is not None
        assert not mark.gone
        old = time.time() - started.LIMIT - 1
        os.utime(path, (old, old))
        mark = mark_of(store, KEY)
        assert mark is not None
        assert mark.gone


def test_a_store_that_takes_no_mark_costs_the_mark_alone(store, monkeypatch):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(started, "writing", full)
    with marked(store, [KEY], Silent()) as progress:
        progress.stage(None, "loading")  # type: ignore[arg-type]
    assert mark_of(store, KEY) is None


def test_status_says_killed_and_the_next_run_does_it_last(planning, store):
    plan = planning([benchmark("Hidden"), benchmark("Logprob")], [NONE, ROUND])
    first = plan.cells[0]
    killed(store, [failure_key(first.variant, first.benchmark)], "scoring toy-hidden")
    seen = planning([benchmark("Hidden"), benchmark("Logprob")], overwrite=Overwrite.NEVER)
    assert seen.cells[0].status is Status.FAILED
    assert "killed (out of memory?) while scoring toy-hidden" in seen.cells[0].reason
    assert {c.reason for c in seen.cells[1:]} == {"not computed"}
    again = planning([benchmark("Hidden"), benchmark("Logprob")], [NONE, ROUND])
    jobs = again.jobs()
    assert [job.variant.compressor.name for job in jobs] == ["round", "none"]
    assert [cell.benchmark.name for cell in jobs[1].cells] == ["toy-logprob", "toy-hidden"]
    cells, _ = carry_out(again)
    assert {cell.status for cell in cells} == {Status.DONE}
    assert not left(store)
    assert not any(cell.reason for cell in cells)


def test_a_failure_that_is_known_takes_the_place_of_a_mark(planning, store):
    cell = planning().cells[0]
    killed(store, [failure_key(cell.variant, cell.benchmark)], "loading")
    failed(cell, HarnessError("worker killed 3 times (SIGKILL)"), store)
    (seen, *_) = planning(overwrite=Overwrite.NEVER).cells
    assert seen.reason == "worker killed 3 times (SIGKILL)"
    withdraw(store, ["cd" * 32])


def test_what_is_being_computed_is_said(planning, store):
    cell = planning().cells[0]
    with marked(store, [failure_key(cell.variant, cell.benchmark)], Silent()):
        (seen, *_) = planning(overwrite=Overwrite.NEVER).cells
    assert seen.status is Status.TODO
    assert seen.reason.startswith("at work: starting")


def test_a_model_that_does_not_fit_is_refused_before_it_is_loaded(planning, monkeypatch):
    monkeypatch.setattr("harness.place.memory.available", lambda root: Room(2**20, 2**30, "cgroup"))
    cells, _ = carry_out(planning([benchmark("Hidden")], [NONE]))
    assert cells[0].status is Status.FAILED
    assert "left are 0.00 GiB of the cgroup's 1.00 GiB" in cells[0].reason
    assert "--dtype bfloat16" in cells[0].reason


def test_a_library_that_got_no_memory_is_told_in_our_words(planning):
    cell = planning().cells[0]
    store = planning().place.store
    from harness.store.store import Store

    told = failed(replace(cell), MemoryError("Unable to allocate 7 TiB"), Store(store))
    assert told.reason.startswith("out of memory: Unable to allocate 7 TiB; left are")
