"""A speech model's answers: states of the sound on the volumes' clock, and what it refuses."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile
from tiny_speech import write_speech

from harness.errors import RecordingError, Unsupported
from harness.lm.controls import speech
from harness.lm.source import resolve, spec_from_address
from harness.lm.speech import SpeechModel, load_speech
from harness.record.context import Context
from harness.record.hearing import SpeechSubject, edge_frames
from harness.record.request import Measure, Request
from harness.record.unheard import unheard
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Items, Lanczos
from harness.stimuli.sound import Sound


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))


def loaded(folder: Path) -> SpeechModel:
    spec = speech(spec_from_address(f"file:{folder}"))
    return load_speech(resolve(spec), spec)


def passage(path: Path, seconds: float, start: float = 0.0, seed: int = 0) -> Passage:
    samples = np.random.default_rng(seed).standard_normal(int(16_000 * seconds))
    envelope = 1 + np.sin(np.arange(len(samples)) / 7000)
    wavfile.write(path, 16_000, (0.1 * envelope * samples).astype(np.float32))
    sound = Sound(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), start)
    return Passage(path.stem, "a b", ((0, 1), (2, 3)), (0.0, 1.0), (0.5, 1.5), sound=sound)


def asked(passages: tuple[Passage, ...], *times: tuple[float, ...]) -> Request:
    context = Context.parse("strided(256,128)")
    return Request(Stimuli("story", passages), Measure.HIDDEN, context, Lanczos(times))


def by_hand(model: SpeechModel, one: Passage, times: Any, first: float) -> np.ndarray:
    """Windows, frames and volumes as loops in float64."""
    rate, samples = wavfile.read(one.sound.path)
    clock, size, edge = model.clock, model.window, edge_frames(model)
    count = clock.count(len(samples))
    states = np.full((count, model.layers, model.units), np.nan)
    start = 0
    while True:
        start = max(0, min(start, count - size))
        shown = samples[clock.samples(start, min(start + size, count))]
        found = np.stack([layer.double().numpy() for layer in model.states(shown)], axis=1)
        for i, state in enumerate(found):
            begun = i >= edge or start == 0
            ends = i < len(found) - edge or start + len(found) == count
            if begun and ends and np.isnan(states[start + i, 0, 0]):
                states[start + i] = state
        if start + size >= count:
            break
        start += size - 2 * edge
    assert np.isfinite(states).all()
    step = np.mean(np.diff(times))
    rows = np.zeros((len(times), model.layers, model.units))
    for row, volume in enumerate(times):
        for i, state in enumerate(states):
            lag = (volume - (one.sound.start + first + 0.02 * i)) / step
            if abs(lag) < 3:
                rows[row] += 0.02 / step * np.sinc(lag) * np.sinc(lag / 3) * state
    assert rate == 16_000
    return rows


@pytest.mark.parametrize(("kind", "first"), [("wav2vec2", 199.5 / 16_000), ("whisper", 0.0)])
@pytest.mark.parametrize("seconds", [3.0, 41.3])
def test_states_are_on_the_clock_of_the_volumes(
    tmp_path: Path, kind: str, first: float, seconds: float
) -> None:
    model = loaded(write_speech(tmp_path / "m", kind))
    one = passage(tmp_path / "run1.wav", seconds, start=1.7)
    times = tuple(0.4 + 1.5 * np.arange(int(seconds / 1.5) + 4))
    request = asked((one,), times)
    found = SpeechSubject(model).record_all([request])[request.key]
    expected = by_hand(model, one, times, first)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found.values, expected, atol=2e-5 * scale)
    off = by_hand(model, one, times, first + 0.02)
    assert np.abs(found.values - off).max() > 1e-3 * scale  # one frame off is seen
    assert found.attrs["tokens"] >= model.clock.count(int(16_000 * seconds))
    assert found.dims == ("sample", "layer", "unit")


def test_runs_one_after_the_other_and_two_readouts_in_one_pass(tmp_path: Path) -> None:
    model = loaded(write_speech(tmp_path / "m"))
    both = passage(tmp_path / "a.wav", 20.0), passage(tmp_path / "b.wav", 9.0, seed=1)
    times = tuple(1.0 + 2.0 * np.arange(10)), tuple(1.0 + 2.0 * np.arange(4))
    whole = asked(both, *times)
    slow = asked(both, times[0][::2], times[1][::2])
    seen: list[tuple[int, int]] = []
    subject = SpeechSubject(model, progress=lambda *done: seen.append(done))
    answers = subject.record_all([whole, slow])
    assert answers[whole.key].sizes["sample"] == 14
    assert answers[slow.key].sizes["sample"] == 7
    assert list(answers[whole.key]["passage"].values) == ["a"] * 10 + ["b"] * 4
    assert seen == sorted(seen)
    assert seen[-1][0] == model.clock.count(320_000) + model.clock.count(144_000)
    for one, own, rows in zip(both, times, (slice(0, 10), slice(10, 14)), strict=True):
        alone = asked((one,), own)
        found = subject.record_all([alone])[alone.key]
        np.testing.assert_allclose(found, answers[whole.key][rows], atol=1e-6)


def test_in_files_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(write_speech(tmp_path / "m"))
    request = asked((passage(tmp_path / "a.wav", 20.0),), tuple(1.0 + 2.0 * np.arange(10)))
    held = SpeechSubject(model).record_all([request])[request.key].values
    monkeypatch.setattr("harness.record.growing.HELD", 0)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    filed = SpeechSubject(model, scratch=scratch).record_all([request])[request.key]
    assert (scratch / request.key).is_dir()
    np.testing.assert_array_equal(filed.values, held)


def test_what_it_has_no_answer_to(tmp_path: Path) -> None:
    model = loaded(write_speech(tmp_path / "m"))
    heard = passage(tmp_path / "a.wav", 3.0)
    silent = Passage("b", "a b", ((0, 1), (2, 3)), (0.0, 1.0), (0.5, 1.5))
    context, clock = Context.parse("prefix"), (0.5, 1.5)
    assert unheard(asked((heard,), clock)) == ""
    for request, message in (
        (asked((silent,), clock), "story has no sound; your own data can have it"),
        (asked((heard, silent), clock, clock), "no sound of b"),
        (Request(Stimuli("s", (heard,)), Measure.HIDDEN, context, Items()), "in volumes"),
        (Request(Stimuli("s", (heard,)), Measure.LOGPROB, context, Items()), "no logprob"),
        (Request(Stimuli("s", (heard,)), Measure.TOKENS, context, Items()), "no tokens"),
    ):
        with pytest.raises(Unsupported, match=message):
            SpeechSubject(model).record_all([request])


def test_a_sound_of_less_than_a_frame(tmp_path: Path) -> None:
    model = loaded(write_speech(tmp_path / "m"))
    request = asked((passage(tmp_path / "a.wav", 0.02),), (0.5, 1.5))
    with pytest.raises(RecordingError, match="less than a frame"):
        SpeechSubject(model).record_all([request])


def test_states_that_are_not_finite(tmp_path: Path) -> None:
    model = loaded(write_speech(tmp_path / "m"))
    list(model.encoder.parameters())[-1].data.fill_(float("nan"))
    request = asked((passage(tmp_path / "a.wav", 3.0),), (0.5, 1.5))
    with pytest.raises(RecordingError, match="not finite"):
        SpeechSubject(model).record_all([request])
