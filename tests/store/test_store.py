import errno
import multiprocessing
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from harness.errors import CorruptError, StoreError
from harness.store import atomic
from harness.store.store import Kind, Store

KEY = "ab" * 32


def dataset(value: float = 1.0) -> xr.Dataset:
    rng = np.random.default_rng(0)
    return xr.Dataset(
        {"recording": (("sample", "layer"), rng.normal(size=(200, 30)) * value)},
        coords={"passage": ("sample", np.array(["one"] * 200, object))},
        attrs={"seconds": 2.5},
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_reads_back_what_was_written(store):
    assert not store.has(Kind.RECORDING, KEY)
    store.write(Kind.RECORDING, KEY, dataset(), chunks={"recording": (200, 1)})
    assert store.has(Kind.RECORDING, KEY)
    xr.testing.assert_identical(store.read(Kind.RECORDING, KEY), dataset())
    store.remove(Kind.RECORDING, KEY)
    assert not store.has(Kind.RECORDING, KEY)


def test_what_is_not_there_is_a_store_error(store):
    with pytest.raises(StoreError, match="not in the store"):
        store.read(Kind.SCORE, KEY)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_a_file_that_decayed_is_moved_aside_and_named(store, damage):
    store.write(Kind.RECORDING, KEY, dataset())
    path = store.path(Kind.RECORDING, KEY)
    raw = bytearray(path.read_bytes())
    if damage == "cut":
        raw = raw[: len(raw) // 2]
    elif damage == "flip":
        middle = raw.find(dataset()["recording"].values[100].tobytes())
        assert middle > 0
        raw[middle + 3] ^= 0xFF
    elif damage == "empty":
        raw = bytearray()
    else:
        raw = bytearray(b"this is no netCDF file")
    path.write_bytes(bytes(raw))
    with pytest.raises(CorruptError, match=path.name):
        store.read(Kind.RECORDING, KEY)
    assert not store.has(Kind.RECORDING, KEY)
    assert [p.name for p in path.parent.iterdir() if "corrupt" in p.name]


def test_an_error_of_the_reader_is_not_taken_for_decay(store):
    store.write(Kind.RECORDING, KEY, dataset())
    with pytest.raises(ValueError, match="mine"), store.reading(Kind.RECORDING, KEY):
        raise ValueError("mine")
    assert store.has(Kind.RECORDING, KEY)


def test_a_write_that_fails_leaves_what_was_there(store):
    store.write(Kind.SCORE, KEY, dataset())
    with (
        pytest.raises(ValueError, match="half way"),
        atomic.writing(store.path(Kind.SCORE, KEY)) as beside,
    ):
        beside.write_bytes(b"half")
        raise ValueError("half way")
    xr.testing.assert_identical(store.read(Kind.SCORE, KEY), dataset())
    assert [p.name for p in store.path(Kind.SCORE, KEY).parent.iterdir()] == [f"{KEY}.nc"]


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "no space"), (errno.EROFS, "read-only"), (errno.EACCES, "permission")],
)
def test_a_store_that_cannot_be_written_says_why_and_what_to_do(store, monkeypatch, number, words):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(atomic.tempfile, "mkstemp", refuse)
    with pytest.raises(StoreError, match=words) as error:
        store.check_writable()
    assert "--store" in error.value.hint


def test_a_full_disk_while_writing(store, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", full)
    with pytest.raises(StoreError, match="no space"):
        store.write(Kind.SCORE, KEY, dataset())
    assert not store.has(Kind.SCORE, KEY)


def test_a_full_disk_that_netcdf_does_not_name(store, monkeypatch):
    def unnamed(*_: object, **__: object) -> None:
        raise RuntimeError("NetCDF: HDF error")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", unnamed)
    with pytest.raises(RuntimeError, match="HDF"):  # the disk has room: something else is wrong
        store.write(Kind.FAILURE, KEY, xr.Dataset(attrs={"reason": "r"}))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match="no space"):
        store.write(Kind.FAILURE, KEY, xr.Dataset(attrs={"reason": "r"}))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES, errno.ESTALE])
def test_what_the_system_refuses_to_read_is_not_taken_for_decay(store, monkeypatch, number):
    store.write(Kind.SCORE, KEY, dataset())

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(xr, "open_dataset", refuse)
        with pytest.raises(StoreError, match=os.strerror(number)) as error:
            store.read(Kind.SCORE, KEY)
    assert not isinstance(error.value, CorruptError)
    xr.testing.assert_identical(store.read(Kind.SCORE, KEY), dataset())


def test_a_store_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="file"):
        Store(tmp_path / "file" / "store").check_writable()


def test_the_default_store_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINPRESS_STORE", str(tmp_path / "mine"))
    assert Store.default().root == tmp_path / "mine"
    monkeypatch.setenv("BRAINPRESS_STORE", "~/mine")  # no shell expands it in a .env file
    assert Store.default().root == Path.home() / "mine"


def _make_once(root: Path, log: Path) -> None:
    store = Store(root)
    with store.lock(Kind.SCORE, KEY):
        if not store.has(Kind.SCORE, KEY):
            with log.open("a") as stream:
                stream.write("made\n")
            time.sleep(0.2)
            store.write(Kind.SCORE, KEY, dataset())


def test_processes_that_want_the_same_make_it_once(store, tmp_path):
    log = tmp_path / "log"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_make_once, args=(store.root, log)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert log.read_text() == "made\n"
    xr.testing.assert_identical(store.read(Kind.SCORE, KEY), dataset())


def test_unfinished_work_stays_until_it_is_done(store):
    with pytest.raises(ValueError, match="half way"), store.unfinished(KEY) as folder:
        folder.mkdir(parents=True)
        (folder / "half").write_text("done")
        raise ValueError("half way")
    with store.unfinished(KEY) as again:
        assert (again / "half").read_text() == "done"
    assert not again.exists()


def test_scratch_of_a_killed_process_goes_with_the_next_of_the_same_result(tmp_path):
    store = Store(tmp_path)
    child = subprocess.Popen(["true"])
    child.wait()
    with store.scratch(Kind.RECORDING, KEY) as folder:
        folder.mkdir()
        (folder / "0.f32").write_bytes(b"1234")
    assert not folder.exists()
    left = folder.with_name(folder.name.replace(f"-{os.getpid()}", f"-{child.pid}"))
    left.mkdir()
    (left / "0.f32").write_bytes(b"1234")
    store.write(Kind.RECORDING, KEY, dataset())  # it is no file of its own
    with store.scratch(Kind.RECORDING, KEY):
        assert not left.exists()
    left.mkdir()
    store.check_writable()
    assert not left.exists()


def test_what_a_result_says_is_read_without_its_values(tmp_path):
    store = Store(tmp_path)
    store.write(Kind.SCORE, KEY, dataset().assign_attrs(score_seconds=2.5))
    assert store.said(Kind.SCORE, KEY)["score_seconds"] == 2.5
    with pytest.raises(StoreError, match="does not open"):
        store.said(Kind.SCORE, "cd" * 32)
