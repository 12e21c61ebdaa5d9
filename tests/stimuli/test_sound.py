"""Sounds: what is read, where its frames are, and that bands and envelope are what others find."""

from __future__ import annotations

import hashlib
import wave
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from harness.errors import DataError
from harness.stimuli import sound_features as sf
from harness.stimuli.lanczos import frames_matrix, lanczos_matrix
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.sound import Sound


def sound_of(path: Path, start: float = 0.0) -> Sound:
    return Sound(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), start)


def tone(rate: int, seconds: float = 1.0, frequency: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("kind", ["u1", "i2", "i3", "i4", "f4", "f8"])
def test_every_kind_of_sample_is_the_same_sound(tmp_path: Path, kind: str) -> None:
    path, values = tmp_path / "a.wav", tone(16_000)
    if kind == "i3":  # scipy writes none
        whole = np.round(values * 2**23).astype("<i4")
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 3, 16_000, 0, "NONE", "NONE"))
            file.writeframes(whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    elif kind == "u1":
        wavfile.write(path, 16_000, np.round(values * 128 + 128).astype(np.uint8))
    else:
        scale = 2.0 ** (8 * int(kind[1]) - 1) if kind[0] == "i" else 1.0
        wavfile.write(path, 16_000, (values * scale).astype(kind))
    sound = sound_of(path)
    assert sound.duration() == 1.0
    tolerance = {"u1": 2.0**-8, "i2": 2.0**-15}.get(kind, 2.0**-22)
    np.testing.assert_allclose(sound.samples(16_000), values, atol=tolerance)


def test_channels_are_averaged_and_rates_meet_without_delay(tmp_path: Path) -> None:
    path, values = tmp_path / "a.wav", tone(44_100)
    wavfile.write(path, 44_100, np.column_stack([2 * values, 0 * values]).astype(np.float32))
    found, expected = sound_of(path).samples(16_000), tone(16_000)
    assert len(found) == len(expected)
    middle = slice(800, -800)  # the filter of resampling meets the ends
    np.testing.assert_allclose(found[middle], expected[middle], atol=2e-3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ID3 not a wave at all", "not a whole WAV file"),
        (b"", "not a whole WAV file"),
        ("cut", "cut short"),
        ("torn", "not a whole WAV file"),
        ("zeros", "silent"),
        ("nan", "not finite"),
        ("none", "no sample"),
    ],
)
def test_faults_of_a_sound(tmp_path: Path, content: bytes | str, message: str) -> None:
    path = tmp_path / "a.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        values = tone(8000).astype(np.float32)
        values = {"zeros": 0 * values, "nan": values * np.nan, "none": values[:0]}.get(
            content, values
        )
        wavfile.write(path, 8000, values)
        if content in ("cut", "torn"):  # between two samples, and within one
            path.write_bytes(path.read_bytes()[: -4000 if content == "cut" else -4001])
    with pytest.raises(DataError, match=message):
        sound_of(path).samples(16_000)


def test_a_sound_that_changed_since(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    wavfile.write(path, 8000, tone(8000).astype(np.float32))
    sound = sound_of(path)
    wavfile.write(path, 8000, tone(8000, frequency=441).astype(np.float32))
    with pytest.raises(DataError, match="has changed"):
        sound.samples(16_000)


def test_what_is_heard_when_is_in_the_key_and_where_it_lies_is_not(tmp_path: Path) -> None:
    def key(sound: Sound | None) -> str:
        return Stimuli("s", (Passage("p", "a b", ((0, 1), (2, 3)), sound=sound),)).key

    first = key(Sound("a.wav", "0" * 64))
    assert first == key(Sound("b.wav", "0" * 64))
    others = {key(None), key(Sound("a.wav", "1" * 64)), key(Sound("a.wav", "0" * 64, 0.5)), first}
    assert len(others) == 4


def test_bands_are_those_of_another_library() -> None:
    from transformers.audio_utils import mel_filter_bank

    theirs = mel_filter_bank(
        num_frequency_bins=sf.FFT // 2 + 1,
        num_mel_filters=sf.BANDS,
        min_frequency=sf.LOWEST,
        max_frequency=sf.HIGHEST,
        sampling_rate=sf.RATE,
        norm=None,
        mel_scale="htk",
    )
    np.testing.assert_allclose(sf.mel_filters(), theirs, atol=1e-12)


def test_frames_as_a_loop_has_them() -> None:
    rng = np.random.default_rng(0)
    samples = (rng.standard_normal(9000) * np.linspace(0, 1, 9000)).astype(np.float32)
    found = sf.sound_features(samples)
    hann = np.array([0.5 - 0.5 * np.cos(2 * np.pi * i / 400) for i in range(400)])
    envelope, power = [], []
    for at in range(0, len(samples) - 400 + 1, 160):
        own = samples[at : at + 400].astype(float)
        envelope.append(np.sqrt(sum(hann * own**2) / sum(hann)))
        spectrum = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(400)) / 512) @ (
            hann * own
        )
        power.append(np.abs(spectrum) ** 2 @ sf.mel_filters())
    level = 10 * np.log10(np.array(power) / np.max(power)) + 60
    np.testing.assert_allclose(found[:, 0], envelope, rtol=1e-9)
    np.testing.assert_allclose(found[:, 1:], np.maximum(level, 0), atol=1e-6)


def test_a_constant_stays_and_outside_is_nothing() -> None:
    times = 1.0 + 2.0 * np.arange(20)
    matrix = frames_matrix(0.01, 0.02, 1500, times)  # thirty seconds
    np.testing.assert_allclose(matrix.sum(axis=1)[3:11], 1.0, atol=0.02)
    np.testing.assert_allclose(matrix.sum(axis=1)[18:], 0.0, atol=1e-9)
    plain = lanczos_matrix(0.01 + 0.02 * np.arange(1500), times)
    np.testing.assert_allclose(matrix.toarray(), plain.toarray() / 100, atol=1e-12)


def test_a_click_is_where_it_is(tmp_path: Path) -> None:
    """The centre of gravity of the envelope of a click, in the clock of the words."""
    values = np.zeros(16_000 * 40, np.float32)
    values[16_000 * 20] = 1.0
    path = tmp_path / "click.wav"
    wavfile.write(path, 16_000, values)
    frames = sf.sound_features(sound_of(path).samples(16_000))[:, 0] ** 2
    middles = (160 * np.arange(len(frames)) + 200) / 16_000
    assert abs(frames @ middles / frames.sum() - 20.0) < 5e-4  # a frame is 1e-2
    times = 1.0 + 2.0 * np.arange(25)
    onto = sf.sound_nuisance(sound_of(path, start=3.0), times)[:, 0]
    at = int(onto.argmax())
    assert times[at] == 23.0
    # Lanczos weighs its neighbours alike: it is at 23 s, not a frame beside.
    assert abs(onto[at - 1] - onto[at + 1]) < 2e-3 * onto[at]
