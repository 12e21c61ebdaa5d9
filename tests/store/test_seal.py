"""Seals prove every byte of a file, and its key."""

import time

import numpy as np
import pytest
import xarray as xr

from harness.errors import CorruptError
from harness.store.seal import check, fault, seal


@pytest.fixture
def sealed(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(200)))
    seal(path, "scores/k")
    return path


def test_every_flipped_bit_is_found(sealed):
    whole = sealed.read_bytes()
    assert fault(sealed, "scores/k") == ""
    for at in range(len(whole)):
        for bit in (1, 128):
            raw = bytearray(whole)
            raw[at] ^= bit
            sealed.write_bytes(raw)
            assert fault(sealed, "scores/k"), at


@pytest.mark.parametrize("size", [0, 1, 50, 200, 250, -1])
def test_a_file_that_was_cut(sealed, size):
    sealed.write_bytes(sealed.read_bytes()[:size])
    with pytest.raises(CorruptError, match="carries no seal"):
        check(sealed, "scores/k")


def test_bytes_that_were_added(sealed):
    sealed.write_bytes(b"x" + sealed.read_bytes())
    assert "not those" in fault(sealed, "scores/k")


def test_another_name(sealed):
    with pytest.raises(CorruptError, match="kept as scores/k, not as scores/j"):
        check(sealed, "scores/j")


def test_readers_of_the_format_do_not_see_it(tmp_path):
    values = np.arange(12.0).reshape(3, 4)
    data = xr.Dataset({"a": (("x", "y"), values)}, attrs={"said": "so"})
    data.to_netcdf(tmp_path / "a.nc", engine="netcdf4")
    np.save(tmp_path / "a.npy", values)
    for name in ("a.nc", "a.npy"):
        seal(tmp_path / name, name)
        check(tmp_path / name, name)
    with xr.open_dataset(tmp_path / "a.nc", engine="netcdf4") as read:
        xr.testing.assert_identical(read.load(), data)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy", mmap_mode="r"), values)


def test_a_large_file_is_read_in_pieces(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(np.random.default_rng(0).bytes(3 * 2**20 + 17))
    seal(path, "n")
    start = time.process_time()
    check(path, "n")
    assert time.process_time() - start < 1
