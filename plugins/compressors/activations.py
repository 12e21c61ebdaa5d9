"""Activations alone: what goes into layers is rounded token by token, and no weight is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from harness.errors import CompressionError
from harness.spec.hooks import hookimpl
from harness.spec.specs import CompressorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.compress.compressor import Compressed
    from harness.compress.layers.workspace import Workspace
    from harness.compress.report.summary import CompressionReport
    from harness.compress.text.calibration import Calibration


@dataclass(frozen=True)
class RoundActivations:
    """Round the input of every linear layer of the blocks, one scale a token.

    A control for what a method that rounds weights and inputs owes to the inputs: the model is as
    large as it was, and its states differ. The second product of stacked experts takes its inputs
    as they are.

    Parameters
    ----------
    bits : {4, 8} or "fp8"
        Whole numbers on a symmetric grid over the token's range, or E4M3.
    """

    calibration: ClassVar[None] = None

    bits: Literal[4, 8, "fp8"] = 8

    def compress(
        self,
        model: nn.Module,
        calibration: Calibration | None = None,
        workspace: Workspace | None = None,
    ) -> CompressionReport:
        """Make every linear layer of the blocks round its input, in place.

        Raises
        ------
        CompressionError
            There is no such number of bits, or no layer.
        """
        del calibration
        from harness.compress.layers.rewrite import rewrite_layers

        if self.bits not in (4, 8, "fp8"):
            raise CompressionError(
                f"inputs of {self.bits!r} bits cannot be", "choose 4, 8 or 'fp8'"
            )
        return rewrite_layers(model, self._as_it_was, workspace)

    def _as_it_was(self, weight: Tensor) -> Compressed:
        import torch

        from harness.compress.compressor import Compressed
        from harness.compress.report.accounting import dense_bits

        scale = torch.ones(weight.shape[1], device=weight.device)
        return Compressed(
            weight, dense_bits(weight.numel()), input_scale=scale, input_bits=self.bits
        )


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return inputs of 8 bits, of 4 bits, and of E4M3."""
    return [
        _spec("activations-int8", 8),
        _spec("activations-int4", 4),
        _spec("activations-fp8", "fp8"),
    ]


def _spec(name: str, bits: int | str) -> CompressorSpec:
    return CompressorSpec(
        name,
        target="brainpress_plugins.compressors.activations:RoundActivations",
        options={"bits": bits},
        method="activations",
        bits=16,
        tags=("quantization", "activation-only"),
        citation=(
            "Dettmers, Lewis, Belkada, Zettlemoyer 2022, LLM.int8(): 8-bit matrix multiplication "
            "for transformers at scale, NeurIPS"
        ),
        homepage="https://arxiv.org/abs/2208.07339",
        notes="No weight is changed: the size is the model's own. One scale a token.",
    )
