"""LeBel 2023: files written here in the published layout, and their faults."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.neural import lebel2023

from harness.errors import ChecksumError, DataError, OfflineError

h5py = pytest.importorskip("h5py")
STORIES = ("adollshouse", "buck", "wheretheressmoke")
USED = (60, 70, 65)
PEOPLE = ("UTS01", "UTS02")


def textgrid(words, step=0.5):
    """A TextGrid in Praat's long format, with a silence before the words."""
    marks = [(0.0, step, "sp")]
    marks += [(step * (i + 1), step * (i + 2), word) for i, word in enumerate(words)]
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0"]
    lines += [f"xmax = {marks[-1][1]}", "tiers? <exists>", "size = 2", "item []:"]
    for number, name in enumerate(("phone", "word"), start=1):
        lines += [f"item [{number}]:", 'class = "IntervalTier"', f'name = "{name}"', "xmin = 0"]
        lines += [f"xmax = {marks[-1][1]}", f"intervals: size = {len(marks)}"]
        for i, (on, off, label) in enumerate(marks, start=1):
            lines += [f"intervals [{i}]:", f"xmin = {on}", f"xmax = {off}", f'text = "{label}"']
    return "\n".join(lines) + "\n"


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A folder with three stories of two people, whose checksums nobody knows."""
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "ds003020" / "derivative"
    listed = {"derivative/respdict.json": (None, "")}
    listed |= {f"derivative/TextGrids/{s}.TextGrid": (None, "") for s in STORIES}
    listed |= {lebel2023._responses(p, s): (None, "") for p in PEOPLE for s in STORIES}
    monkeypatch.setitem(vars(lebel2023.FILES), "entries", listed)
    (root / "TextGrids").mkdir(parents=True)
    (root / "respdict.json").write_text(
        json.dumps({s: n + 20 for s, n in zip(STORIES, USED, strict=True)})
    )
    rng = np.random.default_rng(0)
    for story, used in zip(STORIES, USED, strict=True):
        words = rng.choice(["THE", "CAT", "SAW", "A", "SHIP"], 4 * (used + 10))
        (root / "TextGrids" / f"{story}.TextGrid").write_text(textgrid(words))
    for person in PEOPLE:
        for story, used in zip(STORIES, USED, strict=True):
            write(root, person, story, rng.normal(size=(used, 6)))
    return root


REPEATS = {"UTS01": 10, "UTS02": 5}
"""Presentations of the test story. Sizes in the data set's git-annex keys say so: its file is 11
times as large as 291 volumes x voxels of float64 for UTS01 to 03, and 6 times for the others;
public readers take ``individual_repeats`` from it."""


def write(root, person, story, values, noise=0.5):
    path = root / "preprocessed_data" / person / f"{story}.hf5"
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        if story == STORIES[-1]:
            rng = np.random.default_rng(len(person) + len(values))
            shape = (REPEATS.get(person, 5), *values.shape)
            file["individual_repeats"] = values + noise * rng.normal(size=shape)
            values = file["individual_repeats"][()].mean(axis=0)
        file["data"] = values


def build():
    return lebel2023.LeBel2023(participants="+".join(PEOPLE), stories=3)


def test_clock_and_words(lab):
    (request,) = build().requests()
    assert request.readout.rows(request.stimuli) == USED
    # the story starts 10 s into the run, and ten volumes of 2 s are dropped
    assert request.readout.times[0][:2] == (11.0, 13.0)
    assert request.stimuli.passages[0].onsets[0] == 0.5
    assert {w.lower() for w in request.stimuli.passages[0].items} == {
        *("the", "cat", "saw", "a", "ship")
    }


def test_voxels_are_scored(lab):
    rng = np.random.default_rng(1)
    driver = rng.normal(size=(sum(USED), 1))
    start = 0
    for story, used in zip(STORIES, USED, strict=True):
        own = driver[start : start + used]
        start += used
        late = np.r_[np.zeros((2, 1)), own[:-2]]
        own_noise = 0 if story == STORIES[-1] else 0.5
        clean = np.repeat(late, 6, axis=1)
        write(lab, "UTS01", story, clean + own_noise * rng.normal(size=(used, 6)), noise=1.0)
    values = np.stack([rng.normal(size=(sum(USED), 3)), np.repeat(driver, 3, axis=1)], axis=1)
    recording = xr.DataArray(
        values.astype(np.float32), dims=("sample", "layer", "unit"), coords={"layer": [0, 1]}
    )
    benchmark = build()
    (request,) = benchmark.requests()
    score = benchmark.score({request: recording})
    assert score.sizes["voxel"] == 12
    driven, other = score["participant_value"].values
    assert driven > 0.6
    assert abs(other) < 0.3
    driven, other = score["unique_r2"].values
    assert driven > 0.3
    assert abs(other) < 0.1
    assert score.attrs["nuisance"] == "word rate, word length, log frequency"


def test_the_test_story_is_held_out_and_its_repeats_give_the_ceiling(lab):
    """The mean of 10 repeats of signal plus unit noise can be predicted with r = sqrt(1 / 1.1)."""
    rng = np.random.default_rng(3)
    for person in PEOPLE:
        for story, used in zip(STORIES, USED, strict=True):
            write(lab, person, story, rng.normal(size=(used, 6)), noise=1.0)
    benchmark = build()
    (fold,) = benchmark.folds
    assert fold.test.tolist() == list(range(sum(USED[:2]), sum(USED)))
    assert fold.train.tolist() == list(range(sum(USED[:2])))
    source = benchmark.data.source
    assert source.repeats("UTS01", 0, 6).shape == (10, USED[2], 6)
    assert source.repeats("UTS02", 0, 6).shape == (5, USED[2], 6)
    values = rng.normal(size=(sum(USED), 2, 3)).astype(np.float32)
    recording = xr.DataArray(values, dims=("sample", "layer", "unit"), coords={"layer": [0, 1]})
    (request,) = benchmark.requests()
    score = benchmark.score({request: recording})
    from harness.encode.score.naturalistic import Resolution, score_stories

    held = score_stories(
        recording, benchmark.data, benchmark.options, resolution=Resolution.VOXEL, folds=(fold,)
    )
    np.testing.assert_array_equal(score["voxel_r"], held["voxel_r"])
    assert score.attrs["ceiling_kind"] == "repeats"
    ceiling = score["voxel_ceiling"].values
    assert ceiling[:6].mean() == pytest.approx(np.sqrt(1 / 1.1), abs=0.03)
    assert ceiling[6:].mean() == pytest.approx(np.sqrt(1 / 1.2), abs=0.05)


def test_a_test_story_without_repeats(lab):
    path = lab / "preprocessed_data" / "UTS02" / "wheretheressmoke.hf5"
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros((USED[2], 6))
    with pytest.raises(DataError, match="no data set 'individual_repeats'"):
        build()


def test_stories_by_name(lab):
    assert lebel2023.heard(("UTS01",), "buck") == ("buck", "wheretheressmoke")
    assert lebel2023.heard(PEOPLE, "wheretheressmoke+buck") == ("buck", "wheretheressmoke")
    with pytest.raises(DataError, match="no stories that UTS01 and UTS02 heard"):
        lebel2023.heard(PEOPLE, "buck+naked")
    names = [r.name for r in lebel2023.LeBel2023.resources("UTS01", "buck")]
    assert names[-2:] == ["buck.hf5", "wheretheressmoke.hf5"]


def test_raw_responses_are_trimmed(lab):
    values = np.random.default_rng(2).normal(size=(USED[0] + 20, 6))
    write(lab, "UTS02", STORIES[0], values)
    block = build().data.source.block("UTS02", 0, 6)
    np.testing.assert_array_equal(block[: USED[0]], values[10:-10])


@pytest.mark.parametrize("n_rows", [USED[0] - 1, USED[0] + 5])
def test_a_wrong_number_of_volumes(lab, n_rows):
    write(lab, "UTS02", STORIES[0], np.zeros((n_rows, 6)))
    with pytest.raises(DataError, match=rf"adollshouse\.hf5 has {n_rows} volumes"):
        build()


def test_a_missing_story(lab):
    (lab / "preprocessed_data" / "UTS02" / "buck.hf5").unlink()
    with pytest.raises(OfflineError, match=r"UTS02/buck\.hf5.*is not on this machine"):
        build()


def test_a_story_without_a_length(lab):
    (lab / "respdict.json").write_text(json.dumps({"buck": 90}))
    with pytest.raises(DataError, match="adollshouse, wheretheressmoke"):
        build()


def test_a_file_cut_short(lab):
    path = lab / "preprocessed_data" / "UTS01" / "buck.hf5"
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match="not a whole HDF5 file"):
        build()


def test_published_files_are_checked(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    resources = lebel2023.LeBel2023.resources()
    assert len(resources) == 1 + 25 + 8 * 25
    assert all(r.checksum.startswith("md5:") for r in resources if r.name.endswith("hf5"))
    grid = next(r for r in resources if r.name == "adollshouse.TextGrid")
    path = tmp_path / grid.where
    path.parent.mkdir(parents=True)
    path.write_text(textgrid(["A"]))
    with pytest.raises(ChecksumError, match="md5"):
        build_published()


def build_published():
    return lebel2023.LeBel2023(participants="UTS01", stories=2)


def test_who_heard_what():
    assert len(lebel2023.heard(lebel2023.THREE, 84)) == 84
    assert lebel2023.heard(lebel2023.EIGHT, 3)[-1] == "wheretheressmoke"
    with pytest.raises(DataError, match="share 26 stories, not 27"):
        lebel2023.heard(lebel2023.EIGHT, 27)
    with pytest.raises(DataError, match="UTS10"):
        lebel2023.LeBel2023.resources(participants="UTS10")


def test_content_that_nobody_pins_is_part_of_the_key(lab, monkeypatch):
    from harness.runner.cells import NONE
    from harness.runner.keys import Keys
    from harness.runner.resources import unpinned_content
    from harness.spec.specs import BenchmarkSpec

    spec = BenchmarkSpec(
        "lebel2023",
        target="brainpress_plugins.benchmarks.neural.lebel2023:LeBel2023",
        kind="neural",
        options={"participants": "+".join(PEOPLE), "stories": 3},
    )
    before = unpinned_content(spec)
    assert before == unpinned_content(spec)
    write(lab, "UTS02", STORIES[0], np.zeros((USED[0], 6)))
    after = unpinned_content(spec)
    keys = {Keys("f", NONE, "float32").score(spec, (), content) for content in ("", before, after)}
    assert len(keys) == 3
    pinned = dict.fromkeys(lebel2023.FILES.entries, (1, "md5:" + "0" * 32))
    monkeypatch.setitem(vars(lebel2023.FILES), "entries", pinned)
    assert unpinned_content(spec) == ""


def test_features_lose_what_the_published_responses_have_lost(lab):
    """A second-order Savitzky-Golay filter of 120 s, subtracted: little is left above 120 s."""
    from scipy.signal import savgol_coeffs

    weights = savgol_coeffs(61, 2)  # 120 s at a TR of 2 s, made odd
    steps = np.arange(-30, 31) * lebel2023.TR

    def left(period):
        return (1 - weights @ np.cos(2 * np.pi * steps / period)) ** 2

    assert lebel2023.DETRENDED == build().cutoff == 120.0
    assert left(lebel2023.DETRENDED) < 0.13
    assert all(left(period) < 0.13 for period in (130, 160, 240, 480))
    assert left(60) > 0.75
    assert build().data.cutoff == 120.0
