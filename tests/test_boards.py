"""Which board a command reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.cli.boards import read_board
from harness.errors import SelectionError, StoreError


def test_a_suite_is_read_from_the_store_and_nothing_is_computed(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    suite = tmp_path / "two.toml"
    suite.write_text('models = ["stories260k"]\nbenchmarks = ["minimal-pairs"]\n')
    board = read_board(None, str(suite), tmp_path / "store")
    cells = board["cells"].to_dataset()
    assert list(cells["model"].values) == ["stories260k"]
    assert str(cells["status"].item()) in {"to do", "failed"}


def test_a_board_or_a_suite(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match="name one"):
        read_board(tmp_path / "board.nc", "quickstart", None)
    with pytest.raises(StoreError, match="no board at"):
        read_board(None, None, tmp_path)
