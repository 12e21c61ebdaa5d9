"""From a model's files to a torch module and its tokenizer."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from harness.errors import ExtraMissing, HarnessError, ModelError
from harness.lm.anatomy import StaticEmbedding, anatomy
from harness.lm.capabilities import capabilities
from harness.lm.controls import STATIC, UNTRAINED
from harness.lm.files import ModelFiles, check_unchanged
from harness.lm.packed import METHODS, dense_state
from harness.lm.quiet import quiet_transformers
from harness.spec.specs import ModelSpec

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_PACKED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "bitsandbytes": ("bnb", ("bitsandbytes",)),
    "compressed-tensors": ("llmcompressor", ("compressed_tensors",)),
}
"""Quantised checkpoints that a library reads: its extra, and the modules it brings."""


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A loaded language model.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode, without gradients: a causal language model of transformers, or a
        :class:`~harness.lm.anatomy.StaticEmbedding`.
    tokenizer : PreTrainedTokenizerFast
        One that gives character offsets.
    spec : ModelSpec
        What was asked for.
    files : ModelFiles
        What it was loaded from.
    context : int, optional
        Longest input in tokens; None when there is no limit.
    capabilities : frozenset of str
        Of ``hidden`` (states), ``logprob`` and ``compress``.
    notes : tuple of str
        What a reader of the results must know.
    """

    model: nn.Module
    tokenizer: Any
    spec: ModelSpec
    files: ModelFiles
    context: int | None
    capabilities: frozenset[str]
    notes: tuple[str, ...] = ()


def load(
    files: ModelFiles, spec: ModelSpec, *, device: str = "cpu", dtype: str = "float32"
) -> LanguageModel:
    """Load a model, or make the control that its spec asks for.

    Code that comes with a model is never run.

    Parameters
    ----------
    files : ModelFiles
        From :func:`harness.lm.source.resolve`.
    spec : ModelSpec
        The same spec that was resolved.
    device : str
        ``cpu``, ``cuda``, ``cuda:1``, …
    dtype : str
        ``float32``, ``bfloat16`` or ``float16``.

    Raises
    ------
    ModelError
        The architecture is unknown, the weights do not fit it, the tokenizer gives no offsets, or
        the device or dtype is not to be had.
    ChecksumError
        A file is not what its checksum says: all bytes are hashed before they are loaded.
    ExtraMissing
        A quantised checkpoint needs an optional dependency.
    """
    where = _device(device)
    if dtype not in DTYPES:
        raise ModelError(f"{dtype!r} is not a dtype", f"there are {', '.join(DTYPES)}")
    # All bytes are hashed while they are loaded: hashing takes a core of its own, and less time.
    with ThreadPoolExecutor(1) as pool:
        checked = pool.submit(check_unchanged, files)
        try:
            model = _loaded(files, spec, where, dtype)
        except HarnessError:
            checked.result()  # what a damaged file leads to is not its cause
            raise
        checked.result()
    return model


def _loaded(files: ModelFiles, spec: ModelSpec, where: torch.device, dtype: str) -> LanguageModel:
    packing = _packing(files, spec)
    tokenizer = _tokenizer(files, spec)
    config = _config(files, spec)
    notes = list(files.notes)
    if spec.control == UNTRAINED:
        model = _drawn(config, spec.seed or 0).to(DTYPES[dtype])
    elif spec.control == STATIC:
        model = _embedding(files, spec, config, DTYPES[dtype])
    elif packing in METHODS:
        model, more = _read_packed(files, spec, config, DTYPES[dtype])
        notes += more
    else:
        model, more = _read(files, spec, config, DTYPES[dtype], where if packing else None)
        notes += more
    _check_vocabulary(model, tokenizer, spec)
    if packing not in _PACKED:
        model = _moved(model, where, spec)
    return LanguageModel(
        model=model.eval().requires_grad_(False),
        tokenizer=tokenizer,
        spec=spec,
        files=files,
        context=None if spec.control == STATIC else _context(config, spec),
        capabilities=capabilities(spec, bool(packing)),
        notes=tuple(notes),
    )


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"{name!r} is not a device", "write cpu, cuda, cuda:1 or mps") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(
            f"there is no device {name}: this torch sees {torch.cuda.device_count()} GPUs",
            "write cpu, or see `brainpress doctor`",
        )
    return device


def _packing(files: ModelFiles, spec: ModelSpec) -> str:
    """Return how a checkpoint's weights are quantised; empty when they are not."""
    described = files.config.get("quantization_config")
    if not isinstance(described, dict) or spec.control:
        return ""  # a control has no quantised layer: its blocks are drawn anew, or left out
    method = str(described.get("quant_method", "unnamed"))
    extra, modules = _PACKED.get(method, ("", ()))
    if missing := [name for name in modules if find_spec(name) is None]:
        raise ExtraMissing(
            f"{spec.name} is quantised with {method}, and {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not installed",
            f"pip install 'brainpress[{extra}]'",
        )
    return method


