"""Own data with sound: what it says, what is odd about it, and what it is worth as nuisance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sounding
import xarray as xr
from scipy.io import wavfile

from harness.errors import DataError
from harness.own_data.benchmark import OwnData
from harness.own_data.description import read_description, spec_from_data


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> sounding.Story:
    return sounding.write_story(tmp_path_factory.mktemp("sea") / "lab")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))


def described(story: sounding.Story, more: str, name: str = "other.toml") -> Path:
    path = story.folder / name
    text = (story.folder / "benchmark.toml").read_text()
    path.write_text(text.replace("tr = ", f"{more}\ntr = ", 1))
    return path


def scored(path: Path, values: np.ndarray) -> xr.Dataset:
    benchmark = OwnData(str(path))
    (request,) = benchmark.requests()
    array: Any = np.asarray(values, np.float32)[:, None, :]
    recording = xr.DataArray(array, dims=("sample", "layer", "unit"), coords={"layer": [0]})
    return benchmark.score({request: recording})


def test_sound_is_nuisance_where_it_is_asked_for(story: sounding.Story) -> None:
    words = OwnData(str(story.folder / "benchmark.toml"))
    assert list(words.nuisance()) == ["word rate", "word length", "log frequency"]
    both = OwnData(str(described(story, 'nuisance = ["words", "sound"]')))
    found = both.nuisance()
    assert len(found) == 3 + 17
    assert {len(column) for column in found.values()} == {sounding.RUNS * sounding.VOLUMES}
    truth = np.concatenate(story.envelopes)
    assert np.corrcoef(found["sound envelope"], truth)[0, 1] > 0.97
    assert "sound (envelope, mel bands)" in spec_from_data(f"data:{both.path}").headline_reason
    only = OwnData(str(described(story, 'nuisance = ["sound"]')))
    assert "word rate" not in only.nuisance()


def test_envelope_comes_back_with_its_lag_and_is_nothing_beyond_sound(
    story: sounding.Story,
) -> None:
    """A model that is the envelope: r and unique R2 as made, at the lag as made."""
    truth = np.concatenate(story.envelopes)[:, None]
    by_lag = {
        lag: float(
            scored(described(story, f"delays = [{lag}]"), truth)["r_best"].sel(roi="A1").mean()
        )
        for lag in range(5)
    }
    assert max(by_lag, key=lambda lag: by_lag[lag]) == sounding.LAG
    assert abs(by_lag[sounding.LAG] - np.sqrt(sounding.SHARE)) < 0.03
    beyond_words = scored(described(story, "delays = [1, 2, 3]"), truth)
    unique = beyond_words["unique_r2"].mean("participant")
    assert abs(float(unique.sel(roi="A1")) - sounding.SHARE) < 0.05
    assert abs(float(unique.sel(roi="V1"))) < 0.03
    sound = 'delays = [1, 2, 3]\nnuisance = ["words", "sound"]'
    beyond_sound = scored(described(story, sound), truth)
    assert abs(float(beyond_sound["unique_r2"].sel(roi="A1").mean())) < 0.04
    assert float(beyond_sound["nuisance_r"].sel(roi="A1").mean()) > 0.7
    assert float(beyond_words["nuisance_r"].sel(roi="A1").mean()) < 0.15


def test_bytes_of_the_sound_are_in_the_key(story: sounding.Story, tmp_path: Path) -> None:
    other = sounding.write_story(tmp_path / "again")
    first = spec_from_data(f"data:{story.folder}").options["path"].fingerprint()
    assert spec_from_data(f"data:{other.folder}").options["path"].fingerprint() == first
    path = other.folder / "sounds" / "run2.wav"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert spec_from_data(f"data:{other.folder}").options["path"].fingerprint() != first


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('nuisance = ["loudness"]', "name words, sound or both"),
        ("nuisance = []", "name words, sound or both"),
        ('nuisance = ["sound", "sound"]', "each once"),
        ('nuisance = "sound"', "nuisance is 'sound'"),
    ],
)
def test_faults_of_nuisance(story: sounding.Story, more: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_description(described(story, more))
    assert message in str(caught.value)


def test_faults_of_the_sound(story: sounding.Story) -> None:
    path = described(story, 'nuisance = ["sound"]')
    text = path.read_text()
    path.write_text(text.replace('sound = "sounds/run3.wav"\n', ""))
    with pytest.raises(DataError, match="names sound, and run3 has none"):
        read_description(path)
    path.write_text(text.replace("sounds/run3.wav", "sounds/run9.wav"))
    with pytest.raises(DataError, match=r"sounds/run9\.wav, which is not there"):
        spec_from_data(f"data:{path}")
    path.write_text(text.replace("sound_start = -3.0", "sound_start = 150.0"))
    with pytest.raises(DataError, match="of the words of run run1 are outside its sound"):
        OwnData(str(path))
    path.write_text(text.replace("sound_start = -3.0", "sound_start = 40.0"))
    with pytest.warns(UserWarning, match="outside its sound, which lasts from 40 to 224 s"):
        OwnData(str(path))
    wavfile.write(story.folder / "short.wav", 16_000, np.ones(200, np.float32))
    path.write_text(text.replace("sounds/run1.wav", "short.wav"))
    with pytest.raises(DataError, match="outside its sound"):
        OwnData(str(path))
