"""Engines: the same scores whoever computes them, and what becomes of a worker that dies."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from toys import NONE, benchmark, values

from harness.api import carry_out
from harness.errors import SelectionError
from harness.lm import controls
from harness.lm.source import spec_from_address
from harness.runner.engines.options import EngineName, EngineOptions, Shard
from harness.runner.engines.processes import Waiting
from harness.runner.keys import failure_key
from harness.runner.status import Status
from harness.runner.work import Task
from harness.store.store import Kind

PROCESSES = EngineOptions(EngineName.PROCESSES, workers=2)


def deadly(folder: Any, times: int) -> Any:
    folder.mkdir()
    spec = benchmark("Hidden", options={"folder": str(folder), "times": times})
    return replace(spec, name="deadly", target="deadly:Deadly")


def test_a_job_is_small_and_travels(planning: Any) -> None:
    jobs = planning().jobs()
    assert [len(job.cells) for job in jobs] == [2, 2]
    for job in jobs:
        packed = pickle.dumps(job)
        assert len(packed) < 10_000
        assert pickle.loads(packed) == job


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0"])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(SelectionError):
        Shard.parse(text)


def test_settings_that_do_not_fit() -> None:
    with pytest.raises(SelectionError, match="cannot use 2 GPUs"):
        EngineOptions("processes", workers=1, gpus="0,1")  # type: ignore[arg-type]
    with pytest.raises(SelectionError, match="no engine 'slurm'"):
        EngineOptions("slurm")  # type: ignore[arg-type]
    with pytest.raises(SelectionError, match="has no workers"):
        EngineOptions(workers=2)
    with pytest.raises(SelectionError, match="--gpus"):
        EngineOptions("processes", gpus="one")  # type: ignore[arg-type]
    assert EngineOptions("processes", gpus="0,1", shard="2/3") == EngineOptions(  # type: ignore[arg-type]
        EngineName.PROCESSES, gpus=(0, 1), shard=Shard(2, 3)
    )


def test_shards_are_disjoint_and_all_of_it(planning: Any) -> None:
    """Also when one starts later, when less is left to do."""
    made = planning()
    parts = [
        {job.variant.name for job in replace(made, engine=EngineOptions(shard=Shard(i, 2))).jobs()}
        for i in (1, 2)
    ]
    assert parts[0] | parts[1] == {v.name for v in made.variants}
    assert not parts[0] & parts[1]
    first = made.variants[0]
    later = replace(
        made,
        cells=tuple(
            replace(c, status=Status.DONE) if c.variant == first else c for c in made.cells
        ),
        engine=EngineOptions(shard=Shard(2, 2)),
    )
    assert {job.variant.name for job in later.jobs()} == parts[1]


def test_a_card_of_its_own_prepares_and_the_others_score(planning: Any) -> None:
    job = planning().jobs()[0]
    prepare, score = Task(job), Task(job, job.cells[0])
    waiting = Waiting(reserved=True)
    for task in (prepare, score):
        waiting.put(task)
    assert waiting.take(accelerator=False) == (score, 0)
    assert waiting.take(accelerator=True) == (prepare, 0)
    shared = Waiting(reserved=False)
    for task in (prepare, score):
        shared.put(task, 1)
    assert shared.take(accelerator=False) == (score, 1)
    assert shared.take(accelerator=False) == (prepare, 1)
    shared.close()
    assert shared.take(accelerator=False) is None


@pytest.fixture
def static(tiny_release: Any) -> Any:
    """Word embeddings alone: a variant whose report takes no time."""
    return controls.static(spec_from_address(f"file:{tiny_release()}"))


def test_processes_give_the_serial_scores_to_the_last_bit(
    planning: Any, store: Any, static: Any
) -> None:
    toys = [benchmark("Hidden"), benchmark("Whole2"), benchmark("Logprob"), benchmark("Fails")]
    models = [static, replace(static, name="again")]
    serial, one = carry_out(planning(toys, [NONE], models))
    other = type(store)(store.root.parent / "other")
    cells, several = carry_out(
        replace(planning(toys, [NONE], models, into=other), engine=PROCESSES)
    )
    assert [(c.status, c.key) for c in cells] == [(c.status, c.key) for c in serial]
    np.testing.assert_array_equal(values(several), values(one))
    reason = several["cells"]["reason"].sel(benchmark="toy-fails").values.ravel()
    assert all("ZeroDivisionError" in text for text in reason)


def test_a_worker_that_dies_is_replaced_and_after_three_the_cell_fails(
    planning: Any, store: Any, tmp_path: Any, static: Any
) -> None:
    twice, always = deadly(tmp_path / "twice", 2), deadly(tmp_path / "always", 99)
    made = planning(
        [replace(twice, name="twice"), replace(always, name="always")], [NONE], [static]
    )
    cells, _ = carry_out(replace(made, engine=PROCESSES))
    by_name = {cell.benchmark.name: cell for cell in cells}
    assert by_name["twice"].status is Status.DONE
    assert by_name["always"].status is Status.FAILED
    assert "worker killed 3 times (SIGKILL); last stage: scoring always" in by_name["always"].reason
    assert len(os.listdir(tmp_path / "always")) == 3
    # What is remembered is told again without computing.
    assert store.has(Kind.FAILURE, failure_key(made.variants[0], by_name["always"].benchmark))
