"""Published packed checkpoints (GPTQ, AWQ, bitsandbytes, …), read as dense weights.

The numbers are those that the packed kernels multiply with; no library of kernels is needed, and
any device will do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.errors import ModelError
from harness.lm import bitsandbytes_weights
from harness.lm.compressed_layers import IDLE, PARTS, dense_weight, is_compressed
from harness.lm.files import weight_names
from harness.lm.packed_words import WORD, packed_rows, unpacked

METHODS = ("gptq", "awq", "compressed-tensors", "fp8", "bitsandbytes")
_BY_LAYER = ("compressed-tensors", "fp8")
_PARTS = ("qweight", "qzeros", "scales", "g_idx")
_AWQ_PLACES = (0, 4, 1, 5, 2, 6, 3, 7)
"""Where each of eight neighbouring AWQ codes is in its word (the order its kernels unpack in)."""


@dataclass(frozen=True, eq=False)
class Dense:
    """A packed checkpoint as dense weights.

    Parameters
    ----------
    state : dict
        Tensors by the names that a dense checkpoint has.
    bits : float
        Bits a weight of the packed layers, scales and zero points included.
    notes : tuple of str
        What a reader of the results must know.
    """

    state: dict[str, Tensor]
    bits: float
    notes: tuple[str, ...]


def dense_state(folder: Path, described: Mapping[str, Any], dtype: torch.dtype) -> Dense:
    """Read a quantised checkpoint and multiply its codes out.

    Parameters
    ----------
    folder : Path
        Holds the safetensors.
    described : mapping
        ``quantization_config`` of its ``config.json``.
    dtype : torch.dtype
        Of the weights that come back; they are multiplied out in float32 first.

    Raises
    ------
    ModelError
        A layer is packed in another way than its config says.
    """
    from safetensors import safe_open

    tensors: dict[str, Tensor] = {}
    for name in weight_names(folder):
        with safe_open(folder / name, "pt") as file:
            tensors |= {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    method = str(described.get("quant_method"))
    _check_described(folder, described)
    layers = _layers(tensors, method)
    if not layers:
        raise ModelError(
            f"{folder}: config.json says {method}, and no weight is packed",
            "remove quantization_config from config.json if the weights are dense",
        )
    if method == "gptq":
        described = {**described, "new zeros": _new_zeros(folder, described, layers)}
    packed_bits = weights = 0
    for layer, parts in layers.items():
        for part in parts:
            del tensors[f"{layer}.{part}"]
        try:
            if method == "bitsandbytes":
                weight = bitsandbytes_weights.dense_weight(parts)
            elif method in _BY_LAYER:
                weight = dense_weight(parts)
            else:
                weight = _multiplied_out(parts, described)
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            raise ModelError(
                f"{layer} in {folder} is not packed as {method} with"
                f" {described.get('bits', 'its')} bits is: {error}",
                "layouts for one kernel only (gemv, marlin) are not read: take the plain one",
            ) from error
        packed_bits += sum(8 * part.nbytes for part in parts.values())
        weights += weight.numel()
        tensors[f"{layer}.weight"] = weight.to(dtype)
    idle = [key for key in tensors if key.rpartition(".")[2] in IDLE]
    for key in idle:
        del tensors[key]
    bits = packed_bits / weights
    notes = [
        f"weights are those of a {described.get('bits', f'{bits:.2f}')}-bit {method} checkpoint"
    ]
    if described.get("new zeros") and described.get("checkpoint_format") != "gptq_v2":
        notes.append("its zero points are in the new layout, whatever its config says")
    if idle or _rounds_activations(described):
        notes.append("its activations, which kernels of this format round, are left as they are")
    state = {
        key: value.to(dtype) if value.is_floating_point() else value
        for key, value in tensors.items()
    }
    return Dense(state, bits, tuple(notes))


def _layers(tensors: Mapping[str, Tensor], method: str) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of each packed layer, by its path."""
    if method == "bitsandbytes":
        return bitsandbytes_weights.packed_layers(tensors)
    names = ("weight", *PARTS) if method in _BY_LAYER else _PARTS
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        layer, _, part = key.rpartition(".")
        if part in names:
            found.setdefault(layer, {})[part] = tensor
    wanted = is_compressed if method in _BY_LAYER else (lambda parts: "qweight" in parts)
    return {layer: parts for layer, parts in found.items() if wanted(parts)}


def _check_described(folder: Path, described: Mapping[str, Any]) -> None:
    """Refuse what changes the weights beyond their codes."""
    sparse = described.get("sparsity_config") or {}
    if sparse.get("format", "dense") != "dense":
        raise ModelError(
            f"{folder} stores its zeros apart (sparsity_config: {sparse['format']})",
            "take the release without compressed sparsity",
        )
    if (described.get("transform_config") or {}).get("config_groups"):
        raise ModelError(
            f"{folder} rotates its weights (transform_config)", "take a release without rotations"
        )


