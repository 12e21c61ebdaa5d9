"""The files that make a speech model: no tokenizer, and what its sound is prepared with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import ModelError
from harness.lm.files import (
    CONFIG,
    ModelFiles,
    inspected,
    read_config,
    weight_names,
    weights_among,
)

PREPARATION = "preprocessor_config.json"
"""How sound is prepared: its rate, whether it is standardised, its bands."""


def choose_speech_files(names: Collection[str]) -> list[str]:
    """Return which files of a repository make a speech model.

    Raises
    ------
    ModelError
        There is no configuration, no description of how sound is prepared, or no safetensors.
    """
    if missing := [name for name in (CONFIG, PREPARATION) if name not in names]:
        raise ModelError(
            f"the repository has no {missing[0]}: it is no speech model as transformers writes it",
            "a text model is named without speech:",
        )
    return sorted({CONFIG, PREPARATION, *weights_among(names)})


def inspect_speech_folder(folder: Path, *, revision: str = "", pinned: bool = False) -> ModelFiles:
    """Check a speech model's folder and take its fingerprint; see ``inspect_folder``.

    Raises
    ------
    ModelError
        A file is missing, truncated or not what its name says, or the configuration has no layers.
    """
    config = read_config(folder)
    weights = weight_names(folder)
    if not (folder / PREPARATION).is_file():
        raise ModelError(
            f"{folder} has no {PREPARATION}, which says how sound is prepared",
            "save it with feature_extractor.save_pretrained(folder); a text model is named"
            " without speech:",
        )
    files = inspected(folder, weights, [PREPARATION], revision=revision, pinned=pinned)
    return replace(files, described=_described(config, folder))


def _described(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a configuration with layers and units of the encoder by their usual names."""
    layers = config.get("encoder_layers") or config.get("num_hidden_layers")
    units = config.get("d_model") or config.get("hidden_size")
    if not layers or not units:
        raise ModelError(
            f"{folder / CONFIG} does not say how many layers an encoder of sound has",
            "speech models are wav2vec 2.0 and its kin, and Whisper",
        )
    return {**config, "num_hidden_layers": int(layers), "hidden_size": int(units)}
