"""A laboratory's own data: a folder that the tests write, and all that can be wrong in it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from harness.cli.new_benchmark import scaffold_benchmark
from harness.errors import DataError, HarnessError, SelectionError
from harness.own_data.benchmark import OwnData
from harness.own_data.description import read_description, spec_from_data
from harness.own_data.tables import open_array, read_masks
from harness.own_data.words import read_words
from harness.runner.cells import NONE
from harness.spec.specs import load_target


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    scaffold_benchmark("our-story", tmp_path / "lab")
    return tmp_path / "lab"


def change(folder: Path, old: str, new: str) -> None:
    path = folder / "benchmark.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def recording(benchmark: OwnData, seed: int = 0) -> tuple[Any, xr.DataArray]:
    (request,) = benchmark.requests()
    rows = sum(request.readout.rows(request.stimuli))
    values = np.random.default_rng(seed).normal(size=(rows, 2, 6)).astype(np.float32)
    return request, xr.DataArray(values, dims=("sample", "layer", "unit"), coords={"layer": [0, 1]})


def test_what_is_scaffolded_runs_and_noise_scores_nothing(folder: Path) -> None:
    benchmark = load_target(spec_from_data(f"data:{folder}"))
    request, answer = recording(benchmark)
    assert request.stimuli.passages[0].items[:3] == ("the", "ferry", "left")
    assert request.readout.times[0][:3] == (1.0, 3.0, 5.0)
    score = benchmark.score({request: answer})
    assert score["r"].dims == ("participant", "roi", "layer")
    assert list(score["roi"].values) == ["IFG", "STG"]
    assert abs(float(score["value"])) < 0.2
    assert float(score["ceiling"]) > 0.4


def test_a_driven_region_is_found(folder: Path) -> None:
    benchmark = OwnData(str(folder / "benchmark.toml"))
    request, answer = recording(benchmark)
    driver = answer.values[:, 1, 0]
    for person in ("p1", "p2", "p3"):
        for number, run in enumerate(("run1", "run2")):
            path = folder / "responses" / f"{person}_{run}.npy"
            values = np.load(path)
            values[2:, 0] += 3 * driver[100 * number : 100 * number + 98]  # two volumes later
            np.save(path, values)
    score = OwnData(str(folder / "benchmark.toml")).score({request: answer})
    r = score["r_best"].mean("participant")
    assert r.sel(roi="IFG") > 0.7
    assert abs(r.sel(roi="STG")) < 0.25


def test_voxels_with_masks(folder: Path) -> None:
    change(folder, 'rois = ["IFG", "STG"]', 'masks = "masks/{participant}.npz"')
    (folder / "masks").mkdir()
    for person in ("p1", "p2", "p3"):
        np.savez(folder / "masks" / f"{person}.npz", left=[1, 0], both=[1, 1])
    benchmark = OwnData(str(folder / "benchmark.toml"))
    assert benchmark.data.rois == ("left", "both")
    change(folder, "delays =", 'resolution = "voxel"\ndelays =')
    benchmark = OwnData(str(folder / "benchmark.toml"))
    request, answer = recording(benchmark)
    score = benchmark.score({request: answer})
    assert score.sizes["voxel"] == 6
    assert score["r_roi"].shape == (3, 2)
    assert score["unique_r2_roi"].shape == (3, 2)


def test_hdf5_and_netcdf_hold_the_same(folder: Path) -> None:
    h5py = pytest.importorskip("h5py")
    values = np.load(folder / "responses" / "p1_run1.npy")
    with h5py.File(folder / "p1.h5", "w") as file:
        file["run1"] = values
    xr.Dataset({"run1": (("time", "voxel"), values)}).to_netcdf(folder / "p1.nc")
    for address in ("responses/p1_run1.npy", "p1.h5:run1", "p1.nc:run1"):
        np.testing.assert_array_equal(open_array(folder, address)[3:5, :1], values[3:5, :1])
    for address, message in (
        ("p1.h5", "no array in it"),
        ("p1.h5:run9", "'run9'"),
        ("p1.nc:run9", "run9"),
        ("p1.csv:x", "no format"),
    ):
        with pytest.raises(DataError, match=message):
            open_array(folder, address)


@pytest.mark.parametrize("suffix", ["npy", "h5", "nc"])
def test_a_file_cut_short(folder: Path, suffix: str) -> None:
    path = folder / f"cut.{suffix}"
    if suffix == "npy":
        whole = folder / "responses" / "p1_run1.npy"
    else:
        pytest.importorskip("h5py")
        whole = folder / f"whole.{suffix}"
        data = xr.Dataset({"x": (("t", "v"), np.ones((90, 40)))})
        data.to_netcdf(whole)
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    with pytest.raises(DataError, match="not a whole"):
        open_array(folder, f"cut.{suffix}:x" if suffix != "npy" else "cut.npy")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tr = 2.0", "tr = 0.0", "tr is 0.0 s"),
        ("tr = 2.0", 'tr = "two"', "tr is 'two'"),
        ("tr = 2.0", "", "does not say tr"),
        ("tr = 2.0", "tr = 2.0\ncolour = 1", "says colour"),
        ('["p1", "p2", "p3"]', '["p1", "p1"]', "participants are"),
        ('["p1", "p2", "p3"]', '"p1"', "participants is 'p1'"),
        ("{participant}_", "p1_", "for every participant"),
        ("_{run}", "_run1", "in every run"),
        ('name = "run2"', 'name = "run1"', "runs are"),
        ("folds = 4", "folds = [4]", "folds is"),
        ("[[runs]]", "[runs]", "not TOML"),
        ('events = "events/run1.tsv"', "", r"runs\[0\] does not say events"),
    ],
)
def test_faults_of_the_description(folder: Path, old: str, new: str, message: str) -> None:
    change(folder, old, new)
    with pytest.raises(DataError, match=message) as caught:
        read_description(folder)
    assert "benchmark.toml" in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('["IFG", "STG"]', '["IFG"]', "1 rois, and participant p1 has 2 columns"),
        ("start = 1.0", "start = 900.0", "its volumes from 900"),
        ("# resolution", 'resolution = "brain" #', "resolution is 'brain'"),
    ],
)
def test_faults_of_the_data(folder: Path, old: str, new: str, message: str) -> None:
    change(folder, old, new)
    with pytest.raises(DataError, match=message):
        OwnData(str(folder / "benchmark.toml"))


def test_participants_of_different_length(folder: Path) -> None:
    np.save(folder / "responses" / "p2_run2.npy", np.zeros((99, 2), np.float32))
    with pytest.raises(DataError, match="p2 has 99 rows in run run2, others have 100"):
        OwnData(str(folder / "benchmark.toml"))


def test_a_participant_with_nan_is_left_out(folder: Path) -> None:
    path = folder / "responses" / "p2_run2.npy"
    values = np.load(path)
    values[5, 1] = np.nan
    np.save(path, values)
    benchmark = OwnData(str(folder / "benchmark.toml"))
    request, answer = recording(benchmark)
    score = benchmark.score({request: answer})
    assert list(score["participant"].values) == ["p1", "p3"]
    assert "STG" in score.attrs["left_out"]


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "responses" / "p3_run1.npy").unlink()
    with pytest.raises(DataError, match=r"p3_run1\.npy, which is not there"):
        spec_from_data(f"data:{folder}")
    with pytest.raises(DataError, match="no description"):
        spec_from_data("data:/nowhere/benchmark.toml")


def test_changed_responses_are_other_options(folder: Path) -> None:
    first = spec_from_data(f"data:{folder}")
    assert spec_from_data(f"data:{folder}/benchmark.toml") == first
    np.save(folder / "responses" / "p3_run1.npy", np.ones((100, 2), np.float32))
    assert spec_from_data(f"data:{folder}").options != first.options


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("onset\tword\n0\ta\n", "lacks the columns duration"),
        ("onset\tduration\tword\n0\tx\ta\n", "line 2"),
        ("onset\tduration\tword\n0\t1\tn/a\n", "no words"),
        ("onset\tduration\tword\n3\t1\ta\n1\t1\tb\n", "sort words"),
        ("", "lacks the columns"),
    ],
)
def test_faults_of_a_table_of_words(tmp_path: Path, table: str, message: str) -> None:
    path = tmp_path / "events.tsv"
    path.write_text(table)
    with pytest.raises(DataError, match=message):
        read_words(path, "run")


def test_a_table_of_words(tmp_path: Path) -> None:
    path = tmp_path / "events.tsv"
    path.write_text(
        'onset\toffset\tword\tpos\n0.5\t0.9\t"Well\tUH\n1\t1.5\tn/a\t\n2\t2.5\tyes\tUH\n'
    )
    passage = read_words(path, "run")
    assert passage.items == ('"Well', "yes")
    assert passage.onsets == (0.5, 2.0)
    assert passage.offsets == (0.9, 2.5)


def test_masks_are_masks(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", a=[0, 1, 2])
    with pytest.raises(DataError, match="a is not a mask"):
        read_masks(tmp_path / "m.npz")


def test_scaffolds_change_nothing_that_is_there(folder: Path) -> None:
    with pytest.raises(HarnessError, match="not empty"):
        scaffold_benchmark("other", folder)
    with pytest.raises(HarnessError, match="cannot name"):
        scaffold_benchmark("Our Story", folder.parent / "new")


def test_selected_by_address_and_with_options(folder: Path) -> None:
    from harness.runner.select import Suite, select
    from harness.spec.registry import registry

    def benchmarks(*patterns: str) -> Any:
        return select(Suite(models=("gpt2",), benchmarks=patterns), registry()).benchmarks

    (own,) = benchmarks(f"data:{folder}")
    assert own.name == "our-story"
    both = benchmarks("deniz2019-listening", "deniz2019-listening:participants=01+02")
    assert [b.name for b in both] == [
        "deniz2019-listening",
        "deniz2019-listening:participants=01+02",
    ]
    assert both[1].options["participants"] == "01+02"
    with pytest.raises(SelectionError, match="not a list of options"):
        benchmarks("deniz2019-listening:participants")


def test_a_data_set_is_known_by_its_content(folder: Path, tmp_path: Path) -> None:
    """A folder that moves keeps its scores; a file that is replaced does not, whatever it says."""
    from harness.runner.keys import Keys

    def key(where: Path) -> str:
        return Keys("f", NONE, "float32").score(spec_from_data(f"data:{where}"), ())

    before = key(folder)
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    assert key(moved) == before
    assert str(moved) not in str(spec_from_data(f"data:{moved}").options["path"])
    path = moved / "responses" / "p3_run1.npy"
    raw, times = bytearray(path.read_bytes()), path.stat()
    raw[-3] ^= 1
    path.write_bytes(raw)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == times.st_size
    assert key(moved) != before


def test_two_data_sets_of_one_name(folder: Path, tmp_path: Path) -> None:
    from harness.runner.select import select_benchmarks
    from harness.spec.registry import registry

    second = tmp_path / "second"
    shutil.copytree(folder, second)
    np.save(second / "responses" / "p3_run1.npy", np.ones((100, 2), np.float32))
    with pytest.raises(SelectionError, match="two benchmarks are called our-story") as error:
        select_benchmarks([f"data:{folder}", f"data:{second}"], registry())
    assert str(second) in error.value.message
    assert len(select_benchmarks([f"data:{folder}"] * 2, registry())) == 1


def test_a_test_run_is_held_out_and_nothing_else(folder: Path) -> None:
    change(folder, 'events = "events/run2.tsv"', 'events = "events/run2.tsv"\ntest = true')
    benchmark = OwnData(str(folder / "benchmark.toml"))
    assert benchmark.folds is not None
    (fold,) = benchmark.folds
    np.testing.assert_array_equal(fold.train, np.arange(100))
    np.testing.assert_array_equal(fold.test, np.arange(100, 200))
    request, answer = recording(benchmark)
    driver = answer.values[:, 1, 0]
    for person in ("p1", "p2", "p3"):
        path = folder / "responses" / f"{person}_run1.npy"
        values = np.load(path)
        values[2:, 0] += 3 * driver[:98]  # the run that is fitted to, alone
        np.save(path, values)
    score = OwnData(str(folder / "benchmark.toml")).score({request: answer})
    assert abs(float(score["r_best"].sel(roi="IFG").mean())) < 0.25
    change(folder, 'events = "events/run1.tsv"', 'events = "events/run1.tsv"\ntest = true')
    with pytest.raises(DataError, match="every run is a test run"):
        read_description(folder)
    change(folder, "test = true", 'test = "yes"')
    with pytest.raises(DataError, match="test is 'yes'"):
        read_description(folder)
