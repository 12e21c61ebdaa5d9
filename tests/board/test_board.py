import numpy as np
import pandas as pd
import pytest
import xarray as xr
from toys import NONE, ROUND, benchmark

from harness.api import carry_out
from harness.board.files import export, open_board, save_board, table
from harness.errors import CorruptError, StoreError


@pytest.fixture
def board(planning, store):
    specs = [benchmark("Hidden", simulated=True), benchmark("Fails")]
    return carry_out(planning(specs, [NONE, ROUND]))[1]


def test_a_board_reads_back_as_it_was(board, tmp_path):
    path = save_board(board, tmp_path / "board.nc")
    back = open_board(path)
    assert set(back.children) == set(board.children)
    for group in board.subtree:
        xr.testing.assert_equal(back[group.path].to_dataset(), group.to_dataset())


def test_large_arrays_are_packed_without_loss_and_the_same_bytes_each_time(board, tmp_path):
    curve = np.random.default_rng(0).normal(size=(40, 900)).astype(np.float32)
    detail = xr.Dataset({"curve": (("variant", "sample"), curve.repeat(2, axis=1))})
    detail["few"] = ("variant", np.arange(40.0))
    board["neural/large"] = xr.DataTree(detail)
    path = save_board(board, tmp_path / "board.nc")
    assert path.stat().st_size < detail["curve"].nbytes
    back = open_board(path)
    assert back["neural/large/curve"].encoding["zlib"]
    assert not back["neural/large/few"].encoding["zlib"]
    xr.testing.assert_identical(back["neural/large"].to_dataset(), detail)
    for again in (board, back):
        assert save_board(again, tmp_path / "again.nc").read_bytes() == path.read_bytes()


def test_cells_say_everything(board):
    cells = board["cells"].to_dataset()
    assert cells["value"].dims == ("model", "compressor", "benchmark")
    done = cells.sel(benchmark="toy-hidden")
    assert (done["low"] <= done["value"]).all()
    assert (done["value"] <= done["high"]).all()
    assert (cells.sel(benchmark="toy-fails")["status"] == "failed").all()
    assert np.isnan(cells.sel(benchmark="toy-fails")["value"]).all()
    assert board["neural/toy-hidden"].to_dataset()["curve"].dims == ("variant", "layer")
    assert bool(board["benchmarks"].to_dataset()["simulated"].sel(benchmark="toy-hidden"))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_exports_hold_every_cell(board, tmp_path, ending):
    path = export(board, tmp_path / f"cells.{ending}")
    read = pd.read_csv(path) if ending == "csv" else pd.read_parquet(path)
    assert len(read) == 4
    pd.testing.assert_series_equal(read["value"], table(board)["value"])
    assert {"bits_per_weight", "provenance", "simulated", "reason"} <= set(read.columns)


def test_an_unknown_ending_is_refused(board, tmp_path):
    with pytest.raises(StoreError, match=r"cells\.xlsx"):
        export(board, tmp_path / "cells.xlsx")


def test_what_is_no_board_is_refused(tmp_path):
    with pytest.raises(StoreError, match="no board"):
        open_board(tmp_path / "missing.nc")
    (tmp_path / "text.nc").write_text("no netCDF")
    with pytest.raises(CorruptError, match="text"):
        open_board(tmp_path / "text.nc")
    xr.Dataset({"a": 1}).to_netcdf(tmp_path / "other.nc")
    with pytest.raises(CorruptError, match="no /cells"):
        open_board(tmp_path / "other.nc")


@pytest.mark.parametrize(("schema", "hint"), [(2, "upgrade"), (0, "made anew")])
def test_a_board_of_another_layout_is_refused(board, tmp_path, schema, hint):
    board.attrs["schema"] = schema
    path = save_board(board, tmp_path / "board.nc")
    with pytest.raises(StoreError, match=f"layout {schema}") as caught:
        open_board(path)
    assert hint in caught.value.hint


def test_half_a_board_is_refused(board, tmp_path):
    path = save_board(board, tmp_path / "board.nc")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CorruptError, match=r"board\.nc"):
        open_board(path)
