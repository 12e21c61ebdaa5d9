"""The gptqmodel library's GPTQ, by way of optimum."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from harness.compress.text.calibration import CalibrationSpec
from harness.spec.hooks import hookimpl
from harness.spec.specs import CompressorSpec

if TYPE_CHECKING:
    from torch import nn

    from harness.compress.layers.linear import Layer
    from harness.compress.layers.workspace import Workspace
    from harness.compress.methods.grid import Grid
    from harness.compress.report.summary import CompressionReport, Detail
    from harness.compress.text.calibration import Calibration


@dataclass(frozen=True)
class GPTQModel:
    """Compress with gptqmodel's GPTQ, on the same layers and calibration text as ours.

    Parameters
    ----------
    bits : {2, 3, 4, 8}
        Bits a code.
    group : int, "auto" or "channel"
        Weights of a row that share a scale. The library takes one size for the whole model:
        ``auto`` is the largest of 128, 64 and 32 that divides the width of every layer.
    symmetric : bool
        Without zero points.
    activation_order : bool
        Decide the columns with the largest inputs first.
    damping : float
        Added to the diagonal of the second moments, as a share of its mean.
    true_sequential : bool
        Measure each group of layers of a block behind the compressed ones before it, as
        ``order="true-sequential"`` does for ours.
    calibration : CalibrationSpec
        The text.
    """

    bits: int = 4
    group: int | Literal["auto", "channel"] = "auto"
    symmetric: bool = False
    activation_order: bool = False
    damping: float = 0.01
    true_sequential: bool = False
    calibration: CalibrationSpec = field(default_factory=CalibrationSpec)

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
        CompressionError
            Bits or group do not fit, or there is no calibration text.
        """
        del workspace
        from harness.compress.layers.linear import block_layers
        from harness.compress.layers.walk import required
        from harness.compress.library import compress_with, require

        require("gptq", "optimum", "gptqmodel")
        tokens = required(calibration).tokens
        widths = {layer.shape[1] for block in block_layers(model) for layer in block}
        grid = self._grid(widths)

        def work(layers: list[Layer]) -> dict[str, Detail]:
            _quantise(model, tokens, self, grid)
            detail: Detail = {"bits": self.bits, "damping": self.damping}
            return {layer.name: detail for layer in layers}

        return compress_with(model, work, lambda layer, _: grid.packed_bits(layer.shape))

    def _grid(self, widths: set[int]) -> Grid:
        from harness.compress.methods.grid import AUTO_GROUPS, Grid

        group = self.group
        if group == "auto":
            fitting = (size for size in AUTO_GROUPS if not any(width % size for width in widths))
            group = next(fitting, "channel")
        grid = Grid(self.bits, group, self.symmetric)
        for width in widths:
            grid.group_size(width)
        return grid


def _quantise(model: nn.Module, tokens: Any, options: GPTQModel, grid: Grid) -> None:
    import torch
    from optimum.gptq import GPTQQuantizer

    class DenseQuantizer(GPTQQuantizer):  # type: ignore[misc]
        """The library's rounding, without its packing: weights stay dense."""

        def pack_model(self, model: nn.Module, quantizers: Any) -> None:
            """Leave the rounded weights where they are."""

        def post_init_model(self, model: nn.Module) -> nn.Module:
            """Leave the model as it is: there is no packed layer to prepare."""
            return model

    quantizer = DenseQuantizer(
        bits=grid.bits,
        dataset=[
            {"input_ids": row[None], "attention_mask": torch.ones_like(row)[None]} for row in tokens
        ],
        group_size=grid.group if isinstance(grid.group, int) else -1,
        damp_percent=options.damping,
        desc_act=options.activation_order,
        act_group_aware=False,
        sym=grid.symmetric,
        true_sequential=options.true_sequential,
        model_seqlen=tokens.shape[1],
    )
    with torch.no_grad():
        quantizer.quantize_model(model)
    for name in ("is_quantized", "quantization_method"):
        if name in vars(model):
            delattr(model, name)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return the library's GPTQ at 4 and 3 bits."""
    return [
        _spec("gptq@gptqmodel-int4", 4),
        _spec("gptq@gptqmodel-int4-actorder", 4, activation_order=True),
        _spec("gptq@gptqmodel-int3", 3),
    ]


def _spec(name: str, bits: int, **options: Any) -> CompressorSpec:
    return CompressorSpec(
        name,
        target="brainpress_plugins.compressors.gptqmodel_library:GPTQModel",
        options={"bits": bits, "calibration": CalibrationSpec(), **options},
        method="gptq@gptqmodel",
        bits=bits,
        calibrated=True,
        extra="gptq",
        tags=("library", "quantization"),
        citation="GPTQModel, ModelCloud; Frantar et al. 2023, GPTQ, ICLR",
        homepage="https://github.com/ModelCloud/GPTQModel",
        notes=(
            "A second implementation, to check ours against: the successor of auto-gptq that "
            "optimum and transformers use."
        ),
    )
