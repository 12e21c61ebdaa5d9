"""A streamed analysis that is killed goes on from where it was, to the same scores."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from harness.encode.design.options import EncodingOptions, Precision
from harness.encode.design.sources import ResponseSource, array_responses
from harness.encode.voxels import checkpoint
from harness.encode.voxels.stream import PenaltyScope, StreamOptions, stream_layers
from harness.errors import StoreError
from harness.numeric.arrays import Floats, Positions
from harness.place.place import entered, here

RUNS = np.repeat(np.arange(4), 45)
OPTIONS = EncodingOptions(
    delays=(1, 2), n_outer=2, n_inner=2, penalties=5, precision=Precision.SINGLE
)


@dataclass
class Failing:
    """Responses whose disk is pulled out after some reads."""

    inner: ResponseSource
    left: float = np.inf
    reads: int = 0

    @property
    def participants(self) -> tuple[str, ...]:
        return self.inner.participants

    @property
    def runs(self) -> Positions:
        return self.inner.runs

    def n_voxels(self, participant: str) -> int:
        return self.inner.n_voxels(participant)

    def block(self, participant: str, start: int, stop: int) -> Floats:
        self.reads += 1
        if self.reads > self.left:
            raise KeyboardInterrupt
        return self.inner.block(participant, start, stop)

    def repeats(self, participant: str, start: int, stop: int) -> Floats | None:
        return self.inner.repeats(participant, start, stop)


@pytest.fixture
def stage() -> tuple[xr.DataArray, ResponseSource]:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(len(RUNS), 3, 8)).astype(np.float32)
    recording = xr.DataArray(
        features, dims=("sample", "layer", "unit"), coords={"layer": [0, 4, 7]}
    )
    y = {}
    for name, n_voxels in (("a", 20), ("b", 30)):
        drive = np.roll(features[:, 1], 1, axis=0) @ rng.normal(size=(8, n_voxels))
        y[name] = drive + 4 * rng.normal(size=drive.shape)
        y[name][:, 3] = 0
    return recording, array_responses(y, RUNS)


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)


def scored(recording: xr.DataArray, source: object, **stream: object) -> dict[str, xr.Dataset]:
    options = replace(OPTIONS, permutations=stream.pop("permutations", 50))
    return stream_layers(recording, source, options=options, stream=StreamOptions(**stream))


def killed(recording: xr.DataArray, source: ResponseSource, folder: Path, reads: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        scored(recording, Failing(source, reads), folder=folder)


# Fingerprints and the first look take 4 reads, each of the 6 steps 1 of each participant.
@pytest.mark.parametrize(("reads", "kept"), [(3, 0), (4, 0), (7, 3), (8, 4), (11, 7), (17, 12)])
def test_after_a_kill_it_goes_on(stage, tmp_path: Path, reads: int, kept: int) -> None:
    recording, source = stage
    whole = Failing(source)
    wanted = scored(recording, whole)
    killed(recording, source, tmp_path, reads)
    rest = Failing(source)
    found = scored(recording, rest, folder=tmp_path)
    for name in wanted:
        xr.testing.assert_identical(found[name], wanted[name])
    # The fingerprint takes two more; who has a step done is not looked at again.
    looked = 2 * (kept > 0) - (kept == 1)
    assert rest.reads == whole.reads + 2 - kept - looked
    again = Failing(source)
    xr.testing.assert_identical(scored(recording, again, folder=tmp_path)["b"], wanted["b"])
    assert again.reads == 2 + 2  # nothing but permutations


def test_other_analyses_in_the_same_folder_are_told_apart(stage, tmp_path: Path) -> None:
    recording, source = stage
    scored(recording, source, folder=tmp_path)
    other = recording.copy()
    other[:, 0] += 1
    moved = array_responses({n: source.block(n, 0, 20) + 1 for n in "ab"}, RUNS)
    scored(other, source, folder=tmp_path)
    scored(recording, moved, folder=tmp_path)
    scored(recording, source, folder=tmp_path, permutations=0)
    stream_layers(
        recording,
        source,
        options=replace(OPTIONS, penalties=6),
        stream=StreamOptions(folder=tmp_path),
    )
    stream_layers(
        recording,
        source,
        options=OPTIONS,
        ceilings={"a": np.ones(20), "b": np.ones(30)},
        stream=StreamOptions(folder=tmp_path),
    )
    assert len(list(tmp_path.iterdir())) == 6
    scored(recording, source, folder=tmp_path, permutations=60, seed=3)
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize("damage", ["cut archive", "no archive", "cut predictions", "none"])
def test_what_is_damaged_is_made_again(stage, tmp_path: Path, damage: str) -> None:
    recording, source = stage
    wanted = scored(recording, source, folder=tmp_path)
    (mine,) = tmp_path.iterdir()
    if damage == "cut archive":
        (mine / "1.npz").write_bytes((mine / "1.npz").read_bytes()[:-700])
    elif damage == "no archive":
        (mine / "1.npz").unlink()
    elif damage == "cut predictions":
        (mine / "1.predictions").write_bytes(b"1234")
    counted = Failing(source)
    found = scored(recording, counted, folder=tmp_path)
    for name in wanted:
        xr.testing.assert_identical(found[name], wanted[name])
    # Fingerprint and permutations; of the second participant one look and six steps.
    assert counted.reads == 4 + (0 if damage == "none" else 7)


def test_the_place_has_a_folder_too(stage, tmp_path: Path) -> None:
    recording, source = stage
    with entered(replace(here(), unfinished=tmp_path / "unfinished")):
        scored(recording, source)
    assert len(list((tmp_path / "unfinished").iterdir())) == 1


def test_a_full_disk_says_so_before_anything_is_scored(
    stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(checkpoint.os, "posix_fallocate", refuse, raising=False)
    with pytest.raises(StoreError, match="no space is left"):
        scored(*stage, folder=tmp_path)


# Fingerprints and the first look take 4 reads, cross-products 2 a fold, each of the 6 steps 2.
@pytest.mark.parametrize("reads", [5, 7, 8, 11])
def test_cross_products_are_kept_too(stage, tmp_path: Path, reads: int) -> None:
    recording, source = stage
    wanted = scored(recording, source, scope=PenaltyScope.PARTICIPANT)
    with pytest.raises(KeyboardInterrupt):
        scored(recording, Failing(source, reads), folder=tmp_path, scope=PenaltyScope.PARTICIPANT)
    (mine,) = tmp_path.iterdir()
    assert len(list(mine.glob("*.crossed.npy"))) == min(4, reads - 4)
    rest = Failing(source)
    found = scored(recording, rest, folder=tmp_path, scope=PenaltyScope.PARTICIPANT)
    for name in wanted:
        xr.testing.assert_identical(found[name], wanted[name])
    done = max(0, reads - 8)
    looked = 2 * (done == 0) + (done == 1)
    assert rest.reads == 2 + looked + 4 - min(4, reads - 4) + 12 - done + 2
