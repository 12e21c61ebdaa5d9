"""The bitsandbytes library's NF4 and LLM.int8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from harness.spec.hooks import hookimpl
from harness.spec.specs import CompressorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.compress.layers.linear import Layer
    from harness.compress.layers.workspace import Workspace
    from harness.compress.report.summary import CompressionReport, Detail
    from harness.compress.text.calibration import Calibration

_ABSMAX_BITS = 32
_BLOCK = 64


@dataclass(frozen=True)
class BitsAndBytes:
    """Round weights with bitsandbytes' own kernels, and keep the values they stand for.

    Parameters
    ----------
    method : {"nf4", "int8"}
        ``nf4``: 4-bit NormalFloat in blocks of 64. ``int8``: the weights of LLM.int8, one scale a
        row; its inputs stay as they are (the library keeps outliers of the inputs at 16 bits, by
        batch, which would make a recording depend on what it was batched with).
    """

    calibration: ClassVar[None] = None

    method: Literal["nf4", "int8"]

    def compress(
        self,
        model: nn.Module,
        calibration: Calibration | None = None,
        workspace: Workspace | None = None,
    ) -> CompressionReport:
        """Round every linear layer of the blocks, in place.

        Raises
        ------
        ExtraMissing
            The library is not installed.
        """
        del calibration, workspace
        from harness.compress.library import compress_with, require

        require("bnb", "bitsandbytes")
        rounding = _nf4 if self.method == "nf4" else _int8

        def work(layers: list[Layer]) -> dict[str, Detail]:
            for layer in layers:
                layer.assign(rounding(layer.weight()))
            return {}

        return compress_with(model, work, self._packed_bits)

    def _packed_bits(self, layer: Layer, weight: Tensor) -> int:
        if self.method == "nf4":
            return weight.numel() * 4 + -(-weight.numel() // _BLOCK) * _ABSMAX_BITS
        return weight.numel() * 8 + layer.shape[0] * _ABSMAX_BITS


def _nf4(weight: Tensor) -> Tensor:
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    # Flat: on a CPU the library reads a matrix narrower than a block back wrong.
    packed, state = quantize_4bit(weight.flatten(), blocksize=_BLOCK, quant_type="nf4")
    rounded: Tensor = dequantize_4bit(packed, state)
    return rounded.reshape(weight.shape)


def _int8(weight: Tensor) -> Tensor:
    from bitsandbytes.functional import int8_vectorwise_dequant, int8_vectorwise_quant

    codes, scales, _ = int8_vectorwise_quant(weight.half())
    rounded: Tensor = int8_vectorwise_dequant(codes, scales)
    return rounded.float()


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return the library's NF4 and int8."""
    return [
        _spec("nf4@bitsandbytes", "nf4", 4, "Dettmers et al. 2023, QLoRA, NeurIPS"),
        _spec("int8@bitsandbytes", "int8", 8, "Dettmers et al. 2022, LLM.int8(), NeurIPS"),
    ]


def _spec(name: str, method: str, bits: int, citation: str) -> CompressorSpec:
    return CompressorSpec(
        name,
        target="brainpress_plugins.compressors.bitsandbytes_library:BitsAndBytes",
        options={"method": method},
        method=f"{method}@bitsandbytes",
        bits=bits,
        extra="bnb",
        tags=("library", "quantization", "weight-only"),
        citation=f"bitsandbytes; {citation}",
        homepage="https://github.com/bitsandbytes-foundation/bitsandbytes",
        notes="A second implementation, to check ours against. Weights only.",
    )
