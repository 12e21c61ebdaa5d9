"""A speech model: from its files to the states of every layer on a stretch of sound.

Two kinds are read: encoders of the waveform (wav2vec 2.0, HuBERT, WavLM, data2vec) and the encoder
of Whisper. When their frames are follows from their configuration (:mod:`harness.lm.frames`); how
many there are is checked against what they return.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from harness.errors import HarnessError, ModelError
from harness.lm.files import ModelFiles, check_unchanged
from harness.lm.frames import WINDOW, FrameClock, clock_of_bands, clock_of_waveform
from harness.lm.load import DTYPES, device_named, needed
from harness.lm.quiet import quiet_transformers
from harness.lm.weights import first_line
from harness.numeric.arrays import Singles
from harness.place.memory import check_room
from harness.spec.specs import ModelSpec

_KINDS = "wav2vec 2.0, HuBERT, WavLM, data2vec and Whisper are read"
_UNUSED = ("masked_spec_embed",)
"""Weights that training alone uses, and releases lack."""


@dataclass(frozen=True, eq=False)
class SpeechModel:
    """A loaded encoder of sound.

    Parameters
    ----------
    encoder : nn.Module
        In evaluation mode, without gradients.
    prepare : callable
        The feature extractor of transformers that belongs to it.
    spec : ModelSpec
    files : ModelFiles
    clock : FrameClock
        When its frames are.
    window : int
        Frames that it is shown at once, at most.
    layers : int
        Layers of a recording: what enters the first block, and every block.
    units : int
        Of a layer.
    """

    encoder: nn.Module
    prepare: Any
    spec: ModelSpec
    files: ModelFiles
    clock: FrameClock
    window: int
    layers: int
    units: int

    @property
    def parameters(self) -> int:
        """Numbers of the encoder."""
        return sum(p.numel() for p in self.encoder.parameters())

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.encoder.parameters()).device

    def states(self, samples: Singles) -> list[torch.Tensor]:
        """Read a stretch of sound.

        Parameters
        ----------
        samples : array (n_samples,)
            At the model's rate; no more than a window.

        Returns
        -------
        list of Tensor (n_frames, units)
            float32, of every layer; layer 0 is what enters the first block.
        """
        made = self.prepare(samples, sampling_rate=self.clock.rate, return_tensors="pt")
        dtype = next(self.encoder.parameters()).dtype
        inputs = made[self.prepare.model_input_names[0]].to(self.device, dtype)
        with torch.inference_mode():
            found = self.encoder(inputs, output_hidden_states=True).hidden_states
        count = self.clock.count(len(samples))
        return [layer[0, :count].float() for layer in found]


def load_speech(
    files: ModelFiles, spec: ModelSpec, *, device: str = "cpu", dtype: str = "float32"
) -> SpeechModel:
    """Load a speech model. Code that comes with it is never run.

    Parameters
    ----------
    files : ModelFiles
        From :func:`harness.lm.source.resolve`.
    spec : ModelSpec
        The same spec that was resolved.
    device, dtype : str
        As for :func:`harness.lm.load.load`.

    Raises
    ------
    ModelError
        The architecture is none that is read, or its weights do not fit it.
    ChecksumError
        A file is not what its checksum says.
    """
    where = device_named(device)
    if dtype not in DTYPES:
        raise ModelError(f"{dtype!r} is not a dtype", f"there are {', '.join(DTYPES)}")
    check_room(needed(files, spec, dtype), f"{spec.name} in {dtype}", "choose a smaller model")
    with ThreadPoolExecutor(1) as pool:
        checked = pool.submit(check_unchanged, files)
        try:
            encoder, prepare = _read(files, spec, DTYPES[dtype])
        except HarnessError:
            checked.result()  # what a damaged file leads to is not its cause
            raise
        checked.result()
    model = _made(encoder.to(where).eval().requires_grad_(False), prepare, spec, files)
    _check_frames(model)
    return model


def _read(files: ModelFiles, spec: ModelSpec, dtype: torch.dtype) -> tuple[nn.Module, Any]:
    from transformers import AutoFeatureExtractor, AutoModel

    how: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        with quiet_transformers():
            prepare = AutoFeatureExtractor.from_pretrained(files.folder, **how)
            whole, info = AutoModel.from_pretrained(
                files.folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **how
            )
    except (ValueError, KeyError, OSError, TypeError, RuntimeError, AttributeError) as error:
        raise ModelError(
            f"{spec.name}: {files.folder} is no speech model: {first_line(error)}", _KINDS
        ) from error
    encoder = whole.get_encoder() if whole.config.is_encoder_decoder else whole
    own = {name for name, _ in encoder.named_parameters()}
    lost = {str(key) for key in info["missing_keys"]} | {
        str(key[0] if isinstance(key, tuple) else key) for key in info["mismatched_keys"]
    }
    lost = {key for key in lost if not key.endswith(_UNUSED)}
    if bad := sorted(k for k in lost if k in own or k.removeprefix("encoder.") in own):
        raise ModelError(
            f"{spec.name}: the weights in {files.folder} do not fit it: {bad[0]}"
            + (f" and {len(bad) - 1} others" if len(bad) > 1 else ""),
            "save it again with model.save_pretrained(folder)",
        )
    return encoder, prepare


def _made(encoder: nn.Module, prepare: Any, spec: ModelSpec, files: ModelFiles) -> SpeechModel:
    config: Any = encoder.config
    rate = int(getattr(prepare, "sampling_rate", 0) or 0)
    heard = list(getattr(prepare, "model_input_names", ()))[:1]
    clock, window = None, 0
    if rate and heard == ["input_values"] and getattr(prepare, "feature_size", 0) == 1:
        clock = clock_of_waveform(config, rate)
        window = clock.count(int(WINDOW * rate)) if clock else 0
    elif rate and heard == ["input_features"]:
        clock = clock_of_bands(config, prepare.to_dict() | vars(prepare), rate)
        window = int(config.max_source_positions) if clock else 0
    if clock is None:
        raise ModelError(f"{spec.name}: {type(encoder).__name__} is no encoder known here", _KINDS)
    described = files.config
    layers, units = int(described["num_hidden_layers"]) + 1, int(described["hidden_size"])
    return SpeechModel(encoder, prepare, spec, files, clock, window, layers, units)


def _check_frames(model: SpeechModel) -> None:
    """Hear a second of noise: as many layers, frames and units as the configuration says.

    Raises
    ------
    ModelError
        There are others: the times of frames would be wrong.
    """
    count = min(model.window, model.clock.count(model.clock.rate))
    noise = np.random.default_rng(0).standard_normal(model.clock.samples(0, count).stop)
    found = model.states(noise.astype(np.float32))
    shapes = {tuple(layer.shape) for layer in found}
    expected = (count, model.units)
    if shapes != {expected} or len(found) != model.layers:
        raise ModelError(
            f"{model.spec.name}: a second of sound gives {len(found)} layers of"
            f" {', '.join(map(str, sorted(shapes)))} frames and units, where {model.layers} of"
            f" {expected} were expected",
            _KINDS,
        )
