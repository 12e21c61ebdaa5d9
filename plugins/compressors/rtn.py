"""Round to nearest: the plainest quantisation, and the one the others must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from harness.spec.hooks import hookimpl
from harness.spec.specs import CompressorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.compress.compressor import Compressed
    from harness.compress.layers.workspace import Workspace
    from harness.compress.methods.grid import Grid
    from harness.compress.report.summary import CompressionReport
    from harness.compress.text.calibration import Calibration


@dataclass(frozen=True)
class RoundToNearest:
    """Round each weight to the nearest point of a uniform grid over its group's range.

    Parameters
    ----------
    bits : {2, 3, 4, 8}
        Bits a code.
    group : int, "auto" or "channel"
        Weights of a row that share a scale; see :class:`harness.compress.methods.grid.Grid`.
    symmetric : bool
        Without zero points.
    """

    calibration: ClassVar[None] = None

    bits: int = 4
    group: int | Literal["auto", "channel"] = "auto"
    symmetric: bool = False

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
            Bits or group do not fit, or nothing changed.
        """
        del calibration
        from harness.compress.layers.rewrite import rewrite_layers
        from harness.compress.methods.grid import Grid

        grid = Grid(self.bits, self.group, self.symmetric)
        return rewrite_layers(model, lambda weight: _round(weight, grid), workspace)


def _round(weight: Tensor, grid: Grid) -> Compressed:
    from harness.compress.compressor import Compressed
    from harness.compress.methods.grid import round_to_grid

    shape = (weight.shape[0], weight.shape[1])
    detail = {"bits": grid.bits, "group": grid.group_size(shape[1])}
    return Compressed(round_to_grid(weight, grid), grid.packed_bits(shape), detail)


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return round-to-nearest at 8, 4, 3 and 2 bits."""
    return [
        _spec("rtn-int8", 8, "channel", symmetric=True),
        _spec("rtn-int4", 4, "auto"),
        _spec("rtn-int4-g32", 4, 32),
        _spec("rtn-int4-g64", 4, 64),
        _spec("rtn-int4-g128", 4, 128),
        _spec("rtn-int4-channel", 4, "channel"),
        _spec("rtn-int4-symmetric", 4, "auto", symmetric=True),
        _spec("rtn-int3", 3, "auto"),
        _spec("rtn-int3-channel", 3, "channel"),
        _spec("rtn-int2", 2, "auto"),
    ]


def _spec(
    name: str, bits: int, group: int | Literal["auto", "channel"], *, symmetric: bool = False
) -> CompressorSpec:
    return CompressorSpec(
        name,
        target="brainpress_plugins.compressors.rtn:RoundToNearest",
        options={"bits": bits, "group": group, "symmetric": symmetric},
        method="rtn",
        bits=bits,
        tags=("quantization", "weight-only"),
        citation=(
            "Jacob et al. 2018, Quantization and training of neural networks for efficient "
            "integer-arithmetic-only inference, CVPR; as baseline in Frantar et al. 2023, GPTQ, "
            "ICLR"
        ),
        homepage="https://arxiv.org/abs/1712.05877",
        notes=_notes(group),
    )


def _notes(group: int | Literal["auto", "channel"]) -> str:
    if group == "channel":
        return "One scale a row of each weight matrix."
    if group == "auto":
        return "Groups of the largest of 128, 64, 32 that divides a layer's width, else whole rows."
    return f"Groups of {group}; a layer whose width {group} does not divide is an error."
