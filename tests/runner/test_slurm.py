"""Jobs of a real Slurm of this machine; skipped, by name, where it is not installed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slurm
from toys import NONE, benchmark, values

from harness.api import carry_out
from harness.errors import HarnessError
from harness.lm import controls
from harness.lm.source import spec_from_address
from harness.runner.engines.options import EngineOptions
from harness.runner.status import Status

OPTIONS = {"cores": 1, "memory": "2GiB", "walltime": "00:10:00", "interface": "lo"}

pytestmark = [
    pytest.mark.skipif(find_spec("dask_jobqueue") is None, reason="needs the extra `dask`"),
    pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing() or "Slurm is here"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A Slurm for all tests of this file."""
    try:
        with slurm.slurm(tmp_path_factory.mktemp("slurm")) as environment:
            yield environment
    except slurm.NotStartedError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def commands(cluster: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process find it."""
    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, cluster[name])


@pytest.fixture
def static(tiny_release: Any) -> Any:
    """Word embeddings alone: a variant whose report takes no time."""
    return controls.static(spec_from_address(f"file:{tiny_release()}"))


def engine(workers: int = 1, **changed: Any) -> EngineOptions:
    return EngineOptions(
        cluster="slurm",  # type: ignore[arg-type]
        workers=workers,
        cluster_options=OPTIONS | changed,  # type: ignore[arg-type]
    )


def slow(folder: Path, times: int) -> Any:
    folder.mkdir()
    spec = benchmark("Hidden", options={"folder": str(folder), "times": times})
    return replace(spec, name="slow", target="slow:Slow")


def test_jobs_of_slurm_give_the_serial_scores(
    planning: Any, store: Any, static: Any, cluster: dict[str, str]
) -> None:
    toys = [benchmark("Hidden"), benchmark("Whole2"), benchmark("Fails")]
    models = [static, replace(static, name="again")]
    serial, one = carry_out(planning(toys, [NONE], models))
    other = type(store)(store.root.parent / "other")
    made = planning(toys, [NONE], models, into=other)
    cells, several = carry_out(replace(made, engine=engine(2)))
    assert [(c.status, c.key) for c in cells] == [(c.status, c.key) for c in serial]
    np.testing.assert_array_equal(values(several), values(one))
    assert any("scoring toy-hidden" in log.read_text() for log in other.root.glob("logs/*.err"))
    slurm.until(lambda: not slurm.jobs(cluster), 30, "its jobs have gone")


def test_a_cancelled_job_hands_its_task_to_the_next(
    planning: Any, static: Any, tmp_path: Path, cluster: dict[str, str]
) -> None:
    """``scancel``, as preemption and a drained node: SIGTERM, and SIGKILL later."""
    attempts = tmp_path / "attempts"
    made = planning([slow(attempts, 1)], [NONE], [static])

    def cancel() -> None:
        slurm.until(lambda: os.listdir(attempts), 120, "the score has begun")
        for job in slurm.jobs(cluster):
            slurm.said(["scancel", job], cluster)

    killer = threading.Thread(target=cancel)
    killer.start()
    # One death would be too many: a task that is handed back is not counted.
    cells, _ = carry_out(replace(made, engine=replace(engine(), retries=1)))
    killer.join()
    assert [cell.status for cell in cells] == [Status.DONE]
    assert len(os.listdir(attempts)) == 2


def test_a_job_that_hits_its_walltime_is_finished_by_the_next(
    planning: Any, static: Any, tmp_path: Path
) -> None:
    attempts = tmp_path / "attempts"
    made = planning([slow(attempts, 1)], [NONE], [static])
    cells, _ = carry_out(replace(made, engine=replace(engine(walltime="00:01:00"), retries=1)))
    assert [cell.status for cell in cells] == [Status.DONE]
    assert len(os.listdir(attempts)) == 2


def test_a_queue_that_is_not_there_is_said(planning: Any, static: Any) -> None:
    made = planning([benchmark("Hidden")], [NONE], [static])
    with pytest.raises(HarnessError, match=r"sbatch refuses the job: .*invalid partition"):
        carry_out(replace(made, engine=engine(queue="nowhere")))


def test_jobs_that_end_before_their_worker_starts_are_said(planning: Any, static: Any) -> None:
    made = planning([benchmark("Hidden")], [NONE], [static])
    with pytest.raises(HarnessError, match="3 jobs in a row ended before their worker started"):
        carry_out(replace(made, engine=engine(prologue=["exit 1"])))
