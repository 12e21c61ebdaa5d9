"""How large a model is, before it is here: what its files say, else what its spec says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.lm.files import ModelFiles, Unconverted
from harness.spec.specs import ModelSpec

HUB_BYTES = 2
"""Bytes a parameter of a release on the hub: bfloat16 or float16."""
GGUF_BYTES = 1.1
"""Bytes a parameter of a GGUF file whose size nobody states: 8 bits and scales."""
CONVERTED_BYTES = 4
"""Bytes a parameter of the folder that a GGUF file is converted to."""


@dataclass(frozen=True)
class Size:
    """Size of a model.

    Parameters
    ----------
    parameters : int
    states : int
        Numbers of all its hidden states at one position: (layers + 1) x units.
    fetch : int
        Bytes to download.
    convert : int
        Bytes that its conversion takes in the cache.
    """

    parameters: int
    states: int
    fetch: int = 0
    convert: int = 0


def of_files(files: ModelFiles) -> Size:
    """Return the size of a model that is here."""
    return Size(files.parameters, _states(files.config) or typical_states(files.parameters))


def of_unconverted(found: Unconverted) -> Size:
    """Return the size of a model whose file is here, and is to be converted."""
    states = found.states or typical_states(found.parameters)
    return Size(found.parameters, states, convert=CONVERTED_BYTES * found.parameters)


def size_of(model: ModelSpec) -> Size | None:
    """Return the size of a model that is not here; None where its spec does not say."""
    if not model.parameters:
        return None
    scheme = model.source.partition(":")[0]
    converts = scheme in ("pypi", "https")
    stored = GGUF_BYTES if converts else HUB_BYTES
    return Size(
        parameters=model.parameters,
        states=typical_states(model.parameters),
        fetch=0 if scheme == "file" else int(model.parameters * stored),
        convert=CONVERTED_BYTES * model.parameters if converts else 0,
    )


def typical_states(parameters: int) -> int:
    """Return about how many numbers the hidden states of a decoder of this size are.

    A power law through the published shapes of GPT-2, Pythia, Qwen2.5 and Llama 3, 124 million to
    70 billion parameters: within 40 % of each. Deep and narrow models (SmolLM2) have twice as many.
    """
    return int(9216 * (max(1, parameters) / 124e6) ** 0.673)


def _states(config: Mapping[str, Any]) -> int:
    text = config.get("text_config")
    config = text if isinstance(text, dict) else config
    layers = config.get("num_hidden_layers", config.get("n_layer"))
    units = config.get("hidden_size", config.get("n_embd"))
    return (int(layers) + 1) * int(units) if layers and units else 0
