"""Published GPTQ and AWQ checkpoints, read as dense weights of their rounded values.

The numbers are those that the packed kernels multiply with; no library of kernels is needed, and
any device will do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.errors import ModelError
from harness.lm.files import weight_names

METHODS = ("gptq", "awq")
_PARTS = ("qweight", "qzeros", "scales", "g_idx")
_WORD = 32
_AWQ_PLACES = (0, 4, 1, 5, 2, 6, 3, 7)
"""Where each of eight neighbouring AWQ codes is in its word (the order its kernels unpack in)."""


def dense_state(
    folder: Path, described: Mapping[str, Any], dtype: torch.dtype
) -> dict[str, Tensor]:
    """Read a quantised checkpoint and multiply its codes out.

    Parameters
    ----------
    folder : Path
        Holds the safetensors.
    described : mapping
        ``quantization_config`` of its ``config.json``.
    dtype : torch.dtype
        Of the weights that come back; they are multiplied out in float32 first.

    Returns
    -------
    dict
        Tensors by the names a dense checkpoint has.

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
    packed = [key.removesuffix(".qweight") for key in tensors if key.endswith(".qweight")]
    if not packed:
        raise ModelError(
            f"{folder}: config.json says {described.get('quant_method')}, and no weight is packed",
            "remove quantization_config from config.json if the weights are dense",
        )
    for layer in packed:
        parts = {part: tensors.pop(f"{layer}.{part}", None) for part in _PARTS}
        try:
            weight = _multiplied_out(parts, described)
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            raise ModelError(
                f"{layer} in {folder} is not packed as {described.get('quant_method')} with"
                f" {described.get('bits')} bits is: {error}",
                "layouts for one kernel only (gemv, marlin) are not read: take the plain one",
            ) from error
        tensors[f"{layer}.weight"] = weight.to(dtype)
    return {
        key: value.to(dtype) if value.is_floating_point() else value
        for key, value in tensors.items()
    }


def _multiplied_out(parts: Mapping[str, Tensor | None], described: Mapping[str, Any]) -> Tensor:
    """Return the dense weight (out, in) of one layer, float32."""
    codes, zeros, scales = (_there(parts, name) for name in ("qweight", "qzeros", "scales"))
    bits = int(described["bits"])
    if described["quant_method"] == "awq":
        return _awq(codes, zeros, scales, bits, str(described.get("version", "gemm")))
    first_zero = 0 if described.get("checkpoint_format") == "gptq_v2" else 1
    return _gptq(codes, zeros, scales, parts.get("g_idx"), bits, first_zero)


def _there(parts: Mapping[str, Tensor | None], name: str) -> Tensor:
    tensor = parts[name]
    if tensor is None:
        raise ValueError(f"it has no {name}")
    return tensor


def _gptq(
    codes: Tensor, zeros: Tensor, scales: Tensor, groups: Tensor | None, bits: int, first_zero: int
) -> Tensor:
    """Read AutoGPTQ's layout.

    Codes run down the inputs, zero points along the outputs. What it stores of a zero point is one
    less than the zero point (``first_zero`` 1), save in its second version.
    """
    code = _unpacked(codes.T, bits).T  # (in, out)
    zero = _unpacked(zeros, bits)[:, : scales.shape[1]] + first_zero
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
        _unpacked(words, bits).reshape(len(words), -1, 8)[..., places].flatten(1)
        for words in (codes, zeros)
    )
    group = torch.arange(len(code)) // (len(code) // len(scales))
    weight: Tensor = (code - zero[group]).float() * scales.float()[group]
    return weight.T.contiguous()


def _unpacked(words: Tensor, bits: int) -> Tensor:
    """Cut rows of 32-bit words into codes, lowest bits first, across word borders (3 bits)."""
    if words.dtype != torch.int32:
        raise ValueError(f"codes are {words.dtype}, not int32")
    if words.shape[1] * _WORD % bits:
        raise ValueError(f"{words.shape[1]} words hold no whole number of {bits}-bit codes")
    if _WORD % bits == 0:
        shifts = torch.arange(0, _WORD, bits)
        codes: Tensor = words[:, :, None] >> shifts & (1 << bits) - 1
        return codes.flatten(1)
    stream = (words[:, :, None] >> torch.arange(_WORD) & 1).reshape(len(words), -1, bits)
    return (stream << torch.arange(bits)).sum(-1, dtype=torch.int32)
