"""Speech models beside text models on a story with sound: what is typed, and what comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sounding
from scipy.io import wavfile
from tiny_speech import write_speech

import harness
from harness.errors import SelectionError, Unsupported
from harness.place.place import Place
from harness.runner.cells import NONE, Variant
from harness.runner.options import RunOptions
from harness.runner.plan import not_applicable
from harness.runner.preflight import estimate
from harness.runner.progress import Silent
from harness.runner.select import Suite, select
from harness.runner.session import Session
from harness.runner.status import Status
from harness.spec.registry import registry

MORE = 'context = "strided(48,24)"\ndelays = [1, 2, 3]'


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> sounding.Story:
    return sounding.write_story(tmp_path_factory.mktemp("sea") / "lab", more=MORE)


@pytest.fixture(scope="module")
def ear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speech(tmp_path_factory.mktemp("models") / "ear")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))


def described(story: sounding.Story, name: str, *changes: tuple[str, str]) -> str:
    text = (story.folder / "benchmark.toml").read_text().replace('"sea"', f'"{name}"')
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (story.folder / f"{name}.toml").write_text(text)
    return f"data:{story.folder / f'{name}.toml'}"


def test_r_lag_and_unique_part_come_back(
    story: sounding.Story, ear: Path, tiny_release: Any, store: Any
) -> None:
    """Of responses that follow the envelope a speech model with random weights knows most."""
    data = [f"data:{story.folder}"]
    data += [
        described(story, f"lag{lag}", ("delays = [1, 2, 3]", f"delays = [{lag}]"))
        for lag in range(5)
    ]
    sound = 'delays = [1, 2, 3]\nnuisance = ["words", "sound"]'
    data.append(described(story, "beyond-sound", ("delays = [1, 2, 3]", sound)))
    models = [f"speech:file:{ear}", f"file:{tiny_release()}"]
    board = harness.run(
        models=models, benchmarks=data, store=store, device="cpu", controls=False, offline=True
    )
    cells = board["cells"].to_dataset()
    assert set(np.unique(cells["status"].values)) == {"done"}, set(cells["reason"].values.ravel())
    heard, read = (str(name) for name in board["models"]["model"].values)
    assert heard.startswith("speech:ear-")
    assert list(board["models"]["control"].values) == ["speech", ""]

    def of(model: str, name: str, what: str = "r_best", roi: str = "A1") -> float:
        detail = board[f"neural/{name}"].to_dataset()
        return float(detail[what].sel(variant=f"{model}+none", roi=roi).mean())

    by_lag = [of(heard, f"lag{lag}") for lag in range(5)]
    assert int(np.argmax(by_lag)) == sounding.LAG
    assert of(heard, "sea") > 0.85 * np.sqrt(sounding.SHARE)
    assert of(read, "sea") < 0.25
    assert abs(of(heard, "sea", roi="V1")) < 0.1
    # Beyond words it is most of the share that follows the sound, and beyond sound it is nothing.
    assert of(heard, "sea", "unique_r2") > 0.7 * sounding.SHARE
    assert abs(of(heard, "beyond-sound", "unique_r2")) < 0.05
    assert abs(of(read, "sea", "unique_r2")) < 0.05
    said = harness.answer(board, "controls", benchmarks=["sea"])
    assert any(f"beats its {heard} control: no" in s for s in said["sentence"].values)
    assert {str(s).split(" on ")[0] for s in said["subject"].values} == {read}
    assert any("no control: run" in str(s) for s in said["missing"].values)


def test_again_nothing_is_computed_and_another_sound_is_heard(
    story: sounding.Story, ear: Path, store: Any, tmp_path: Path
) -> None:
    lab = sounding.write_story(tmp_path / "own")
    settings: Any = {
        "models": f"speech:file:{ear}",
        "benchmarks": f"data:{lab.folder}",
        "store": store,
        "device": "cpu",
        "offline": True,
    }
    plan = harness.plan(**settings)
    assert plan.count(Status.TODO) == 1
    assert "about" in estimate(plan).sentence()
    first = harness.run(**settings)["cells"].to_dataset()
    assert harness.plan(**settings).count(Status.DONE) == 1
    path = lab.folder / "sounds" / "run1.wav"
    rate, samples = wavfile.read(path)
    wavfile.write(path, rate, samples[::-1].copy())
    assert harness.plan(**settings).count(Status.TODO) == 1
    again = harness.run(**settings)["cells"].to_dataset()
    assert float(first["value"].item()) != float(again["value"].item())


def test_without_sound_it_is_refused_by_name(story: sounding.Story, ear: Path, store: Any) -> None:
    silent = described(story, "silent", *((f'sound = "sounds/run{r}.wav"\n', "") for r in (1, 2)))
    board = harness.run(
        models=f"speech:file:{ear}",
        benchmarks=[silent, "simulated-listening", "minimal-pairs"],
        store=store,
        device="cpu",
        offline=True,
    )
    cells = board["cells"].to_dataset().squeeze()
    assert set(cells["status"].values) == {"not applicable"}
    reasons = dict(zip(cells["benchmark"].values, cells["reason"].values, strict=True))
    assert "speech:ear" in reasons["silent"]
    assert "silent has no sound of run1, run2" in reasons["silent"]
    assert 'sound = "run1.wav" in each run' in reasons["simulated-listening"]
    assert "reads no words: it has no logprob" in reasons["minimal-pairs"]


def test_it_is_not_compressed_and_no_weights_are_handed_out(
    story: sounding.Story, ear: Path, store: Any, tmp_path: Path
) -> None:
    (spec,) = select(Suite(models=(f"speech:file:{ear}",)), registry()).models
    rtn = registry().compressors.get("rtn-int4")
    assert "no layer that a compressor changes" in not_applicable(Variant(spec, rtn), [])
    place = Place.make(device="cpu", store=store.root, offline=True)
    with pytest.raises(Unsupported, match="no language model"):
        Session(Variant(spec, NONE), store, place, RunOptions(), Silent()).model()


def test_names_and_slips(ear: Path) -> None:
    found = select(Suite(models=(f"speech:file:{ear}",), controls=True), registry())
    assert [m.control for m in found.models] == ["speech", "autocorrelation"]
    commit = "0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8"
    (hub,) = select(
        Suite(models=(f"speech:hf:facebook/wav2vec2-base@{commit}",)), registry()
    ).models
    assert (hub.name, hub.source) == (
        "speech:facebook--wav2vec2-base@0b5b8e86",
        "hf:facebook/wav2vec2-base",
    )
    for slip in ("speech:gpt2", "speech:", "speech:https://x.org/a.gguf"):
        with pytest.raises(SelectionError, match="not the address of a speech model"):
            select(Suite(models=(slip,)), registry())
    for slip in (f"static:speech:file:{ear}", f"untrained:speech:file:{ear}"):
        with pytest.raises(SelectionError, match="control of a control"):
            select(Suite(models=(slip,)), registry())
