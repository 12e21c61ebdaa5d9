"""The Dask engine on workers of this machine; what needs Dask is skipped where it is not there."""

from __future__ import annotations

import importlib
import os
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from toys import NONE, benchmark, values

from harness.api import carry_out
from harness.errors import HarnessError, SelectionError
from harness.lm import controls
from harness.lm.source import spec_from_address
from harness.runner.engines.dask import Given, choose
from harness.runner.engines.options import EngineName, EngineOptions
from harness.runner.status import Status
from harness.runner.work import Task

needs_dask = pytest.mark.skipif(find_spec("distributed") is None, reason="needs the extra `dask`")
DASK = EngineOptions(EngineName.DASK, workers=2)


@pytest.fixture
def static(tiny_release: Any) -> Any:
    """Word embeddings alone: a variant whose report takes no time."""
    return controls.static(spec_from_address(f"file:{tiny_release()}"))


@needs_dask
def test_dask_gives_the_serial_scores_and_replaces_workers_that_die(
    planning: Any, store: Any, static: Any, tmp_path: Any
) -> None:
    toys = [benchmark("Hidden"), benchmark("Whole2"), benchmark("Fails")]
    _, one = carry_out(planning(toys, [NONE], [static]))
    for name in ("once", "always"):
        (tmp_path / name).mkdir()
        options = {"folder": str(tmp_path / name), "times": 1 if name == "once" else 99}
        spec = benchmark("Hidden", options=options)
        toys.append(replace(spec, name=name, target="deadly:Deadly"))
    other = type(store)(store.root.parent / "other")
    cells, several = carry_out(replace(planning(toys, [NONE], [static], into=other), engine=DASK))
    np.testing.assert_array_equal(values(several)[..., :2], values(one)[..., :2])
    by_name = {cell.benchmark.name: cell for cell in cells}
    assert "ZeroDivisionError" in by_name["toy-fails"].reason
    assert by_name["once"].status is Status.DONE
    assert "worker killed 3 times; last stage: scoring always" in by_name["always"].reason
    assert len(os.listdir(tmp_path / "always")) == 3


@needs_dask
def test_a_scheduler_that_would_try_again_does_not_change_how_often_workers_die(
    planning: Any, static: Any, tmp_path: Any
) -> None:
    (tmp_path / "always").mkdir()
    spec = benchmark("Hidden", options={"folder": str(tmp_path / "always"), "times": 99})
    toys = [benchmark("Hidden"), replace(spec, name="always", target="deadly:Deadly")]
    made = planning(toys, [NONE], [static])
    with importlib.import_module("distributed").LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        assert cluster.scheduler.allowed_failures > 0
        engine = EngineOptions(EngineName.DASK, scheduler=cluster.scheduler_address)
        cells, _ = carry_out(replace(made, engine=engine))
    by_name = {cell.benchmark.name: cell for cell in cells}
    assert by_name["toy-hidden"].status is Status.DONE
    assert "worker killed 3 times; last stage: scoring always" in by_name["always"].reason
    assert len(os.listdir(tmp_path / "always")) == 3


@needs_dask
def test_a_scheduler_that_does_not_answer(planning: Any, static: Any) -> None:
    options = EngineOptions(EngineName.DASK, scheduler="tcp://127.0.0.1:1")
    made = replace(planning([benchmark("Hidden")], [NONE], [static]), engine=options)
    with pytest.raises(HarnessError, match="no Dask scheduler answers"):
        carry_out(made)


def test_cards_are_given_where_workers_are_started() -> None:
    with pytest.raises(SelectionError, match="where they are started"):
        EngineOptions(EngineName.DASK, gpus=(0,))
    with pytest.raises(SelectionError, match="own workers"):
        EngineOptions(EngineName.DASK, workers=2, scheduler="tcp://127.0.0.1:1")


def test_a_worker_has_one_task_to_a_thread_and_to_a_card(planning: Any) -> None:
    job = planning().jobs()[0]
    prepare, score = Given(Task(job)), Given(Task(job, job.cells[0]))
    bare = {"status": "running", "nthreads": 2, "resources": {}}
    card = bare | {"resources": {"GPU": 1.0}}
    both = [prepare, score]
    assert choose(both, bare, [], cards=False) == score
    assert choose([prepare], bare, [], cards=False) == prepare
    assert choose([prepare], bare, [], cards=True) is None
    assert choose(both, bare, [score, score], cards=False) is None
    assert choose(both, bare | {"status": "paused"}, [], cards=False) is None
    assert choose(both, card, [], cards=True) == prepare
    assert choose(both, card, [prepare], cards=True) == score
