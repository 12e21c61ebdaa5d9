"""A full disk is told the same way wherever it happens: on a small disk of its own."""

import subprocess

import numpy as np
import pytest
import xarray as xr

from harness.board.files import save_board
from harness.errors import StoreError
from harness.store.store import Kind, Store

KEY = "ab" * 32


@pytest.fixture
def small(tmp_path):
    """A disk of 200 kB; where it cannot be mounted there is nothing to see."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    try:
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("nothing can be mounted here")
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def large():
    values = np.random.default_rng(0).normal(size=(300, 200))
    return xr.Dataset({"r": (("a", "b"), values)})


@pytest.mark.parametrize("times", [1, 3])
def test_a_board_and_a_score(small, times):
    board = xr.DataTree.from_dict({"/cells": large()})
    for _ in range(times):
        with pytest.raises(StoreError, match="no space is left"):
            save_board(board, small / "board.nc")
        with pytest.raises(StoreError, match="no space is left"):
            Store(small).write(Kind.SCORE, KEY, large())
    assert not [p for p in small.rglob("*") if p.is_file()]
