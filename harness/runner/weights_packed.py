"""A folder of dense weights that stand on a grid, packed as compressed-tensors packs them.

Integers of 2 to 8 bits are ``pack-quantized`` (codes in 32-bit words, scales in half precision,
zero points where a layer needs them), FP8 is ``float-quantized``, MXFP4 and NVFP4 are
``mxfp4-pack-quantized`` and ``nvfp4-pack-quantized``. All are read by transformers and vLLM through
the library compressed-tensors, and by brainpress without it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import CompressionError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.spec.specs import CompressorSpec

_INDEX = "model.safetensors.index.json"
_FOURS = {"mxfp4": 32, "nvfp4": 16}
"""Formats of four-bit floats, and the weights of a row that share a scale."""


@dataclass(frozen=True)
class Scheme:
    """What layers of one kind share in the config.

    Parameters
    ----------
    bits : int
    kind : {"int", "float"}
    group : int
        Weights of a row that share a scale; 0: the whole row.
    symmetric : bool
        Without zero points.
    """

    bits: int
    kind: str
    group: int
    symmetric: bool

    def described(self, layers: list[str]) -> dict[str, Any]:
        """Return a group of the config."""
        weights: dict[str, Any] = {
            "num_bits": self.bits,
            "type": self.kind,
            "symmetric": self.symmetric,
            "strategy": "group" if self.group else "channel",
            "group_size": self.group or None,
            "dynamic": False,
        }
        form = "pack-quantized" if self.kind == "int" else "float-quantized"
        if self.group == _FOURS["mxfp4"] and self.kind == "float":
            form, weights["scale_dtype"] = "mxfp4-pack-quantized", "torch.uint8"
        elif self.group == _FOURS["nvfp4"] and self.kind == "float":
            form, weights["scale_dtype"] = "nvfp4-pack-quantized", "torch.float8_e4m3fn"
            weights["strategy"] = "tensor_group"  # a scale of the layer over those of its groups
        return {"targets": layers, "weights": weights, "format": form}


@dataclass(frozen=True)
class Layout:
    """How the layers of a method are packed.

    Parameters
    ----------
    bits : int
        Bits a code; 0: floats.
    group : int or str
        As for :class:`harness.compress.methods.grid.Grid`.
    floats : {"", "fp8", "mxfp4", "nvfp4"}
        Which floats; none where there are bits.
    """

    bits: int
    group: int | str = "channel"
    floats: str = ""


def layout(spec: CompressorSpec, dtype: str) -> Layout:
    """Return how what a compressor makes is packed.

    Parameters
    ----------
    spec : CompressorSpec
    dtype : str
        The precision of the run.

    Raises
    ------
    CompressionError
        The format has no such form, or none that gives back what a run in this precision scored.
    """
    from harness.spec.specs import load_target

    compressor = load_target(spec)
    floats = getattr(compressor, "format", None)
    if floats in _FOURS and dtype != "bfloat16":
        raise CompressionError(
            f"compressed-tensors reads {floats} as bfloat16, and {spec.name} was scored in {dtype}",
            "run in bfloat16 (--dtype bfloat16), or leave out --packed",
        )
    if floats == "fp8" or floats in _FOURS:
        return Layout(0, floats=floats)
    bits = getattr(compressor, "bits", None)
    if not isinstance(bits, int) or getattr(compressor, "changes_no_weight", False):
        raise CompressionError(
            f"{spec.name} has no form that brainpress packs as compressed-tensors does",
            "rtn, gptq, gptaq, sparsegpt with bits, fp8, mxfp4 and nvfp4 have one; leave out "
            "--packed",
        )
    return Layout(bits, getattr(compressor, "group", "channel"))


def pack_folder(folder: Path, model: nn.Module, layers: Collection[str], how: Layout) -> None:
    """Pack the compressed layers of a folder that holds their dense values.

    Parameters
    ----------
    folder : Path
        What ``save_pretrained`` wrote.
    model : nn.Module
        The compressed model.
    layers : collection of str
        Names of the compressed layers.
    how : Layout
        From :func:`layout`.

    Raises
    ------
    CompressionError
        A layer is no module of its own with a weight (out, in), its values are no codes, or the
        folder does not hold it under the model's name.
    """
    from safetensors import safe_open
    from safetensors.torch import save_file
    from torch import nn

    for name in layers:
        if name.endswith("]") or not isinstance(model.get_submodule(name), nn.Linear):
            raise CompressionError(
                f"{name} is no nn.Linear: compressed-tensors packs no other layer",
                "leave out --packed",
            )
    schemes: dict[Scheme, list[str]] = {}
    where: dict[str, str] = {}
    size = 0
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        for name in [key.removesuffix(".weight") for key in tensors]:
            if name in layers:
                scheme, parts = _packed(name, tensors.pop(f"{name}.weight"), how)
                schemes.setdefault(scheme, []).append(name)
                tensors |= {f"{name}.{part}": tensor for part, tensor in parts.items()}
        save_file(tensors, path, metadata={"format": "pt"})
        where |= dict.fromkeys(tensors, path.name)
        size += sum(tensor.nbytes for tensor in tensors.values())
    found = {name for names in schemes.values() for name in names}
    if missing := sorted(set(layers) - found):
        raise CompressionError(
            f"{folder} does not hold {missing[0]} under this name: the architecture is saved in "
            "another layout",
            "leave out --packed",
        )
    if (folder / _INDEX).exists():
        index = {"metadata": {"total_size": size}, "weight_map": where}
        (folder / _INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")
    _describe(folder, model, schemes)


def _packed(name: str, weight: Tensor, how: Layout) -> tuple[Scheme, dict[str, Tensor]]:
    """Return how a weight is packed, and its parts."""
    import torch

    from harness.compress.methods.grid import Grid
    from harness.compress.methods.recover import e4m3_codes, whole_codes
    from harness.lm.packed_words import packed_rows

    bits = how.bits
    try:
        if how.floats == "fp8":
            numbers, scale = e4m3_codes(weight.float())
            return Scheme(8, "float", 0, True), {"weight": numbers, "weight_scale": scale}
        if how.floats:
            return _packed_fours(weight, how.floats)
        group = Grid(bits, how.group).group_size(weight.shape[1])  # type: ignore[arg-type]
        found = whole_codes(weight.float(), bits, group)
    except CompressionError as error:
        raise CompressionError(
            f"{name}: {error.message}",
            "scales of inputs (awq), zero points between codes (hqq), rotations, and runs in half "
            "precision take weights off such a grid; leave out --packed",
        ) from error
    rows, width = weight.shape
    half, symmetric = 1 << (bits - 1), found.fits_symmetric(bits)
    zero = torch.zeros_like(found.lowest) if symmetric else -half - found.lowest
    codes = found.codes + zero.repeat_interleave(group, 1)
    parts = {
        "weight_packed": packed_rows(codes + half, bits),
        "weight_scale": found.scale,
        "weight_shape": torch.tensor([rows, width]),
    }
    if not symmetric:
        parts["weight_zero_point"] = packed_rows((zero + half).T, bits).T.contiguous()
    return Scheme(bits, "int", 0 if group == width else group, symmetric), parts


def _packed_fours(weight: Tensor, form: str) -> tuple[Scheme, dict[str, Tensor]]:
    from harness.compress.methods.recover_e2m1 import mxfp4_codes, nvfp4_codes

    found = (mxfp4_codes if form == "mxfp4" else nvfp4_codes)(weight, _FOURS[form])
    parts = {"weight_packed": found.bytes(), "weight_scale": found.scale}
    if found.overall is not None:
        parts["weight_global_scale"] = found.overall
    return Scheme(4, "float", _FOURS[form], True), parts


def _describe(folder: Path, model: nn.Module, schemes: Mapping[Scheme, list[str]]) -> None:
    """Say in the config what was packed how."""
    from torch import nn

    packed = {name for names in schemes.values() for name in names}
    formats = {scheme.described([])["format"] for scheme in schemes}
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["quantization_config"] = {
        "quant_method": "compressed-tensors",
        "format": formats.pop() if len(formats) == 1 else "mixed-precision",
        "quantization_status": "compressed",
        "config_groups": {
            f"group_{place}": scheme.described(sorted(names))
            for place, (scheme, names) in enumerate(schemes.items())
        },
        "ignore": sorted(
            name
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and name not in packed
        ),
    }
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
