"""NF4: rounding to the quantiles of a normal distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.errors import CompressionError
from harness.spec.hooks import hookimpl
from harness.spec.specs import CompressorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.compress.compressor import Compressed
    from harness.compress.layers.workspace import Workspace
    from harness.compress.report.summary import CompressionReport
    from harness.compress.text.calibration import Calibration

CODES = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)
"""Dettmers et al. 2023, appendix E."""

_ABSMAX_BITS = 32


@dataclass(frozen=True)
class NormalFloat:
    """Round to 4-bit NormalFloat, with one float32 maximum a block of weights.

    Blocks run over the matrix row by row, and may cross rows, as in bitsandbytes; the last may be
    short. Maxima are kept in float32 ("no double quantisation").

    Parameters
    ----------
    block : int
        Weights that share a maximum.
    """

    calibration: ClassVar[None] = None

    block: int = 64

    def compress(
        self,
        model: nn.Module,
        calibration: Calibration | None = None,
        workspace: Workspace | None = None,
    ) -> CompressionReport:
        """Round every linear layer of the blocks, in place.

        Raises
        ------
        CompressionError
            The block is not positive, or nothing changed.
        """
        del calibration
        from harness.compress.layers.rewrite import rewrite_layers

        if self.block < 1:
            raise CompressionError(f"a block of {self.block} weights cannot be", "64 is usual")
        return rewrite_layers(model, self._compressed, workspace)

    def _compressed(self, weight: Tensor) -> Compressed:
        from harness.compress.compressor import Compressed

        blocks = -(-weight.numel() // self.block)
        bits = weight.numel() * 4 + blocks * _ABSMAX_BITS
        return Compressed(round_to_normal_float(weight, self.block), bits, {"group": self.block})


def round_to_normal_float(weight: Tensor, block: int) -> Tensor:
    """Round to 4-bit NormalFloat (Dettmers et al. 2023, QLoRA, section 3).

    Parameters
    ----------
    weight : Tensor
        Of any shape, float32.
    block : int
        Weights that share a maximum, in row-major order.

    Returns
    -------
    Tensor
        Of the same shape.
    """
    import torch

    codes = torch.tensor(CODES, device=weight.device)
    flat = torch.nn.functional.pad(weight.flatten(), (0, -weight.numel() % block))
    blocks = flat.reshape(-1, block)
    largest = blocks.abs().amax(1, keepdim=True)
    normalised = blocks / torch.where(largest > 0, largest, 1)
    nearest = torch.bucketize(normalised, (codes[1:] + codes[:-1]) / 2)
    return (codes[nearest] * largest).flatten()[: weight.numel()].reshape(weight.shape)


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return NF4 in blocks of 64."""
    return [
        CompressorSpec(
            "nf4",
            target="brainpress_plugins.compressors.nf4:NormalFloat",
            options={"block": 64},
            method="nf4",
            bits=4,
            tags=("quantization", "weight-only"),
            citation=(
                "Dettmers, Pagnoni, Holtzman, Zettlemoyer 2023, QLoRA: efficient finetuning of "
                "quantized LLMs, NeurIPS"
            ),
            homepage="https://arxiv.org/abs/2305.14314",
            notes="One float32 maximum a block of 64 weights; maxima are not quantised again.",
        )
    ]
