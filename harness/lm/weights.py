"""The weights of a model, as its architecture takes them, and what may be wrong with them."""

from __future__ import annotations

import copy
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from harness.errors import ModelError
from harness.lm.anatomy import StaticEmbedding
from harness.lm.files import ModelFiles
from harness.lm.packed import dense_state
from harness.lm.quiet import quiet_transformers
from harness.spec.specs import ModelSpec

_LANGUAGE_HALF = {
    r"^(model\.)?language_model\.lm_head\.": "lm_head.",
    r"^(model\.)?language_model\.(model\.)?": "model.",
    r"^(model\.)?text_model\.": "model.",
}
"""Where models that also see or hear keep the weights of their language half."""


def language_half(config: Any) -> Any:
    """Return the config of the language half of a model that also sees or hears; else itself.

    Raises
    ------
    ModelError
        Its language half is no causal language model of its own.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(
            f"{type(config).__name__}: it reads one text and writes another (an encoder and a "
            "decoder), and no state of it is of a text alone",
            "decoder-only language models are read",
        )
    text = config.get_text_config()
    if text is config:
        if type(config) in MODEL_FOR_CAUSAL_LM_MAPPING:
            return config
        raise ModelError(
            f"{type(config).__name__}: transformers has no causal language model of this kind",
            "decoder-only language models are read",
        )
    if type(text) in MODEL_FOR_CAUSAL_LM_MAPPING:
        return text
    if type(config) in MODEL_FOR_CAUSAL_LM_MAPPING:
        return config
    raise ModelError(
        f"{type(config).__name__}: its language half ({type(text).__name__}) is no causal language "
        "model of transformers by itself",
        "a model of text alone from the same family can be read",
    )


def drawn(files: ModelFiles, spec: ModelSpec, config: Any, dtype: torch.dtype) -> nn.Module:
    """Return a model with random weights: the same for a seed, whatever was drawn before.

    They are rounded to ``dtype`` as those of a release are, by the same reader: what a model keeps
    in float32, as rotary frequencies, stays so.
    """
    from transformers import AutoModelForCausalLM

    # Drawn on the CPU in float32 whatever the device, and torch's own generator left as it was.
    with torch.random.fork_rng(devices=[]), quiet_transformers():
        torch.manual_seed(spec.seed or 0)
        model = AutoModelForCausalLM.from_config(
            config,
            dtype=torch.float32,
            attn_implementation=_attention(config),
            trust_remote_code=False,
        )
    assert isinstance(model, nn.Module)
    if dtype == torch.float32:
        return model
    rounded, _ = _filled(
        files, spec, None, config=config, dtype=dtype, state_dict=model.state_dict()
    )
    return rounded


def embedding(files: ModelFiles, spec: ModelSpec, config: Any, dtype: torch.dtype) -> nn.Module:
    """Return the input embedding alone, loaded as a model of no blocks: the rest stays on disk."""
    shallow = copy.deepcopy(config)
    text = shallow.get_text_config()
    text.num_hidden_layers = 0
    if getattr(text, "layer_types", None) is not None:
        with suppress(AttributeError):  # some count them from the number of layers
            text.layer_types = []
    model, _ = read(files, spec, shallow, dtype, None)
    embedding = model.get_input_embeddings()  # type: ignore[operator]
    assert isinstance(embedding, nn.Module)
    return StaticEmbedding(embedding, config)


def read(
    files: ModelFiles, spec: ModelSpec, config: Any, dtype: torch.dtype, place: torch.device | None
) -> tuple[nn.Module, list[str]]:
    """Load a model from its folder; also return what a reader of its results must know."""
    return _filled(
        files,
        spec,
        files.folder,
        config=config,
        dtype=dtype,
        device_map=None if place is None else {"": place},
    )


def read_packed(
    files: ModelFiles, spec: ModelSpec, config: Any, dtype: torch.dtype
) -> tuple[nn.Module, list[str], float]:
    """Load a packed checkpoint as dense weights of its rounded values; also return its bits."""
    described = files.config["quantization_config"]
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    dense = dense_state(files.folder, described, dtype)
    model, notes = _filled(files, spec, None, config=config, dtype=dtype, state_dict=dense.state)
    return model, [*dense.notes, *notes], dense.bits


def library_bits(model: nn.Module) -> float | None:
    """Return the bits a weight of layers that a library keeps packed; None where it has none."""
    bits = weights = 0
    module: Any
    for module in model.modules():
        weight = getattr(module, "weight", None)
        packed = isinstance(weight, torch.Tensor) and weight.dtype in (torch.uint8, torch.int8)
        if packed and hasattr(module, "in_features") and hasattr(module, "out_features"):
            parts = {k: v for k, v in module.state_dict().items() if k != "bias"}
            tensors = [value for value in parts.values() if isinstance(value, torch.Tensor)]
            bits += sum(8 * tensor.nbytes for tensor in tensors)
            weights += int(module.in_features) * int(module.out_features)
    return bits / weights if weights else None


def _filled(
    files: ModelFiles, spec: ModelSpec, source: Path | None, **settings: Any
) -> tuple[nn.Module, list[str]]:
    """Load the weights, and refuse what transformers would fill with random numbers."""
    from safetensors import SafetensorError
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoModelForCausalLM

    # A state dict alone is taken by the model's own class only.
    factory = AutoModelForCausalLM
    if source is None:
        factory = MODEL_FOR_CAUSAL_LM_MAPPING[type(settings["config"])]
    half = {} if files.config["model_type"] == settings["config"].model_type else _LANGUAGE_HALF
    try:
        with quiet_transformers():
            model, info = factory.from_pretrained(
                source,
                attn_implementation=_attention(settings["config"]),
                ignore_mismatched_sizes=True,  # reported below, by name
                local_files_only=True,
                output_loading_info=True,
                trust_remote_code=False,
                use_safetensors=True,
                **({"key_mapping": half} if half else {}),
                **settings,
            )
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ModelError(
            f"{spec.name} cannot be loaded from {files.folder}: {first_line(error)}"
        ) from error
    if mismatched := info["mismatched_keys"]:
        names = [
            f"{key} ({_shape(found)} where the config says {_shape(wanted)})"
            for key, found, wanted in sorted(mismatched)
        ]
        raise _unfit(files, spec, "have another shape", names)
    if missing := sorted(info["missing_keys"]):
        raise _unfit(files, spec, "are missing", missing)
    if errors := info.get("error_msgs"):
        raise ModelError(f"{spec.name} cannot be loaded from {files.folder}: {errors[0]}")
    unused = sorted(info["unexpected_keys"])
    notes = [f"{len(unused)} tensors of the checkpoint are not used: {_some(unused)}"]
    return model, notes if unused else []


def _unfit(files: ModelFiles, spec: ModelSpec, problem: str, names: Collection[str]) -> ModelError:
    return ModelError(
        f"{spec.name}: {len(names)} weights in {files.folder} {problem}: {_some(names)}",
        "config.json and the weights are of different models, or the weights are not whole",
    )


def _some(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:4])
    return f"{shown}, …" if len(names) > 4 else shown


def _shape(size: Any) -> str:
    return "x".join(str(n) for n in size)


def _attention(config: Any) -> str:
    """Return the implementation of attention that an architecture has: sdpa, else its own loop."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    kind = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    return "sdpa" if getattr(kind, "_supports_sdpa", False) else "eager"


def first_line(error: Exception) -> str:
    """Return the first line of an error; its kind, where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
