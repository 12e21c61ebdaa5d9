"""The verbs from Python: what they are told reaches what they call."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from toys import NONE, Hidden, benchmark

import harness
from harness.api import RunSettings, carry_out
from harness.errors import HarnessError
from harness.place.place import here


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """An empty cache, no data, and every host that is asked for; nobody is reached."""
    asked: list[Any] = []

    def refuse(host: Any, *_: Any, **__: Any) -> Any:
        asked.append(host)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: refuse(address))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BRAINPRESS_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("BRAINPRESS_DATA", "")
    monkeypatch.delenv("BRAINPRESS_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return asked


MATRIX: RunSettings = {"models": "stories260k,gpt2", "benchmarks": "blimp-100,brennan2016-alice"}


def test_nobody_is_asked_while_planning_offline(network: list[Any]) -> None:
    made = harness.plan(**MATRIX, offline=True)
    assert network == []
    assert {str(c.status) for c in made.cells} == {"failed"}
    assert "adjunct_island.jsonl is not on this machine" in made.cells[0].reason


def test_nobody_is_asked_while_running_offline(network: list[Any]) -> None:
    board = harness.run(**MATRIX, offline=True)
    assert network == []
    assert set(board["cells"]["status"].values.ravel()) == {"failed"}


def test_a_host_is_asked_where_that_is_allowed(network: list[Any], monkeypatch: Any) -> None:
    """The two tests above would see it."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    harness.plan(models="stories260k", benchmarks="blimp-100")
    assert network


def test_memory_and_device_reach_the_score(planning: Any, monkeypatch: Any) -> None:
    found: list[Any] = []
    original = Hidden.score

    def score(self: Any, recordings: Any) -> Any:
        found.append((here().memory, here().device, here().offline))
        return original(self, recordings)

    monkeypatch.setattr(Hidden, "score", score)
    carry_out(planning([benchmark("Hidden")], [NONE], memory="3GiB", offline=True))
    assert found == [(3 * 2**30, "cpu", True)]


def test_memory_is_told_from_python_as_on_the_command_line(network: list[Any]) -> None:
    made = harness.plan(**MATRIX, offline=True, memory="2GiB", device="cpu", store="here")
    assert (made.place.memory, made.place.device) == (2 * 2**30, "cpu")
    assert made.place.store == Path("here")
    with pytest.raises(HarnessError, match="not a size"):
        harness.run(**MATRIX, memory="much")


def test_a_setting_that_is_none(network: list[Any]) -> None:
    with pytest.raises(TypeError, match="'modls'"):
        harness.run(modls="gpt2")  # type: ignore[call-arg]
