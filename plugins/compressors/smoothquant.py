"""SmoothQuant: 8-bit weights and activations, after moving outliers from one to the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from harness.compress.text.calibration import CalibrationSpec
from harness.errors import CompressionError
from harness.spec.hooks import hookimpl
from harness.spec.specs import CompressorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.compress.compressor import Compressed
    from harness.compress.layers.observe import SharedInput
    from harness.compress.layers.workspace import Workspace
    from harness.compress.report.summary import CompressionReport
    from harness.compress.text.calibration import Calibration

_SMALLEST = 1e-5


@dataclass(frozen=True)
class SmoothQuant:
    """Round weights per channel and activations per token (Xiao et al. 2023).

    Inputs that come out of a norm are divided by ``max|x|^a / max|w|^(1 - a)`` and the weights
    multiplied by it (eq. 4), which the norm takes in for nothing; other inputs are rounded as they
    are, as in the paper. Experts that are stacked in one module have their common input rounded;
    what their second product multiplies is made within the module and stays at 16 bits.

    Parameters
    ----------
    bits : {4, 8}
        Bits of weights and of activations.
    strength : float
        How much of the difficulty moves to the weights, a in [0, 1].
    order : {"sequential", "true-sequential", "dense"}
        What a block is measured on; see :class:`harness.compress.layers.walk.Order`.
    calibration : CalibrationSpec
        The text.
    """

    bits: int = 8
    strength: float = 0.5
    order: Literal["sequential", "true-sequential", "dense"] = "dense"
    calibration: CalibrationSpec = field(default_factory=CalibrationSpec)

    def compress(
        self,
        model: nn.Module,
        calibration: Calibration | None = None,
        workspace: Workspace | None = None,
    ) -> CompressionReport:
        """Round every linear layer of the blocks and its inputs, in place.

        Raises
        ------
        CompressionError
            The strength is not in [0, 1], or there is no calibration text.
        """
        from harness.compress.layers.walk import walk

        if not 0 <= self.strength <= 1:
            raise CompressionError(
                f"a migration strength of {self.strength} cannot be", "0.5 is usual, in [0, 1]"
            )
        return walk(model, calibration, self._round, order=self.order, workspace=workspace)

    def _round(self, weights: Sequence[Tensor], shared: SharedInput) -> list[Compressed]:
        from harness.compress.compressor import Compressed
        from harness.compress.methods.grid import Grid, round_to_grid

        grid = Grid(self.bits, "channel", symmetric=True)
        scale = smoothing(weights, shared, self.strength)
        return [
            Compressed(
                round_to_grid(weight * scale, grid) / scale,
                grid.packed_bits((weight.shape[0], weight.shape[1])),
                {"bits": self.bits, "group": weight.shape[1]},
                input_scale=scale,
                input_bits=self.bits,
            )
            for weight in weights
        ]


def smoothing(weights: Sequence[Tensor], shared: SharedInput, strength: float) -> Tensor:
    """Return the scale of each input (Xiao et al. 2023, eq. 4).

    Parameters
    ----------
    weights : sequence of Tensor
        (out, in): all layers that share the input.
    shared : SharedInput
        The input.
    strength : float
        In [0, 1].

    Returns
    -------
    Tensor
        (in,); ones where no norm can take a scale in.
    """
    import torch

    maxima = shared.statistics.maxima
    if not shared.after_norm:
        return torch.ones_like(maxima)
    largest = torch.stack([weight.abs().amax(0) for weight in weights]).amax(0)
    scale = maxima.pow(strength) / largest.clamp(min=_SMALLEST).pow(1 - strength)
    return scale.clamp(min=_SMALLEST)


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return SmoothQuant at 8 bits, and at 4."""
    return [_spec("smoothquant-int8", 8), _spec("smoothquant-int4", 4)]


def _spec(name: str, bits: int) -> CompressorSpec:
    return CompressorSpec(
        name,
        target="brainpress_plugins.compressors.smoothquant:SmoothQuant",
        options={"bits": bits, "strength": 0.5, "calibration": CalibrationSpec()},
        method="smoothquant",
        bits=bits,
        calibrated=True,
        tags=("quantization", "weight-activation"),
        citation=(
            "Xiao et al. 2023, SmoothQuant: accurate and efficient post-training quantization for "
            "large language models, ICML"
        ),
        homepage="https://arxiv.org/abs/2211.10438",
        notes="Activations are rounded per token while the model runs, weights per channel.",
    )
