"""Speech models: which folders are one, when their frames are, through which windows they hear."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_speech import write_speech

from harness.errors import ModelError
from harness.lm.controls import speech
from harness.lm.frames import FrameClock, clock_of_waveform, overlapping
from harness.lm.source import resolve, spec_from_address
from harness.lm.speech import SpeechModel, load_speech
from harness.lm.speech_files import choose_speech_files

KINDS = ("wav2vec2", "hubert", "whisper")


def loaded(folder: Path) -> SpeechModel:
    spec = speech(spec_from_address(f"file:{folder}"))
    return load_speech(resolve(spec), spec)


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_those_of_transformers(tmp_path: Path, kind: str) -> None:
    from transformers import AutoFeatureExtractor, AutoModel

    model = loaded(folder := write_speech(tmp_path / kind, kind))
    samples = np.random.default_rng(0).standard_normal(48_000).astype(np.float32)
    found = model.states(samples)
    theirs: Any = AutoModel.from_pretrained(folder).eval()
    made = AutoFeatureExtractor.from_pretrained(folder)(
        samples, sampling_rate=16_000, return_tensors="pt"
    )
    theirs = theirs.get_encoder() if kind == "whisper" else theirs
    with torch.inference_mode():
        states = theirs(*made.values(), output_hidden_states=True).hidden_states
    count = 150 if kind == "whisper" else 149
    assert [tuple(layer.shape) for layer in found] == [(count, 16)] * 3
    for ours, own in zip(found, states, strict=True):
        torch.testing.assert_close(ours, own[0, :count], rtol=0, atol=0)
    assert model.parameters == sum(p.numel() for p in theirs.parameters())


def test_the_waveform_is_standardised_where_its_release_says_so(tmp_path: Path) -> None:
    model = loaded(write_speech(tmp_path / "a"))
    samples = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    same = zip(model.states(samples), model.states(5 * samples + 1), strict=True)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in same)


@pytest.mark.parametrize("kind", ["wav2vec2", "whisper"])
def test_a_click_moves_the_frames_around_it(tmp_path: Path, kind: str) -> None:
    """The middle of the frames that a click moves is where the clock says: not one frame off."""
    # A norm over channels: one over time moves all frames. No positions by convolution: they smear.
    options = {} if kind == "whisper" else {"feat_extract_norm": "layer"}
    model = loaded(write_speech(tmp_path / "m", kind, **options))
    rng = np.random.default_rng(0)
    seen = []
    encoder: Any = model.encoder
    front = encoder.conv2 if kind == "whisper" else encoder.feature_extractor
    handle = front.register_forward_hook(lambda _, __, out: seen.append(out[0].T))
    errors = []
    for at in rng.integers(20_000, 40_000, 20):
        samples = 0.05 * rng.standard_normal(64_000).astype(np.float32)
        other = samples.copy()
        # Standardising, and the floor below the loudest band, must not move the other frames.
        other[at], other[at + 1] = 0.3, -0.3
        other *= samples.std() / other.std()
        seen.clear()
        model.states(samples), model.states(other)
        moved = (seen[0] - seen[1]).square().sum(dim=1).double().numpy()
        moved[moved < 0.02 * moved.max()] = 0.0
        middles = model.clock.first + model.clock.seconds * np.arange(len(moved))
        errors.append(moved @ middles / moved.sum() - (at + 0.5) / 16_000)
    handle.remove()
    assert abs(np.mean(errors)) < 0.004  # a frame is .02 s


def test_frames_of_wav2vec() -> None:
    from transformers import Wav2Vec2Config

    config = Wav2Vec2Config()
    clock = clock_of_waveform(config, 16_000)
    assert clock == FrameClock(16_000, 320, 400)  # 20 ms and 25 ms, Baevski et al. 2020
    for n in (0, 399, 400, 719, 720, 16_000, 16_079, 16_080):
        length = n
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            length = max(0, (length - kernel) // stride + 1)
        assert clock.count(n) == length
    for count in (1, 7, 50):
        assert clock.count(clock.samples(0, count).stop) == count
        assert clock.count(clock.samples(0, count).stop - 1) == count - 1
    assert FrameClock(16_000, 320).count(16_001) == 51


@pytest.mark.parametrize("count", [1, 5, 99, 100, 101, 149, 151, 777])
@pytest.mark.parametrize("edge", [0, 20, 25, 49])
def test_windows_take_every_frame_once_and_not_from_their_edges(count: int, edge: int) -> None:
    windows = overlapping(count, 100, edge)
    taken = [frame for w in windows for frame in range(w.begin, w.end)]
    assert taken == list(range(count))
    for w in windows:
        assert w.stop - w.start == min(100, count)
        assert w.begin - w.start >= edge or w.begin == 0
        assert w.stop - w.end >= edge or w.end == count
    assert len(windows) <= 1 + max(0, -(-(count - 100) // (100 - 2 * edge)))
    assert overlapping(0, 100, edge) == []


def test_what_makes_the_fingerprint(tmp_path: Path) -> None:
    folder = write_speech(tmp_path / "m")
    spec = speech(spec_from_address(f"file:{folder}"))
    assert (spec.name.partition(":")[0], spec.control, spec.base) == ("speech", "speech", "")
    files = resolve(spec)
    assert set(files.sha256) == {"config.json", "preprocessor_config.json", "model.safetensors"}
    assert (files.config["num_hidden_layers"], files.config["hidden_size"]) == (2, 16)
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"do_normalize": False}))
    assert resolve(spec).fingerprint != files.fingerprint


def test_faults_of_a_folder(tmp_path: Path, tiny_release: Any) -> None:
    with pytest.raises(ModelError, match="no preprocessor_config"):
        resolve(speech(spec_from_address(f"file:{tiny_release()}")))
    folder = write_speech(tmp_path / "m")
    with pytest.raises(ModelError, match="is a control already"):
        speech(speech(spec_from_address(f"file:{folder}")))
    with pytest.raises(ModelError, match="is no folder"):
        resolve(speech(spec_from_address(f"file:{folder / 'config.json'}")))
    with pytest.raises(ModelError, match="no tokenizer"):
        resolve(spec_from_address(f"file:{folder}"))
    weights = load_file(folder / "model.safetensors")
    kept = {k: v for k, v in weights.items() if not k.startswith("encoder.layers.1")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"do not fit it: encoder\.layers\.1"):
        loaded(folder)


def test_weights_that_training_alone_uses_may_lack(tmp_path: Path) -> None:
    folder = write_speech(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    del weights["masked_spec_embed"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert loaded(folder).layers == 3


@pytest.mark.parametrize("kind", ["wav2vec2", "whisper"])
def test_releases_with_heads_and_older_names_read_the_same(tmp_path: Path, kind: str) -> None:
    """As on the hub: pre-training heads beside the body, weight norm as ``weight_g``, a decoder."""
    folder = write_speech(tmp_path / "m", kind)
    samples = np.random.default_rng(0).standard_normal(32_000).astype(np.float32)
    before = loaded(folder).states(samples)
    body = "wav2vec2." if kind == "wav2vec2" else "model."
    norm = "encoder.pos_conv_embed.conv"
    older = {
        f"{norm}.parametrizations.weight.original0": f"{norm}.weight_g",
        f"{norm}.parametrizations.weight.original1": f"{norm}.weight_v",
    }
    weights = load_file(folder / "model.safetensors")
    renamed = {body + older.get(name, name): value for name, value in weights.items()}
    head = "project_q.weight" if kind == "wav2vec2" else "proj_out.weight"
    renamed[head] = torch.ones(3, 16)
    assert kind == "whisper" or any(name.endswith("weight_g") for name in renamed)
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    path = folder / "config.json"
    named = "Wav2Vec2ForPreTraining" if kind == "wav2vec2" else "WhisperForConditionalGeneration"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"architectures": [named]}))
    for one, other in zip(before, loaded(folder).states(samples), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_another_kind_of_encoder_is_refused(tmp_path: Path, tiny_model: Any) -> None:
    folder = write_speech(tmp_path / "m")
    tiny_model("llama").save_pretrained(folder)  # a text model beside an extractor of sound
    with pytest.raises(ModelError, match="no encoder known here"):
        loaded(folder)
    other = write_speech(tmp_path / "w", "whisper")
    path = other / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chunk_length": 7}))
    with pytest.raises(ModelError, match="no encoder known here"):
        loaded(other)


def test_files_of_a_repository() -> None:
    names = ["config.json", "preprocessor_config.json", "model.safetensors", "vocab.json", "x.py"]
    assert choose_speech_files(names) == sorted(names[:3])
    with pytest.raises(ModelError, match="no preprocessor_config"):
        choose_speech_files(["config.json", "model.safetensors"])
    with pytest.raises(ModelError, match="no safetensors"):
        choose_speech_files(["config.json", "preprocessor_config.json", "pytorch_model.bin"])
