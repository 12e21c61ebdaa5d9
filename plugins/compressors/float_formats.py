"""Number formats that accelerators of today multiply: FP8, MXFP4, NVFP4, INT4 with FP8 scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from harness.spec.hooks import hookimpl
from harness.spec.specs import CompressorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.compress.compressor import Compressed
    from harness.compress.layers.workspace import Workspace
    from harness.compress.report.summary import CompressionReport
    from harness.compress.text.calibration import Calibration


@dataclass(frozen=True)
class FloatRounding:
    """Round each weight to the nearest number of a format, under the scale of its block.

    Parameters
    ----------
    format : {"fp8", "mxfp4", "nvfp4", "int4fp8"}
        See :mod:`harness.compress.methods.float_formats`.
    inputs : bool
        Round what goes into a layer to FP8 too, token by token (``fp8`` only).
    """

    calibration: ClassVar[None] = None

    format: Literal["fp8", "mxfp4", "nvfp4", "int4fp8"]
    inputs: bool = False

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
            There is no such format, its blocks do not divide a layer, or nothing changed.
        """
        del calibration
        from harness.compress.layers.rewrite import rewrite_layers

        return rewrite_layers(model, self._rounded, workspace)

    def _rounded(self, weight: Tensor) -> Compressed:
        import torch

        from harness.compress.compressor import Compressed
        from harness.compress.methods.float_formats import FloatFormat

        kind = FloatFormat(self.format)
        rows, width = weight.shape
        return Compressed(
            kind.round(weight),
            kind.packed_bits((rows, width)),
            {"format": self.format, "group": kind.block(width)},
            input_scale=torch.ones(width) if self.inputs else None,
            input_bits="fp8" if self.inputs else None,
        )


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return each format, and FP8 with inputs."""
    mx = "Rouhani et al. 2023, Microscaling data formats for deep learning, arXiv:2310.10537"
    nv = "NVIDIA 2025, Pretraining large language models with NVFP4, arXiv:2509.25149"
    fp8 = "Micikevicius et al. 2022, FP8 formats for deep learning, arXiv:2209.05433"
    return [
        _spec("fp8", "fp8", 8, fp8, "E4M3, one scale a row; inputs as they are."),
        _spec("fp8-token", "fp8", 8, fp8, "E4M3; inputs too, one scale a token.", inputs=True),
        _spec("mxfp4", "mxfp4", 4, mx, "E2M1 in blocks of 32 under a power of two."),
        _spec("nvfp4", "nvfp4", 4, nv, "E2M1 in blocks of 16 under an E4M3 scale."),
        _spec("int4-fp8scale", "int4fp8", 4, fp8, "Whole numbers under E4M3 scales a group."),
    ]


def _spec(
    name: str, kind: str, bits: int, citation: str, notes: str, *, inputs: bool = False
) -> CompressorSpec:
    return CompressorSpec(
        name,
        target="brainpress_plugins.compressors.float_formats:FloatRounding",
        options={"format": kind, "inputs": inputs},
        # Version 2 divides by the scale of the layer, as checkpoints do: last bits differ.
        version=2 if kind in ("nvfp4", "int4fp8") else 1,
        method=kind if kind != "int4fp8" else "int4-fp8scale",
        bits=bits,
        tags=("quantization", "weight-activation" if inputs else "weight-only"),
        citation=citation,
        homepage=f"https://arxiv.org/abs/{citation.rpartition(':')[2]}",
        notes=notes,
    )
