"""Missing data written as numbers: whoever has it is left out of value, ceiling and group alike."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from harness.cli.new_benchmark import scaffold_benchmark
from harness.own_data.benchmark import OwnData

PEOPLE = ("p1", "p2", "p3", "p4")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four people who share a signal in one region and in the other."""
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    lab = tmp_path / "lab"
    scaffold_benchmark("our-story", lab)
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(2, 100, 2))
    for person in PEOPLE:
        for number in range(2):
            values = shared[number] + rng.normal(size=(100, 2))
            np.save(lab / "responses" / f"{person}_run{number + 1}.npy", values)
    return lab


def described(folder: Path, people: tuple[str, ...], resolution: str) -> OwnData:
    text = (folder / "benchmark.toml").read_text()
    named = ", ".join(f'"{person}"' for person in people)
    text = text.replace('participants = ["p1", "p2", "p3"]', f"participants = [{named}]")
    text = text.replace("delays =", f'resolution = "{resolution}"\ndelays =')
    path = folder / f"{'-'.join(people)}-{resolution}.toml"
    path.write_text(text)
    return OwnData(str(path))


def scored(folder: Path, people: tuple[str, ...], resolution: str = "roi") -> xr.Dataset:
    benchmark = described(folder, people, resolution)
    (request,) = benchmark.requests()
    rows = sum(request.readout.rows(request.stimuli))
    values = np.random.default_rng(1).normal(size=(rows, 2, 6)).astype(np.float32)
    answer = xr.DataArray(values, dims=("sample", "layer", "unit"), coords={"layer": [0, 1]})
    return benchmark.score({request: answer})


def whole_run(value: float) -> Callable[[np.ndarray], None]:
    def damage(values: np.ndarray) -> None:
        values[:] = value

    return damage


def block(value: float, start: int = 40, stop: int = 70) -> Callable[[np.ndarray], None]:
    def damage(values: np.ndarray) -> None:
        values[start:stop] = value

    return damage


def one_column(value: float) -> Callable[[np.ndarray], None]:
    def damage(values: np.ndarray) -> None:
        values[:, 1] = value

    return damage


DAMAGES = {
    "a run of zeros": (whole_run(0.0), "constant"),
    "a run of a fill value": (whole_run(-9999.0), "constant"),
    "a run of NaN": (whole_run(np.nan), "not finite"),
    "a block of zeros": (block(0.0), "constant"),
    "a scan that stopped, padded with its last volume": (block(1.25, 88, 100), "constant"),
    "a block of NaN": (block(np.nan), "not finite"),
    "one region of zeros": (one_column(0.0), "constant"),
    "one infinite value": (block(np.inf, 3, 4), "not finite"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_participant_with_missing_data_counts_nowhere(folder: Path, name: str) -> None:
    damage, words = DAMAGES[name]
    path = folder / "responses" / "p4_run2.npy"
    values = np.load(path)
    damage(values)
    np.save(path, values)
    found, without = scored(folder, PEOPLE), scored(folder, PEOPLE[:3])
    assert found.attrs["participants"] == 3
    assert list(found["participant"].values) == ["p1", "p2", "p3"]
    assert words in json.loads(found.attrs["left_out"])["p4"]
    for quantity in ("value", "low", "high", "ceiling", "normalised", "group_r_best", "group_p"):
        np.testing.assert_array_equal(found[quantity], without[quantity])


@pytest.mark.parametrize("name", DAMAGES)
def test_a_voxel_with_missing_data_counts_nowhere(folder: Path, name: str) -> None:
    """By voxel one voxel is damaged: it has no score, and all others have theirs."""
    damage, words = DAMAGES[name]
    whole = scored(folder, PEOPLE, "voxel")
    path = folder / "responses" / "p4_run2.npy"
    values = np.load(path)
    column = values[:, 1:2].copy() if name != "one region of zeros" else np.zeros((100, 2))
    damage(column)
    values[:, 1:2] = column[:, -1:]
    np.save(path, values)
    found = scored(folder, PEOPLE, "voxel")
    r, before = found["voxel_r"].values, whole["voxel_r"].values
    assert np.isnan(r[7])
    np.testing.assert_allclose(r[:7], before[:7], atol=1e-6)
    assert np.isnan(found["voxel_ceiling"].values[7])
    counted = json.loads(found.attrs["unusable"])
    assert {p: int(n) for p, n in counted.items()} == {"p1": 0, "p2": 0, "p3": 0, "p4": 1}
    own = found["participant_value"].values
    np.testing.assert_allclose(own[3], r[6], atol=1e-6)
    assert words


def test_nobody_can_be_scored_with_one_left_and_two_have_no_ceiling(folder: Path) -> None:
    for person in ("p3", "p4"):
        np.save(folder / "responses" / f"{person}_run1.npy", np.zeros((100, 2)))
    found = scored(folder, PEOPLE)
    assert found.attrs["participants"] == 2
    assert np.isnan(found["ceiling"])
    assert set(json.loads(found.attrs["left_out"])) == {"p3", "p4"}


def test_data_that_are_whole_lose_nobody(folder: Path, tmp_path: Path) -> None:
    """Whole numbers repeat themselves for a few volumes; that is no gap."""
    for path in (folder / "responses").iterdir():
        values: Any = np.round(np.load(path) * 2)
        values[10:13] = values[10]
        np.save(path, values)
    assert scored(folder, PEOPLE).attrs["participants"] == 4
    shutil.rmtree(folder)
