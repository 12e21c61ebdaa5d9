"""Responses read in blocks: the same whatever they lie in, and refused when they do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.encode.design.sources import (
    PartedResponses,
    ResponseRows,
    array_responses,
    hdf5_part,
    npy_responses,
)
from harness.errors import DataError

RNG = np.random.default_rng(0)
STORIES = {"one": RNG.normal(size=(14, 9)), "two": RNG.normal(size=(12, 9))}
TEST = RNG.normal(size=(2, 11, 9))


def written(folder: Path) -> Path:
    h5py = pytest.importorskip("h5py")
    path = folder / "responses.hdf"
    with h5py.File(path, "w") as file:
        for name, values in STORIES.items():
            file[name] = values
        file["test"] = TEST
    return path


def test_hdf5_with_trims_and_repeats(tmp_path: Path) -> None:
    path = written(tmp_path)
    trim = slice(2, -3)
    parts = [hdf5_part(path, name, trim) for name in STORIES]
    source = PartedResponses({"a": [*parts, hdf5_part(path, "test")]}, ["one", "two", "test"])
    expected = np.concatenate([*(v[trim] for v in STORIES.values()), TEST.mean(axis=0)])
    assert source.n_voxels("a") == 9
    np.testing.assert_array_equal(source.runs, np.repeat([0, 1, 2], [9, 7, 11]))
    np.testing.assert_allclose(source.block("a", 2, 7), expected[:, 2:7])
    np.testing.assert_array_equal(source.repeats("a", 2, 7), TEST[:, :, 2:7])


def test_npy_files_are_the_arrays(tmp_path: Path) -> None:
    whole = np.concatenate(list(STORIES.values()))
    np.save(tmp_path / "a.npy", whole)
    np.save(tmp_path / "test.npy", TEST)
    runs = np.repeat(["one", "two"], [14, 12])
    source = npy_responses({"a": tmp_path / "a.npy"}, runs, {"a": tmp_path / "test.npy"})
    other = array_responses({"a": whole}, runs, {"a": TEST})
    assert list(source.labels) == ["one", "two", "repeated"]
    np.testing.assert_array_equal(source.block("a", 0, 9), other.block("a", 0, 9))
    assert array_responses({"a": whole}, runs).repeats("a", 0, 9) is None


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    one, two = STORIES.values()
    with pytest.raises(DataError, match="participant b has 13 rows in run one, others have 14"):
        PartedResponses({"a": [ResponseRows(one)], "b": [ResponseRows(one[1:])]}, ["one"])
    with pytest.raises(DataError, match=r"2 parts with \[3, 9\] voxels"):
        PartedResponses({"a": [ResponseRows(one), ResponseRows(two[:, :3])]}, ["one", "two"])
    with pytest.raises(DataError, match="more than one run has repeats"):
        PartedResponses({"a": [ResponseRows(TEST), ResponseRows(TEST)]}, ["one", "two"])
    with pytest.raises(DataError, match="separate stretches"):
        array_responses({"a": one}, np.r_[np.zeros(5), np.ones(5), np.zeros(4)])
    with pytest.raises(DataError, match="different participants"):
        array_responses({"a": one}, np.zeros(14), {"b": TEST})


def test_files_that_are_cut_short_or_lack_a_story(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(DataError, match="no data set 'three'"):
        hdf5_part(path, "three")
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DataError, match="not a whole HDF5 file"):
        hdf5_part(path, "one")
