"""The config of a model from the header of its GGUF file.

transformers knows how ggml names each part of a config; it is given a file of the same header
without the vocabulary, which it would walk for seconds. What it leaves out and what would change
the numbers is set here, or refused by name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import ModelError
from harness.lm.gguf_header import Header
from harness.lm.gguf_weights import FREQUENCIES, dequantised
from harness.lm.quiet import quiet_transformers
from harness.numeric.arrays import Doubles

_EMBEDDING = "token_embd.weight"
_TOLERANCE = 1e-3
_TOO_LONG = 64
"""Lists of more than as many values are vocabulary, not config."""


def config_from(gguf: Path, header: Header) -> Any:
    """Return the config of the model in a GGUF file.

    Raises
    ------
    ModelError
        transformers does not know the architecture, or the file says something that changes what
        the model computes and that has no place in its config.
    """
    from transformers import AutoConfig

    with tempfile.TemporaryDirectory() as folder:
        _write_stub(header, Path(folder) / "header.gguf")
        with quiet_transformers():
            config = AutoConfig.from_pretrained(folder, gguf_file="header.gguf")
    rows = [t.shape[0] for t in header.tensors if t.name == _EMBEDDING]
    if not rows:
        raise ModelError(f"{gguf} has no {_EMBEDDING}: it is not the file of a language model")
    config.vocab_size = rows[0]
    for key in _NUMBERS:
        number = header.fields.get(f"tokenizer.ggml.{_NUMBERS[key]}")
        if number is not None:
            setattr(config, key, int(number))
    _check(header, config)
    _scale_frequencies(gguf, header, config)
    return config


_NUMBERS = {
    "bos_token_id": "bos_token_id",
    "eos_token_id": "eos_token_id",
    "pad_token_id": "padding_token_id",
}


def _write_stub(header: Header, target: Path) -> None:
    """Write a GGUF file with the same header, less its long lists, and tensors that are holes."""
    from gguf import GGMLQuantizationType, GGUFWriter

    writer = GGUFWriter(target, header.architecture)
    for key, value in header.fields.items():
        if key in {"general.architecture", "general.alignment"} or key.startswith("tokenizer."):
            continue
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            (writer.add_uint32 if 0 <= value < 1 << 32 else writer.add_int64)(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        elif value and len(value) <= _TOO_LONG:
            writer.add_array(key, value)
    for tensor in header.tensors:  # their names alone are looked at
        writer.add_tensor(tensor.name, np.zeros(1, np.float32), raw_dtype=GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _check(header: Header, config: Any) -> None:
    """Set or compare what transformers leaves out, and refuse what has no place."""
    for key, value in header.fields.items():
        name = key.removeprefix(f"{header.architecture}.")
        if name != key and name in _CHECKS:
            _CHECKS[name](config, value, key)


def _equal(attribute: str) -> Callable[[Any, Any, str], None]:
    def check(config: Any, value: Any, key: str) -> None:
        known = getattr(config, attribute, None)
        if isinstance(known, int | float) and not isinstance(known, bool):
            if abs(known - value) <= _TOLERANCE * max(1.0, abs(value)):
                return
            if hasattr(config, attribute) and attribute in _SETTABLE:
                setattr(config, attribute, value)
                return
        raise ModelError(
            f"the file says {key} = {value}, and {type(config).__name__} as transformers reads it "
            f"says {attribute} = {known}",
            "its hidden states would be another model's; take the release as safetensors",
        )

    return check


def _head_width(config: Any, value: Any, key: str) -> None:
    known = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if known != value:
        config.head_dim = int(value)


def _causal(config: Any, value: Any, key: str) -> None:
    if not value:
        raise ModelError(f"the file says {key} = {value}: the model attends to what follows")


def _rope_scaling(config: Any, value: Any, key: str) -> None:
    if value not in ("none", ""):
        raise ModelError(
            f"the file scales its rotary positions ({key} = {value}), which transformers' reader "
            "of GGUF leaves out",
            "its hidden states would be another model's; take the release as safetensors",
        )


_SETTABLE = frozenset({"attn_logit_softcapping", "final_logit_softcapping", "rope_theta"})
_CHECKS: Mapping[str, Callable[[Any, Any, str], None]] = {
    "attention.key_length": _head_width,
    "attention.value_length": _head_width,
    "attention.causal": _causal,
    "attn_logit_softcapping": _equal("attn_logit_softcapping"),
    "final_logit_softcapping": _equal("final_logit_softcapping"),
    "logit_scale": _equal("logit_scale"),
    "embedding_scale": _equal("embedding_multiplier"),
    "residual_scale": _equal("residual_multiplier"),
    "attention.scale": _equal("attention_multiplier"),
    "rope.scaling.type": _rope_scaling,
}


def _scale_frequencies(gguf: Path, header: Header, config: Any) -> None:
    """Take Llama 3's scaling of low frequencies from its factors; refuse factors of another law."""
    tensors = [tensor for tensor in header.tensors if tensor.name == FREQUENCIES]
    if not tensors:
        return
    factors = dequantised(np.memmap(gguf, np.uint8, "r"), tensors[0]).astype(np.float64)
    rope = dict(config.rope_parameters)
    for original in (8192, config.max_position_embeddings):
        law = {
            "factor": float(round(factors.max(), 3)),
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": original,
        }
        expected = llama3_factors(float(rope["rope_theta"]), 2 * len(factors), law)
        if np.allclose(factors, expected, rtol=_TOLERANCE):
            if law["factor"] > 1:
                config.rope_parameters = {**rope, **law, "rope_type": "llama3"}
            return
    raise ModelError(
        f"{gguf} scales its rotary frequencies by {FREQUENCIES}, which follows no known law",
        "take the release of the model as safetensors",
    )


def llama3_factors(theta: float, width: int, law: Mapping[str, float]) -> Doubles:
    """Return by what Llama 3 divides each rotary frequency, (width / 2,).

    Wavelengths under ``original / high`` stay, those over ``original / low`` are divided by
    ``factor``, and between them the two are mixed (Llama 3.1's reference code, ``apply_scaling``).
    """
    waves = 2 * np.pi * theta ** (np.arange(0, width, 2) / width)
    original, factor = law["original_max_position_embeddings"], law["factor"]
    low, high = law["low_freq_factor"], law["high_freq_factor"]
    smooth = np.clip((original / waves - low) / (high - low), 0, 1)
    mixed: Doubles = 1 / ((1 - smooth) / factor + smooth)
    return mixed
