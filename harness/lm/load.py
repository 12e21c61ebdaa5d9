"""From a model's files to a torch module and its tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

import torch
from torch import nn

from harness.errors import HarnessError, ModelError
from harness.lm import examination
from harness.lm.anatomy import anatomy
from harness.lm.capabilities import allowed, capabilities
from harness.lm.controls import STATIC, UNTRAINED
from harness.lm.examination import Examination
from harness.lm.examine import examine
from harness.lm.files import ModelFiles, check_unchanged, digest
from harness.lm.packed import METHODS
from harness.lm.quiet import quiet_transformers
from harness.lm.starts import named_start, tokenizer_start
from harness.lm.weights import (
    drawn,
    embedding,
    first_line,
    language_half,
    library_bits,
    read,
    read_packed,
)
from harness.place.memory import check_room
from harness.spec.specs import ModelSpec

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
PASS_BYTES = 160 * 2**20
"""What a short pass takes beside the weights."""
_SMALLER = "--dtype bfloat16 halves it; or choose a smaller model, or a machine with more memory"


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
    start : tuple of int, optional
        Numbers of the tokens that a text starts with; None: what the tokenizer puts there.
    examination : Examination, optional
        What was found when the model was first loaded; a static model is not examined.
    stored_bits : float, optional
        Bits a weight of the layers that a checkpoint stores packed, scales and zero points
        included; None where none is.
    """

    model: nn.Module
    tokenizer: Any
    spec: ModelSpec
    files: ModelFiles
    context: int | None
    capabilities: frozenset[str]
    notes: tuple[str, ...] = ()
    start: tuple[int, ...] | None = None
    examination: Examination | None = None
    stored_bits: float | None = None


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
    """
    where = device_named(device)
    if dtype not in DTYPES:
        raise ModelError(f"{dtype!r} is not a dtype", f"there are {', '.join(DTYPES)}")
    # All bytes are read for their sums while they are loaded: on a core of its own, in less time.
    # Loading waits until that holds no lock of Python's, which a tokenizer would not give back.
    begun = Event()
    with ThreadPoolExecutor(1) as pool:
        checked = pool.submit(check_unchanged, files, begun.set)
        checked.add_done_callback(lambda _: begun.set())
        begun.wait()
        try:
            model = _loaded(files, spec, where, dtype)
        except HarnessError:
            checked.result()  # what a damaged file leads to is not its cause
            raise
        checked.result()
    return model


def unexamined(files: ModelFiles, spec: ModelSpec, model: nn.Module) -> LanguageModel:
    """Put a module that was opened elsewhere beside its tokenizer and limits.

    For models that are not in memory: what an examination finds is not known of them.

    Parameters
    ----------
    files : ModelFiles
        What the module was made from.
    spec : ModelSpec
    model : nn.Module
        Some of its parameters may be on the ``meta`` device.

    Raises
    ------
    ModelError
        The tokenizer cannot be read, or is another model's.
    """
    tokenizer = _tokenizer(files, spec)
    _check_vocabulary(model, tokenizer, spec)
    return LanguageModel(
        model=model,
        tokenizer=tokenizer,
        spec=spec,
        files=files,
        context=_context(_config(files, spec), spec, model),
        capabilities=capabilities(spec),
        notes=tuple(files.notes),
    )


def needed(files: ModelFiles, spec: ModelSpec, dtype: str) -> int:
    """Return about how many bytes of memory loading a model and a short pass take."""
    size = files.parameters * DTYPES[dtype].itemsize
    if spec.control == STATIC:
        config = files.config
        rows, units = config.get("vocab_size"), config.get("hidden_size", config.get("n_embd"))
        if isinstance(rows, int) and isinstance(units, int):
            size = min(size, rows * units * DTYPES[dtype].itemsize)
    return size + PASS_BYTES


def _loaded(files: ModelFiles, spec: ModelSpec, where: torch.device, dtype: str) -> LanguageModel:
    packing = _packing(files, spec)  # what no method here reads, a library of its own may
    if not packing:  # packed: what a library unpacks it to is not known before
        check_room(needed(files, spec, dtype), f"{spec.name} in {dtype}", _SMALLER)
    tokenizer = _tokenizer(files, spec)
    config = language_half(_config(files, spec))
    notes = list(files.notes)
    bits: float | None = None
    if spec.control == UNTRAINED:
        model = drawn(files, spec, config, DTYPES[dtype])
    elif spec.control == STATIC:
        model = embedding(files, spec, config, DTYPES[dtype])
    elif packing in METHODS:
        model, more, bits = read_packed(files, spec, config, DTYPES[dtype])
        notes += more
    else:
        model, more = read(files, spec, config, DTYPES[dtype], where if packing else None)
        notes += more
    _check_vocabulary(model, tokenizer, spec)
    if not packing or packing in METHODS:
        model = _moved(model, where, spec)
    loaded = LanguageModel(
        model=model.eval().requires_grad_(False),
        tokenizer=tokenizer,
        spec=spec,
        files=files,
        context=None if spec.control == STATIC else _context(config, spec, model),
        capabilities=capabilities(spec, bool(packing)),
        notes=tuple(notes),
        stored_bits=bits if bits is not None or not packing else library_bits(model),
    )
    return loaded if spec.control == STATIC else _examined(loaded, str(where), dtype)


def _examined(loaded: LanguageModel, device: str, dtype: str) -> LanguageModel:
    """Examine a model, or read what was found, and let it do what it can."""
    spec, files = loaded.spec, loaded.files
    found = examination.kept(files.fingerprint, dtype)
    if found is None:
        found = examine(loaded.model, loaded.tokenizer, loaded.context, spec.name)
        examination.keep(files.fingerprint, dtype, found, spec.name)
    rows = _rows(loaded.model)
    if spec.start:
        start = named_start(spec.start, loaded.tokenizer, rows or len(loaded.tokenizer), spec.name)
    elif spec.control:
        start = _start_of_base(loaded, device, dtype)
    else:
        start = tuple(loaded.tokenizer.convert_tokens_to_ids(list(found.start)))
    more = () if found.causal else ("bidirectional: its states depend on what follows",)
    return replace(
        loaded,
        capabilities=loaded.capabilities & allowed(found, spec),
        start=start,
        examination=found,
        notes=(*loaded.notes, *more),
    )


def _start_of_base(control: LanguageModel, device: str, dtype: str) -> tuple[int, ...]:
    """Return the start of the model that a control is compared with: both read the same text."""
    fingerprint = digest(control.files.sha256)
    found = examination.kept(fingerprint, dtype)
    if found is None:
        spec = replace(control.spec, name=control.spec.base, control="", base="", seed=None)
        try:
            base = load(
                replace(control.files, fingerprint=fingerprint), spec, device=device, dtype=dtype
            )
        except HarnessError:  # its weights want an extra, or are of no language model
            return tokenizer_start(control.tokenizer)
        return base.start or ()
    return tuple(control.tokenizer.convert_tokens_to_ids(list(found.start)))


def device_named(name: str) -> torch.device:
    """Return a device by its name.

    Raises
    ------
    ModelError
        There is none of this name here.
    """
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
    return str(described.get("quant_method", "unnamed"))


def _tokenizer(files: ModelFiles, spec: ModelSpec) -> Any:
    from transformers import AutoTokenizer

    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(
                files.folder, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # tokenizers raises bare Exception for a file it cannot parse
        raise ModelError(
            f"{spec.name}: the tokenizer in {files.folder} cannot be read: {first_line(error)}",
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
            f"{first_line(error)}",
            "a newer transformers may know this model; code that comes with a model is not run",
        ) from error
    if spec.control and hasattr(config, "quantization_config"):
        del config.quantization_config
    return config


def _rows(model: nn.Module) -> int | None:
    return getattr(anatomy(model).embedding, "num_embeddings", None)


def _check_vocabulary(model: nn.Module, tokenizer: Any, spec: ModelSpec) -> None:
    """Refuse a tokenizer that gives numbers past the end of the embedding.

    Special tokens that no text gives do not count: releases have some without a row (a padding
    token). Words that were added do, and so does what the tokenizer puts before a text.
    """
    rows = _rows(model)
    if rows is None:
        return
    past = [
        (number, token.content)
        for number, token in sorted(tokenizer.added_tokens_decoder.items())
        if number >= rows and not token.special
    ]
    past += [
        (number, tokenizer.convert_ids_to_tokens(number))
        for number in tokenizer_start(tokenizer)
        if number >= rows
    ]
    if past:
        number, token = past[0]
        raise ModelError(
            f"{spec.name}: its tokenizer gives {token!r} the number {number}, and its embedding "
            f"has {rows:,} rows for {len(tokenizer):,} tokens",
            "the embedding was not resized when words were added: "
            "model.resize_token_embeddings(len(tokenizer)), then train them",
        )
    if tokenizer.vocab_size > rows:
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


_LENGTHS = ("max_position_embeddings", "max_target_positions", "max_seq_len", "n_ctx")


def _context(config: Any, spec: ModelSpec, model: nn.Module) -> int | None:
    """Return the longest input: what the config says, or less when the spec or the model does.

    RoBERTa and its kin count positions from behind that of padding, so that the first rows of their
    table of positions are of no use (514 rows are 512 tokens).
    """
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    known = [*(getattr(text, name, None) for name in _LENGTHS), spec.context]
    lost = 0
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            lost = max(lost, 0 if module.padding_idx is None else module.padding_idx + 1)
    return min((int(n) - lost for n in known if n), default=None)