def _rounds_activations(described: Mapping[str, Any]) -> bool:
    groups = described.get("config_groups") or {}
    if described.get("load_in_8bit"):  # LLM.int8()
        return True
    return described.get("activation_scheme") is not None or any(
        isinstance(group, dict) and group.get("input_activations") for group in groups.values()
    )


def _new_zeros(
    folder: Path, described: Mapping[str, Any], layers: Mapping[str, Mapping[str, Tensor]]
) -> bool:
    """Whether zero points are stored as they are (the new layout), not one less.

    Where the grid is symmetric each is half of the grid, so the numbers themselves say it, and a
    config that says otherwise is corrected.

    Raises
    ------
    ModelError
        The config says that the grid is symmetric, and the zero points are neither.
    """
    new = described.get("checkpoint_format") == "gptq_v2"
    if described.get("sym") is not True:
        return new
    bits = int(described["bits"])
    half = 2 ** (bits - 1)
    seen: set[int] = set()
    for parts in layers.values():
        if "qzeros" in parts and "scales" in parts:
            zeros = unpacked(parts["qzeros"], bits)[:, : parts["scales"].shape[1]]
            seen |= set(zeros.flatten().tolist())
    if seen <= {half}:
        return True
    if seen <= {half - 1}:
        return False
    raise ModelError(
        f"{folder}: its grid is said to be symmetric, and its zero points are "
        f"{sorted(seen)[:6]}, neither {half - 1} (old layout) nor {half} (new)",
        "config.json and the weights are of different releases",
    )


def _multiplied_out(parts: Mapping[str, Tensor], described: Mapping[str, Any]) -> Tensor:
    """Return the dense weight (out, in) of one layer, float32."""
    codes, zeros, scales = (_there(parts, name) for name in ("qweight", "qzeros", "scales"))
    bits = int(described["bits"])
    if described["quant_method"] == "awq":
        return _awq(codes, zeros, scales, bits, str(described.get("version", "gemm")))
    if not described["new zeros"]:
        zeros = _one_more(zeros, bits, _by_words(described))
    return _gptq(codes, zeros, scales, parts.get("g_idx"), bits)


def _by_words(described: Mapping[str, Any]) -> bool:
    """Whether the writer took one from all zero points of a word at once, borrows and all."""
    meta = described.get("meta") or {}
    return "gptqmodel" in str(meta.get("quantizer", "")).lower()


def _one_more(zeros: Tensor, bits: int, by_words: bool) -> Tensor:
    """Add the one that the old layout takes off each zero point.

    A zero point of 0 is stored as the largest code. One writer wraps each by itself; the other
    subtracts word by word, where a 0 borrows from its neighbour, and adding word by word gives it
    back.
    """
    if by_words and WORD % bits == 0:
        ones = sum(1 << place for place in range(0, WORD, bits))
        return _words_of(zeros.long() + ones)
    codes = unpacked(zeros, bits) + 1 & (1 << bits) - 1
    return packed_rows(codes, bits)


def _words_of(numbers: Tensor) -> Tensor:
    low = numbers & 0xFFFFFFFF
    return torch.where(low >= 1 << 31, low - (1 << 32), low).to(torch.int32)


def _there(parts: Mapping[str, Tensor], name: str) -> Tensor:
    tensor = parts.get(name)
    if tensor is None:
        raise ValueError(f"it has no {name}")
    return tensor


def _gptq(codes: Tensor, zeros: Tensor, scales: Tensor, groups: Tensor | None, bits: int) -> Tensor:
    """Read AutoGPTQ's layout.

    Codes run down the inputs, zero points (as the second version stores them) along the outputs.
    """
    code = unpacked(codes.T, bits).T  # (in, out)
    zero = unpacked(zeros, bits)[:, : scales.shape[1]]
    if groups is None:
        groups = torch.arange(len(code)) // (len(code) // len(scales))
    group = groups.long()
    weight: Tensor = (code - zero[group]).float() * scales.float()[group]
    return weight.T.contiguous()


def _awq(codes: Tensor, zeros: Tensor, scales: Tensor, bits: int, version: str) -> Tensor:
    """Read AutoAWQ's ``gemm`` layout: codes and zero points run along the outputs, shuffled."""
    if version.lower() != "gemm" or bits != 4:
        raise ValueError(f"version {version!r} with {bits} bits")
    places = torch.tensor(_AWQ_PLACES)
    code, zero = (
        unpacked(words, bits).reshape(len(words), -1, 8)[..., places].flatten(1)
        for words in (codes, zeros)
    )
    group = torch.arange(len(code)) // (len(code) // len(scales))
    weight: Tensor = (code - zero[group]).float() * scales.float()[group]
    return weight.T.contiguous()
