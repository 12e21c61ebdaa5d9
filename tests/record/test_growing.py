"""Recordings in files are those in memory, to the last bit; what is not finite is found."""

import errno
import os

import numpy as np
import pytest
import torch

from harness.errors import RecordingError, StoreError
from harness.record import growing
from harness.record.growing import Filed, Held, NotFinite, grown
from harness.record.size import CHUNK, HELD, bytes_of, chunk_of, held_bytes, layer_file
from harness.record.subject import LanguageSubject
from harness.store.store import Kind, Store
from tests.record.test_subject import hidden

SHAPE = (50, 3, 8)
CPU = torch.device("cpu")
KEY = "ab" * 32


def pieces():
    """Rows that batches add, and what they add: scattered, repeated, alone, none."""
    rng = np.random.default_rng(0)
    for rows in ([3, 4, 5, 9], [0], [5, 6, 40, 41, 42, 49], list(range(50)), []):
        for layer in range(3):
            part = torch.from_numpy(rng.standard_normal((len(rows), 8)).astype(np.float32))
            yield layer, np.array(rows, np.int64), part


def filled(made):
    for layer, rows, part in pieces():
        made.add(layer, rows, part)
    return made.variable()


@pytest.fixture
def summed():
    values = np.zeros(SHAPE, np.float32)
    for layer, rows, part in pieces():
        values[rows, layer] += part.numpy()
    return values


@pytest.mark.parametrize("how", ["held", "by layer", "filed"])
def test_every_way_adds_the_same(how, summed, tmp_path):
    made = Filed(SHAPE, tmp_path / "r") if how == "filed" else Held(SHAPE, CPU, whole=how == "held")
    got = filled(made)
    assert got.dims == ("sample", "layer", "unit")
    np.testing.assert_array_equal(got.values, summed)
    np.testing.assert_array_equal(got[:, 1].values, summed[:, 1])
    np.testing.assert_array_equal(got[7:20, 1:, ::2].values, summed[7:20, 1:, ::2])
    np.testing.assert_array_equal(got[4].values, summed[4])
    np.testing.assert_array_equal(got[4, 2].values, summed[4, 2])
    np.testing.assert_array_equal(got[[1, 40], 0, 5].values, summed[[1, 40], 0, 5])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("filed", [False, True])
def test_the_row_that_is_not_finite_is_named(bad, filed, tmp_path):
    made = Filed(SHAPE, tmp_path / "r") if filed else Held(SHAPE, CPU)
    part = torch.ones(3, 8)
    part[1, 2] = bad
    with pytest.raises(NotFinite) as error:
        made.add(1, np.array([10, 20, 30]), part)
        made.variable()
    assert error.value.row == 20


def test_large_finite_numbers_are_finite(tmp_path):
    for made in (Filed(SHAPE, tmp_path / "r"), Held(SHAPE, CPU)):
        made.add(0, np.arange(50), torch.full((50, 8), 3e38))
        assert np.isfinite(made.variable().values).all()


def test_small_ones_are_held_and_large_ones_only_with_a_folder(tmp_path):
    assert isinstance(grown(SHAPE, CPU, tmp_path / "a", HELD), Held)
    assert isinstance(grown(SHAPE, CPU, tmp_path / "a", HELD + 1), Filed)
    assert isinstance(grown(SHAPE, CPU, None, HELD + 1), Held)
    assert held_bytes(bytes_of((30_000, 37, 5_120))) == 2 * HELD


def test_a_full_disk_is_known_before_the_pass(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(StoreError, match="no space is left"):
        Filed(SHAPE, tmp_path / "r")


@pytest.mark.parametrize("rows", [1, 3_276, 3_277, 30_000, 300_000])
def test_no_chunk_is_above_64_mb(rows):
    """A layer of 300,000 rows is 6 GB: as one chunk the library cannot write it."""
    chunk = chunk_of((rows, 37, 5_120))
    assert bytes_of(chunk) <= CHUNK
    assert chunk[1:] == (1, 5_120)
    pieces = -(-rows // chunk[0])
    assert pieces == -(-rows // (CHUNK // (5_120 * 4)))  # as few as may be
    assert pieces * chunk[0] < rows + pieces  # and no disk is spent on a last one that is empty


@pytest.fixture
def tight(monkeypatch):
    """Everything is too large to be held."""
    monkeypatch.setattr(growing, "HELD", 0)


@pytest.mark.parametrize("size", [1, 3])
def test_a_model_records_into_files_what_it_records_into_memory(speaker, tight, tmp_path, size):
    asked = [hidden("words(3)"), hidden("strided(8,3)"), hidden()]
    model = speaker()
    wanted = LanguageSubject(model, batch_size=size).record_all(asked)
    got = LanguageSubject(model, batch_size=size, scratch=tmp_path).record_all(asked)
    for request in asked:
        assert layer_file(tmp_path / request.key, 0).is_file()
        assert got[request.key].attrs.keys() == wanted[request.key].attrs.keys()
        np.testing.assert_array_equal(got[request.key].values, wanted[request.key].values)


def test_an_overflow_ends_the_pass_at_its_first_batch(speaker, tight, tmp_path):
    model, seen = speaker(), []
    with torch.no_grad():
        model.model.get_input_embeddings().weight[:] = torch.inf

    def progress(done, total):
        seen.append(done)

    subject = LanguageSubject(model, batch_size=1, scratch=tmp_path, progress=progress)
    with pytest.raises(RecordingError, match=r"hidden states of passage .* not finite \(row"):
        subject.record(hidden())
    assert seen == []


def test_a_layer_larger_than_a_chunk_is_stored_in_several(tmp_path, monkeypatch, speaker):
    """Written a chunk at a time, read back whole, each layer gone once it is stored."""
    values = np.random.default_rng(1).standard_normal((100, 3, 8)).astype(np.float32)
    made = Filed((100, 3, 8), tmp_path / "r")
    for layer in range(3):
        made.add(layer, np.arange(100), torch.from_numpy(values[:, layer]))
    recording = LanguageSubject(speaker()).record(hidden())
    variable = made.variable().copy(deep=False)
    variable.attrs = {"context": "prefix", "tokens": 3, "seconds": 0.5}
    coords = {"layer": recording.layer, "passage": ("sample", ["first"] * 100)}
    dataset = recording.isel(sample=[0]).drop_vars(["passage", "layer"]).to_dataset()
    dataset = dataset.drop_vars("recording").assign(recording=variable)
    dataset = dataset.assign_coords({"passage": coords["passage"], "layer": np.arange(3)})
    store, left = Store(tmp_path / "store"), []

    def written(name, block):
        left.append((name, block[0].start, block[1].start))

    store.write(Kind.RECORDING, KEY, dataset, {"recording": (40, 1, 8)}, written=written)
    assert left == [("recording", row, layer) for layer in range(3) for row in (0, 40, 80)]
    with store.reading(Kind.RECORDING, KEY) as got:
        np.testing.assert_array_equal(got["recording"].values, values)
        assert got["recording"].attrs == variable.attrs
        assert got["recording"].encoding["chunksizes"] == (40, 1, 8)
        assert got["recording"].encoding["fletcher32"]
        assert set(got["recording"].coords) == {"layer", "passage"}
