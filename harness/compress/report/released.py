"""The size of a checkpoint that was published packed, as its files have it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from harness.compress.report.accounting import VALUE_BITS, packed_bytes

_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8,
         "U8": 8, "BOOL": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F4": 4}  # fmt: skip
_PLAIN = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True)
class Released:
    """What the files of a packed checkpoint hold.

    Parameters
    ----------
    bits : int
        Of all tensors: plain weights at 16 bits a value, whatever they are stored in; codes, scales
        and maps as they are stored.
    parameters : int
        Of the model that the files stand for, a shared one counted once.
    """

    bits: int
    parameters: int

    @property
    def bits_per_weight(self) -> float:
        """Bits a parameter, over the whole model."""
        return self.bits / self.parameters

    @property
    def bytes_packed(self) -> int:
        """Whole bytes."""
        return packed_bytes(self.bits)


def released(folder: Path, config: Any) -> Released:
    """Count what a folder of safetensors holds.

    Parameters
    ----------
    folder : Path
        A packed checkpoint.
    config : PretrainedConfig
        Of the model that it stands for; how it was packed does not matter.
    """
    import torch
    from safetensors import safe_open
    from transformers import AutoModelForCausalLM

    bits = 0
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118
                view = file.get_slice(name)
                kind = view.get_dtype()
                plain = kind in _PLAIN and name.endswith((".weight", ".bias"))
                bits += prod(view.get_shape()) * (VALUE_BITS if plain else _BITS.get(kind, 8))
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model.tie_weights()
    return Released(bits, sum(parameter.numel() for parameter in model.parameters()))
