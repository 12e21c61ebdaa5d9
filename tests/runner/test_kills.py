"""The short form of ``benchmarks/kills.py``: two kills where that makes sixty."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks import kills


@pytest.fixture
def matrix(tiny_release: Any) -> kills.Matrix:
    return kills.Matrix(f"file:{tiny_release()}", ("none", "rtn-int4"), "minimal-pairs")


def test_a_killed_client_and_a_killed_worker_cost_no_score(
    matrix: kills.Matrix, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kills.undisturbed(matrix, tmp_path / "reference", tmp_path / "log")
    assert not kills.left_over(tmp_path / "reference")
    for kind in ("client", "worker"):
        faults = kills.series(kind, 1, matrix, tmp_path, 4.0, random.Random(1))
        assert not faults, capsys.readouterr().out


def test_what_is_left_over_and_what_differs_is_found(tmp_path: Path) -> None:
    (tmp_path / "started" / "ke").mkdir(parents=True)
    (tmp_path / "started" / "ke" / "key.json").touch()
    (tmp_path / "scores" / "ab").mkdir(parents=True)
    (tmp_path / "scores" / "ab" / "abc.nc").touch()
    (tmp_path / "scores" / "ab" / ".abc.nc.~12345678-1").touch()
    assert len(kills.left_over(tmp_path)) == 2
    assert kills.differences(tmp_path, tmp_path / "none") == ["abc.nc is in one store alone"]