def _tokenizer(files: ModelFiles, spec: ModelSpec) -> Any:
    from transformers import AutoTokenizer

    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(
                files.folder, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # tokenizers raises bare Exception for a file it cannot parse
        raise ModelError(
            f"{spec.name}: the tokenizer in {files.folder} cannot be read: {_first_line(error)}",
            "copy tokenizer.json and tokenizer_config.json again from where the model is from",
        ) from error
    if not tokenizer.is_fast:
        raise ModelError(
            f"{spec.name}: {type(tokenizer).__name__} gives no character offsets, so words cannot "
            "be told from its tokens",
            "put a tokenizer.json (a fast tokenizer) into the model's folder",
        )
    return tokenizer


def _config(files: ModelFiles, spec: ModelSpec) -> Any:
    from transformers import AutoConfig

    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(
                files.folder, local_files_only=True, trust_remote_code=False
            )
    except (ValueError, KeyError, OSError, TypeError) as error:
        raise ModelError(
            f"{spec.name}: {files.folder}/config.json is not one transformers understands: "
            f"{_first_line(error)}",
            "a newer transformers may know this model; code that comes with a model is not run",
        ) from error
    if spec.control and hasattr(config, "quantization_config"):
        del config.quantization_config
    return config


def _drawn(config: Any, seed: int) -> nn.Module:
    """Return a model with random weights: the same for a seed, whatever was drawn before."""
    from transformers import AutoModelForCausalLM

    # Drawn on the CPU in float32 whatever the device, and torch's own generator left as it was.
    with torch.random.fork_rng(devices=[]), quiet_transformers():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(
            config, dtype=torch.float32, attn_implementation="sdpa", trust_remote_code=False
        )
    assert isinstance(model, nn.Module)
    return model


def _embedding(files: ModelFiles, spec: ModelSpec, config: Any, dtype: torch.dtype) -> nn.Module:
    """Return the input embedding alone, loaded as a model of no blocks: the rest stays on disk."""
    shallow = copy.deepcopy(config)
    text = shallow.get_text_config()
    text.num_hidden_layers = 0
    if getattr(text, "layer_types", None) is not None:
        text.layer_types = []
    model, _ = _read(files, spec, shallow, dtype, None)
    embedding = model.get_input_embeddings()  # type: ignore[operator]
    assert isinstance(embedding, nn.Module)
    return StaticEmbedding(embedding, config)


def _read(
    files: ModelFiles, spec: ModelSpec, config: Any, dtype: torch.dtype, place: torch.device | None
) -> tuple[nn.Module, list[str]]:
    return _filled(
        files,
        spec,
        files.folder,
        config=config,
        dtype=dtype,
        device_map=None if place is None else {"": place},
    )


def _read_packed(
    files: ModelFiles, spec: ModelSpec, config: Any, dtype: torch.dtype
) -> tuple[nn.Module, list[str]]:
    """Load a GPTQ or AWQ checkpoint as dense weights of its rounded values."""
    described = files.config["quantization_config"]
    del config.quantization_config
    state = dense_state(files.folder, described, dtype)
    model, notes = _filled(files, spec, None, config=config, dtype=dtype, state_dict=state)
    said = f"weights are those of a {described['bits']}-bit {described['quant_method']} checkpoint"
    return model, [said, *notes]


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
    try:
        with quiet_transformers():
            model, info = factory.from_pretrained(
                source,
                attn_implementation="sdpa",
                ignore_mismatched_sizes=True,  # reported below, by name
                local_files_only=True,
                output_loading_info=True,
                trust_remote_code=False,
                use_safetensors=True,
                **settings,
            )
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ModelError(
            f"{spec.name} cannot be loaded from {files.folder}: {_first_line(error)}"
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


def _check_vocabulary(model: nn.Module, tokenizer: Any, spec: ModelSpec) -> None:
    """Refuse a tokenizer that gives numbers past the end of the embedding.

    Special tokens added later do not count: releases have some without a row (a padding token),
    and no text gives them.
    """
    rows = getattr(anatomy(model).embedding, "num_embeddings", None)
    if rows is not None and tokenizer.vocab_size > rows:
        raise ModelError(
            f"{spec.name}: its tokenizer has {tokenizer.vocab_size:,} tokens, its embedding "
            f"{rows:,} rows",
            "the tokenizer is another model's; copy the one that belongs to the weights",
        )


def _moved(model: nn.Module, device: torch.device, spec: ModelSpec) -> nn.Module:
    try:
        return model.to(device)
    except torch.OutOfMemoryError as error:
        size = sum(p.numel() * p.element_size() for p in model.parameters())
        raise ModelError(
            f"{spec.name} needs {size / 2**30:.1f} GiB on {device}, more than is free",
            "use --dtype bfloat16, or --device cpu",
        ) from error


def _context(config: Any, spec: ModelSpec) -> int | None:
    """Return the longest input: what the config says, or less when the spec does."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    known = [getattr(text, "max_position_embeddings", None), spec.context]
    return min((int(n) for n in known if n), default=None)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
