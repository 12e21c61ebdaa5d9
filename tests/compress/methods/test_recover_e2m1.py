"""Four-bit floats from values alone: the same values come out, bit by bit, as they are read."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

from harness.compress.methods.float_formats import FloatFormat, Format
from harness.compress.methods.recover_e2m1 import Fours, mxfp4_codes, nvfp4_codes
from harness.errors import CompressionError
from harness.lm.compressed_layers import dense_weight

FIND = {"mxfp4": mxfp4_codes, "nvfp4": nvfp4_codes}


def drawn(seed: int, rows: int = 24, width: int = 128) -> torch.Tensor:
    weight = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)) / 7
    weight[3] = 0
    weight[5] = weight[5].abs()
    weight[7, :64] *= 1e-6
    weight[8] *= 1e-3
    weight[9, 4] = 11.0
    return weight


def parts(found: Fours) -> dict[str, torch.Tensor]:
    tensors = {"weight_packed": found.bytes(), "weight_scale": found.scale}
    return tensors if found.overall is None else tensors | {"weight_global_scale": found.overall}


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("mxfp4", torch.float32), ("mxfp4", torch.bfloat16), ("nvfp4", torch.bfloat16)],
)
@pytest.mark.parametrize("seed", range(12))
def test_rounded_weights_come_back(kind: Format, seed: int, dtype: torch.dtype) -> None:
    # A run in bfloat16 rounds weights that are of bfloat16: products of few bits, and many ties.
    weight = FloatFormat(kind).round(drawn(seed).to(dtype).float()).to(dtype)
    read = dense_weight(parts(FIND[kind](weight)))
    assert torch.equal(read.to(dtype), weight)
    assert torch.equal(torch.signbit(read)[weight != 0], torch.signbit(weight)[weight != 0])


@pytest.mark.parametrize("largest", [2.734375, 2.296875, 1.3671875])
def test_ties_of_bfloat16_come_back(largest: float) -> None:
    weight = drawn(0, 256, 256).bfloat16().float()
    weight[9, 4] = largest
    weight = FloatFormat("nvfp4").round(weight.clamp(-largest, largest)).bfloat16()
    assert torch.equal(dense_weight(parts(nvfp4_codes(weight))).bfloat16(), weight)


@pytest.mark.skipif(find_spec("compressed_tensors") is None, reason="needs compressed-tensors")
@pytest.mark.parametrize("kind", FIND)
def test_the_library_reads_the_same(kind: Format) -> None:
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme

    weight = FloatFormat(kind).round(drawn(1)).bfloat16()
    nv = kind == "nvfp4"
    described = QuantizationArgs(
        num_bits=4,
        type="float",
        strategy="tensor_group" if nv else "group",
        group_size=16 if nv else 32,
        scale_dtype=torch.float8_e4m3fn if nv else torch.uint8,
    )
    scheme = QuantizationScheme(targets=["Linear"], weights=described)
    compressor = BaseCompressor.get_value_from_registry(f"{kind}-pack-quantized")
    read = compressor.decompress(parts(FIND[kind](weight)), scheme)["weight"]
    assert read.dtype == torch.bfloat16
    assert torch.equal(read, weight)


@pytest.mark.parametrize("kind", FIND)
def test_zeros_come_back(kind: Format) -> None:
    found = FIND[kind](torch.zeros(4, 64, dtype=torch.bfloat16))
    assert not bool(dense_weight(parts(found)).any())


@pytest.mark.parametrize("kind", FIND)
def test_what_stands_on_no_grid_is_refused(kind: Format) -> None:
    with pytest.raises(CompressionError, match="are no E2M1 numbers"):
        FIND[kind](drawn(0).bfloat16())
    with pytest.raises(CompressionError, match="do not divide rows of 40"):
        FIND[kind](torch.zeros(4, 40, dtype=torch.bfloat16))
