"""What killed writes leave is swept, and what somebody writes is not."""

import multiprocessing
import os
import signal
import time

import pytest

from harness.store import leftovers
from harness.store.atomic import writing
from harness.store.leftovers import sweep, temporary_name
from harness.store.store import Store


def _write_and_die(path):
    with writing(path) as beside:
        beside.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)


def killed(path):
    worker = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(path,))
    worker.start()
    worker.join()
    (left,) = [p for p in path.parent.iterdir() if p.name.startswith(".")]
    return left


def test_the_same_file_written_again_sweeps(tmp_path):
    left = killed(tmp_path / "score.nc")
    with writing(tmp_path / "score.nc") as beside:
        assert not left.exists()
        beside.write_bytes(b"whole")
    assert [p.name for p in tmp_path.iterdir()] == ["score.nc"]


def test_a_store_that_is_written_sweeps(tmp_path):
    folder = tmp_path / "scores" / "ab"
    folder.mkdir(parents=True)
    left = killed(folder / "score.nc")
    Store(tmp_path).check_writable()
    assert not left.exists()


def test_a_conversion_that_was_killed(tmp_path, monkeypatch):
    folder = tmp_path / "gguf-0123-v2"
    left = folder.with_name(temporary_name(folder).replace(f"-{os.getpid()}", "-4194400"))
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    mine = folder.with_name(temporary_name(folder))
    mine.mkdir()
    assert sweep(tmp_path) == [left]
    assert mine.is_dir()


def test_what_somebody_writes_stays(tmp_path):
    with writing(tmp_path / "score.nc") as beside:
        assert sweep(tmp_path) == []
        assert beside.exists()
    (tmp_path / ".gitkeep").touch()
    (tmp_path / "result").touch()
    assert sweep(tmp_path) == []


@pytest.mark.parametrize("age", [0, 2 * 86400])
def test_another_machine_has_a_day(tmp_path, monkeypatch, age):
    path = tmp_path / ".score.nc.~01234567-1.abcd"
    path.touch()
    os.utime(path, (time.time() - age,) * 2)
    assert leftovers.machine() != "01234567"
    assert sweep(tmp_path) == ([path] if age else [])
