"""A copy of a result is the result, or is not used."""

import os

import numpy as np
import pytest
import xarray as xr

from harness.errors import CorruptError
from harness.store import copies
from harness.store.store import Kind, Store

KEY = "ab" * 32


def result():
    return xr.Dataset(
        {
            "value": 0.25,
            "curve": (("layer", "roi"), np.arange(6, dtype=np.float32).reshape(3, 2)),
            "counts": ("layer", np.array([1, 2, 3], np.int32)),
            "names": ("roi", np.array(["ä", "longer"], object)),
            "good": ("roi", np.array([1, 0], np.int8)),
            "none": ("empty", np.empty(0)),
        },
        coords={"layer": [0, 1, 2], "roi": ["LATL", "RATL"], "where": ("roi", [np.nan, 2.0])},
        attrs={"text": "a\nb", "seconds": 0.1, "tokens": 7, "several": [1.5, np.inf]},
    )


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path)
    made.write(Kind.SCORE, KEY, result())
    return made


def identical(one, other):
    """Values, dims, dtypes, attributes and their types; how a file was packed is no part of it."""
    xr.testing.assert_identical(one, other)
    assert list(one.variables) == list(other.variables)
    for name, variable in one.variables.items():
        assert variable.dtype == other[name].dtype, name
    for name, value in one.attrs.items():
        assert type(value) is type(other.attrs[name]), name


def opens(monkeypatch):
    """Count how often the netCDF library is asked."""
    opened, original = [], xr.open_dataset

    def spy(*args, **how):
        opened.append(args)
        return original(*args, **how)

    monkeypatch.setattr(xr, "open_dataset", spy)
    return opened


def test_the_copy_is_the_result(store, monkeypatch):
    opened = opens(monkeypatch)
    first = store.read(Kind.SCORE, KEY)
    second = Store(store.root).read(Kind.SCORE, KEY)
    assert len(opened) == 1
    identical(second, first)
    second["curve"][:] = 1  # it may be written to


def test_a_result_that_is_replaced_or_touched_is_read_anew(store, monkeypatch):
    store.read(Kind.SCORE, KEY)
    store.write(Kind.SCORE, KEY, result().assign(value=0.5))
    opened = opens(monkeypatch)
    assert store.read(Kind.SCORE, KEY)["value"] == 0.5
    assert len(opened) == 1
    path = store.path(Kind.SCORE, KEY)
    raw, times = bytearray(path.read_bytes()), path.stat()
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(CorruptError):
        store.read(Kind.SCORE, KEY)


def test_no_flipped_bit_of_a_copy_goes_unseen(store):
    wanted = store.read(Kind.SCORE, KEY)
    path = store._copy_path(Kind.SCORE, KEY)
    whole = path.read_bytes()
    for at in np.random.default_rng(0).integers(0, len(whole), 100):
        raw = bytearray(whole)
        raw[at] ^= 4
        path.write_bytes(raw)
        identical(store.read(Kind.SCORE, KEY), wanted)
    path.write_bytes(whole[:50])
    identical(store.read(Kind.SCORE, KEY), wanted)


def test_a_copy_under_another_key_is_not_used(store):
    other = "cd" * 32
    store.write(Kind.SCORE, other, result().assign(value=0.5))
    store.read(Kind.SCORE, other)
    mine, theirs = (store._copy_path(Kind.SCORE, key) for key in (KEY, other))
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_bytes(theirs.read_bytes())
    assert store.read(Kind.SCORE, KEY)["value"] == 0.25


def test_what_is_large_or_not_numbers_and_texts_is_not_copied(store, monkeypatch):
    monkeypatch.setattr(copies, "LARGEST", 10)
    store.read(Kind.SCORE, KEY)
    assert not store._copy_path(Kind.SCORE, KEY).exists()
    monkeypatch.undo()
    times = xr.Dataset({"when": ("a", np.array(["2026-01-01"], "datetime64[ns]"))})
    store.write(Kind.SCORE, KEY, times)
    xr.testing.assert_identical(store.read(Kind.SCORE, KEY), times)
    assert not store._copy_path(Kind.SCORE, KEY).exists()


def test_a_result_that_is_removed_takes_its_copy_with_it(store):
    store.read(Kind.SCORE, KEY)
    store.remove(Kind.SCORE, KEY)
    assert not store._copy_path(Kind.SCORE, KEY).exists()
    assert not store.has(Kind.SCORE, KEY)
