"""Scores by voxel are made participant by participant, by whoever is free, to the last bit."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from toys import NONE, benchmark

from harness.api import carry_out
from harness.encode.voxels import stream
from harness.runner.cells import Cell
from harness.runner.engines.options import EngineName, EngineOptions
from harness.runner.engines.parts import Parts
from harness.runner.keys import failure_key
from harness.runner.progress import Silent
from harness.runner.started import FOLDER, mark_of, marked
from harness.runner.status import Status
from harness.runner.work import Task, Worker
from harness.spec.specs import BenchmarkSpec
from harness.store.store import Kind


def stories(**options: Any) -> BenchmarkSpec:
    return BenchmarkSpec(
        "voxel-stories", target="voxel_stories:VoxelStories", kind="neural", options=options
    )


def score_of(cell: Cell, store: Any) -> xr.Dataset:
    found: xr.Dataset = store.read(Kind.SCORE, cell.key)
    return found


@pytest.mark.parametrize("motion", [False, True])
def test_parts_give_the_score_of_one_piece(
    planning: Any, store: Any, monkeypatch: pytest.MonkeyPatch, motion: bool
) -> None:
    made = planning([stories(motion=motion)], [NONE])
    (whole,), _ = carry_out(made)
    assert whole.status is Status.DONE
    other = type(store)(store.root.parent / "other")
    (job,) = planning([stories(motion=motion)], [NONE], into=other).jobs()
    worker = Worker(Silent())
    (cell,) = worker.prepare(job)
    assert worker.parts(job, cell) == 3
    for part in (2, 0, 1):
        Worker(Silent()).score_part(job, cell, part)
        assert not other.has(Kind.SCORE, cell.key)
    # All that is left is to put the parts together: nothing is planned again.
    monkeypatch.setattr(stream, "make_plan", lambda *_, **__: pytest.fail("planned again"))
    done = worker.score(job, cell)
    assert done.status is Status.DONE, done.reason
    found, expected = score_of(done, other), score_of(whole, store)
    xr.testing.assert_identical(found.drop_attrs(), expected.drop_attrs())
    assert not other.unfinished_path(cell.key).exists()


def test_a_part_that_is_killed_is_told_and_its_mark_goes_with_the_score(
    planning: Any, store: Any
) -> None:
    made = planning([stories()], [NONE])
    (job,) = made.jobs()
    worker = Worker(Silent())
    (cell,) = worker.prepare(job)
    key = failure_key(cell.variant, cell.benchmark)
    seen = []

    class Watch(Silent):
        def stage(self, variant: Any, what: str) -> None:
            if "part" in what:
                seen.append(mark_of(store, key))
                with marked(store, [key], Silent(), 2):  # as a worker that dies over a part
                    (path,) = (store.root / FOLDER).glob(f"*/{key}.part-2.json")
                    kept = path.read_text()
                path.write_text(kept.replace(str(os.getpid()), "999999999"))

    Worker(Watch()).score_part(job, cell, 0)
    assert [mark is not None and "part 1 of 3" in mark.stage for mark in seen] == [True]
    mark = mark_of(store, key)
    assert mark is not None
    assert mark.gone
    worker.score(job, cell)
    assert mark_of(store, key) is None


def test_two_workers_share_the_participants(planning: Any, store: Any, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    made = planning([stories(folder=str(tmp_path / "parts"))], [NONE])
    engine = EngineOptions(EngineName.PROCESSES, workers=2)
    (cell,), _ = carry_out(replace(made, engine=engine))
    assert cell.status is Status.DONE, cell.reason
    parts = sorted(name.partition("-")[0] for name in os.listdir(tmp_path / "parts"))
    assert parts == ["0", "1", "2"]
    other = type(store)(store.root.parent / "other")
    again = planning([stories(folder=str(tmp_path / "parts"))], [NONE], into=other)
    (serial,), _ = carry_out(again)
    assert len(os.listdir(tmp_path / "parts")) == 3
    xr.testing.assert_identical(
        score_of(cell, store).drop_attrs(), score_of(serial, other).drop_attrs()
    )


def test_what_follows_from_parts(planning: Any) -> None:
    job = planning([benchmark("Hidden"), benchmark("Logprob")], [NONE]).jobs()[0]
    parts = Parts(several=True)
    first, second, *rest = parts.following(Task(job), job.cells, (2, 1))
    assert (first.part, second.part) == (0, 1)
    assert rest == [Task(job, job.cells[1])]
    assert parts.following(first, (), ()) == ()
    assert parts.following(second, (), ()) == (Task(job, job.cells[0]),)
    # A part that is lost takes the score with it.
    first, second, _ = parts.following(Task(job), job.cells, (2, 1))
    parts.lost(first)
    assert parts.following(second, (), ()) == ()
    one = Parts(several=False).following(Task(job), job.cells, (2, 1))
    assert one == (Task(job, job.cells[0]), Task(job, job.cells[1]))


def test_what_has_no_parts(planning: Any) -> None:
    made = planning([benchmark("Hidden"), stories()], [NONE])
    (job,) = made.jobs()
    worker = Worker(Silent())
    cells = worker.prepare(job)
    assert [worker.parts(job, cell) for cell in cells] == [1, 3]
    # Made anew, a score begins with an empty folder.
    (anew,) = planning([stories()], [NONE], overwrite="always").jobs()
    assert worker.parts(anew, cells[1]) == 1


def test_a_part_that_fails_is_told_by_the_score(
    planning: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (job,) = planning([stories()], [NONE]).jobs()
    worker = Worker(Silent())
    (cell,) = worker.prepare(job)

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("in the plan")

    monkeypatch.setattr(stream, "make_plan", broken)
    worker.score_part(job, cell, 0)
    assert "part 0 of voxel-stories: in the plan" in capsys.readouterr().err
    assert "in the plan" in worker.score(job, cell).reason
