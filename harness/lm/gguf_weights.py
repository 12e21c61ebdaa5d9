"""The weights of a GGUF file, de-quantised one tensor at a time onto disk.

What ggml calls each tensor, and how it turns some of them round, is taken from transformers' own
tables; the loop is ours, so that no more than a tensor (of a mixture, a block's experts) is held.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import ModelError
from harness.lm.gguf_header import Header, TensorEntry
from harness.numeric.arrays import Singles

_BLOCKS_AT_ONCE = 4096
"""Blocks of 32 or 256 numbers that fit into a processor's cache together with their making."""
FREQUENCIES = "rope_freqs.weight"
"""A tensor that is no weight: factors of the rotary frequencies (see :mod:`gguf_config`)."""
_PLAIN: Mapping[str, str] = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}


def write_weights(gguf: Path, header: Header, model: Any, target: Path) -> None:
    """De-quantise a file's tensors into one safetensors file, float32.

    Parameters
    ----------
    gguf : Path
    header : Header
        Of the file.
    model : PreTrainedModel
        Made from its config, on the meta device.
    target : Path
        Written.

    Raises
    ------
    ModelError
        The file lacks a weight of the model, holds one that it has no place for, or one of another
        shape or of a type that numpy cannot read.
    """
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    shapes = {
        name: tuple(parameter.shape)
        for name, parameter in model.state_dict().items()
        if name not in tied
    }
    sources = _sources(header, model, set(shapes))
    missing = sorted(set(shapes) - set(sources))
    if missing:
        raise ModelError(f"{gguf} lacks weights: {', '.join(missing[:8])}")
    layout, start = _layout(shapes)
    with target.open("wb") as out:
        out.write(start)
        out.truncate(len(start) + 4 * sum(math.prod(shape) for shape in shapes.values()))
        for name, values in _tensors(gguf, header, model, sources):
            if values.shape != shapes[name]:
                raise ModelError(
                    f"{gguf}: {name} has the shape {values.shape} where its config says "
                    f"{shapes[name]}"
                )
            out.seek(len(start) + layout[name])
            out.write(np.ascontiguousarray(values, "<f4").data)


def stored_type(kind: int) -> str:
    """Return the name of a tensor's type; its number where the library does not know it."""
    from gguf import GGMLQuantizationType

    try:
        return str(GGMLQuantizationType(kind).name)
    except ValueError:
        return f"type {kind}"


def dequantised(data: npt.NDArray[np.uint8], tensor: TensorEntry) -> Singles:
    """Return a tensor as float32, in the shape of the file.

    Parameters
    ----------
    data : array (bytes,)
        The whole file.

    Raises
    ------
    ModelError
        Its type is not one that the library reads, or the file ends before it does.
    """
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize

    name = stored_type(tensor.kind)
    if name.startswith("type "):
        raise ModelError(f"{tensor.name} is stored as {name}, which is not known")
    kind = GGMLQuantizationType(tensor.kind)
    block, size = GGML_QUANT_SIZES[kind]
    length = tensor.numbers // block * size
    raw = np.asarray(data[tensor.start : tensor.start + length])
    if len(raw) < length:
        raise ModelError(f"the file ends within {tensor.name}: it is truncated")
    if name in _PLAIN:
        return raw.view(_PLAIN[name]).astype(np.float32).reshape(tensor.shape)
    values = np.empty(tensor.numbers, np.float32)
    step, made = _BLOCKS_AT_ONCE * size, _BLOCKS_AT_ONCE * block
    try:
        for i, at in enumerate(range(0, length, step)):
            # One row: the library takes 16 rows at a time, which for a vocabulary is slow.
            part = dequantize(raw[at : at + step][None], kind).ravel()
            values[i * made : i * made + len(part)] = part
    except NotImplementedError as error:
        raise ModelError(f"{tensor.name} is stored as {name}: {error}") from error
    return values.reshape(tensor.shape)


def _sources(header: Header, model: Any, wanted: set[str]) -> dict[str, list[TensorEntry]]:
    """Which tensors of the file make each weight of the model: one, or a block's experts' two."""
    processor = _processor(header, model)
    names = _names(model, processor)
    sources: dict[str, list[TensorEntry]] = {}
    strange = []
    for tensor in header.tensors:
        plain = tensor.name.removesuffix(".weight")
        target = names.get(tensor.name) or names.get(plain)
        if target is None and tensor.name == "output.weight":
            target = "lm_head.weight"
        if target in wanted:
            sources.setdefault(str(target), []).append(tensor)
        elif target is None and tensor.name != FREQUENCIES:
            strange.append(tensor.name)
    if strange:
        raise ModelError(
            f"it holds tensors that {type(model).__name__} has no place for: "
            f"{', '.join(strange[:6])}",
            "transformers reads this architecture otherwise than it was written; take the release "
            "as safetensors",
        )
    return sources


def _tensors(
    gguf: Path, header: Header, model: Any, sources: Mapping[str, list[TensorEntry]]
) -> Iterator[tuple[str, Singles]]:
    processor = _processor(header, model)
    names = _names(model, processor)
    data = np.memmap(gguf, np.uint8, "r")
    for target, tensors in sources.items():
        parsed: dict[str, dict[str, Any]] = {"tensors": {}}
        values: Singles | None = None
        for tensor in tensors:
            found = processor.process(
                weights=dequantised(data, tensor),
                name=tensor.name,
                tensor_key_mapping=names,
                parsed_parameters=parsed,
            )
            if found.name is not None:
                values = found.weights
        if target in parsed["tensors"]:  # experts, and GPT-2's head, are put there instead
            values = parsed["tensors"][target].numpy()
        if values is None:
            raise ModelError(f"{gguf}: {target} cannot be made from {tensors[0].name}")
        yield target, values


def _processor(header: Header, model: Any) -> Any:
    from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS, TensorProcessor

    kind = TENSOR_PROCESSORS.get(header.architecture, TensorProcessor)
    return kind(config=model.config.to_dict())


def _names(model: Any, processor: Any) -> dict[str, str]:
    from transformers.modeling_gguf_pytorch_utils import get_gguf_hf_weights_map

    names: dict[str, str] = get_gguf_hf_weights_map(model, processor)
    return names


def _layout(shapes: Mapping[str, tuple[int, ...]]) -> tuple[dict[str, int], bytes]:
    """Offsets of the tensors in a safetensors file, and what stands before them."""
    offsets: dict[str, int] = {}
    described: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name in sorted(shapes):
        end = at + 4 * math.prod(shapes[name])
        described[name] = {"dtype": "F32", "shape": list(shapes[name]), "data_offsets": [at, end]}
        offsets[name], at = at, end
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return offsets, len(text).to_bytes(8, "little") + text
