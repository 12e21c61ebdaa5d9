"""HQQ: rounding with zero points that make large errors few, without any text."""

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

_STEPS = 20
_POWER = 0.7
_STRENGTH = 10.0
_GROWTH = 1.01


@dataclass(frozen=True)
class HalfQuadratic:
    """Round with zero points found by half-quadratic splitting (Badri & Shaji 2023).

    The error is split into a sparse part, found by shrinkage in the ``l_p`` norm with p = .7, and
    the rest, which the zero point makes up for; the two are taken in turns. A control for methods
    that are calibrated: it sees weights alone.

    Parameters
    ----------
    bits : {2, 3, 4, 8}
        Bits a code.
    group : int, "auto" or "channel"
        Weights of a row that share a scale; see :class:`harness.compress.methods.grid.Grid`.
    """

    calibration: ClassVar[None] = None

    bits: int = 4
    group: int | Literal["auto", "channel"] = "auto"

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

        grid = Grid(self.bits, self.group)
        return rewrite_layers(model, lambda weight: _compressed(weight, grid), workspace)


def _compressed(weight: Tensor, grid: Grid) -> Compressed:
    from harness.compress.compressor import Compressed

    rows, width = weight.shape
    detail = {"bits": grid.bits, "group": grid.group_size(width)}
    return Compressed(round_half_quadratic(weight, grid), grid.packed_bits((rows, width)), detail)


def round_half_quadratic(weight: Tensor, grid: Grid) -> Tensor:
    """Round a weight, its zero points moved so that most errors are small.

    Parameters
    ----------
    weight : Tensor
        (out, in), float32.
    grid : Grid
        Bits and group, not symmetric. Scales and zero points are stored in half precision; here
        a zero point is no whole number.

    Returns
    -------
    Tensor
        (out, in), float32.
    """
    import torch

    rows, width = weight.shape
    groups = weight.reshape(rows, -1, grid.group_size(width))
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    steps = 2**grid.bits - 1
    # The step in half precision, as it is stored; its reciprocal is what the paper calls scale.
    step = ((high - low) / steps).clamp(2.0**-24, 65504.0).half().float()
    zero = -low / step
    strength, best, found = _STRENGTH, torch.inf, zero
    for _ in range(_STEPS):
        codes = torch.round(groups / step + zero).clamp(0, steps)
        error = groups - (codes - zero) * step
        mean = float(error.abs().mean())
        if mean >= best:
            break
        best, found = mean, zero
        sparse = _shrunk(error, strength)
        zero = (codes - (groups - sparse) / step).mean(-1, keepdim=True)
        strength *= _GROWTH
    zero = found.half().float()
    codes = torch.round(groups / step + zero).clamp(0, steps)
    rounded: torch.Tensor = (codes - zero) * step
    return rounded.reshape(rows, width)


def _shrunk(error: Tensor, strength: float) -> Tensor:
    """Solve ``min |x|^p + strength / 2 (x - error)^2``, p = .7, by generalised soft thresholds."""
    import torch

    size = error.abs()
    threshold = size.clamp(min=1e-12).pow(_POWER - 1) / strength
    shrunk: Tensor = error.sign() * torch.relu(size - threshold)
    return shrunk


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return HQQ at 4, 3 and 2 bits."""
    return [_spec("hqq-int4", 4), _spec("hqq-int3", 3), _spec("hqq-int2", 2)]


def _spec(name: str, bits: int) -> CompressorSpec:
    return CompressorSpec(
        name,
        target="brainpress_plugins.compressors.hqq:HalfQuadratic",
        options={"bits": bits, "group": "auto"},
        method="hqq",
        bits=bits,
        tags=("quantization", "weight-only"),
        citation="Badri, Shaji 2023, Half-quadratic quantization of large machine learning models",
        homepage="https://mobiusml.github.io/hqq_blog/",
        notes="No calibration text: a control for methods that have one.",
    )
