"""Locks: who holds one is known, and one whose holder died elsewhere is taken over."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.store import lock as module
from harness.store.lock import Held, Holder, held

HOLDS = """
import sys, time
from pathlib import Path
from harness.store.lock import held
with held(Path(sys.argv[1])):
    print("holds", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Any:
    """A process that holds a lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path / "a.lock")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def test_who_holds_it_is_told(elsewhere: Any, tmp_path: Path) -> None:
    with (
        pytest.raises(Held, match=rf"process {elsewhere.pid} on .*, since 20"),
        held(tmp_path / "a.lock", wait=False),
    ):
        pass


def test_a_holder_that_is_killed_lets_it_go(elsewhere: Any, tmp_path: Path) -> None:
    elsewhere.kill()
    elsewhere.wait()
    with held(tmp_path / "a.lock", wait=False):
        assert Holder.read(tmp_path / "a.holder") is not None
    assert not (tmp_path / "a.holder").exists()


@pytest.fixture
def no_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without ``flock``."""

    def missing(*_: Any) -> None:
        raise OSError(errno.ENOSYS, "not implemented")

    monkeypatch.setattr("fcntl.flock", missing)
    monkeypatch.setattr(module, "POLL", 0.2)


def test_a_holder_dead_on_another_host_is_named_and_after_the_limit_passed(
    no_flock: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.lock"
    path.write_text("4711\nnode-17\n")
    (tmp_path / "a.holder").write_text(
        json.dumps({"host": "node-17", "pid": 4711, "since": "2026-01-01 00:00:00"})
    )
    start = time.monotonic()
    with caplog.at_level(logging.WARNING), held(path, limit=1.0):
        pass
    assert time.monotonic() - start >= 1.0
    assert "waiting for process 4711 on node-17, since 2026-01-01 00:00:00" in caplog.text
    assert "taking over a.lock" in caplog.text


def test_a_holder_that_lives_is_waited_for_beyond_the_limit(
    no_flock: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its note moves, whatever the clocks of the hosts say."""
    path, note = tmp_path / "a.lock", tmp_path / "a.holder"
    path.write_text("4711\nnode-17\n")
    note.write_text(json.dumps({"host": "node-17", "pid": 4711, "since": "long ago"}))
    seen = module._Seen()
    for second in range(4):
        os.utime(note, (second, second))
        assert seen.still(note) < 0.1
        time.sleep(0.2)
    assert seen.still(note) > 0.1


def test_notes_of_holders_that_have_gone_are_swept(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here, there = Holder.me(), "node-17"
    holders = {
        "dead": Holder(here.host, ended.pid, here.since),
        "alive": here,
        "elsewhere": Holder(there, 4711, here.since),
        "long-ago": Holder(there, 4712, here.since),
    }
    for name, holder in holders.items():
        (tmp_path / f"{name}.holder").write_text(json.dumps(vars(holder)))
    os.utime(tmp_path / "long-ago.holder", (0, 0))
    swept = module.sweep_notes(tmp_path)
    assert sorted(path.stem for path in swept) == ["dead", "long-ago"]
    assert sorted(path.stem for path in tmp_path.glob("*.holder")) == ["alive", "elsewhere"]
