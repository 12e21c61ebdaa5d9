"""AWQ: rounding after scaling up the weights of the inputs that matter, and clipping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from harness.compress.text.calibration import CalibrationSpec
from harness.spec.hooks import hookimpl
from harness.spec.specs import CompressorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.compress.compressor import Compressed
    from harness.compress.layers.observe import SharedInput
    from harness.compress.layers.workspace import Workspace
    from harness.compress.methods.grid import Grid
    from harness.compress.report.summary import CompressionReport
    from harness.compress.text.calibration import Calibration

_STEPS = 20
_SMALLEST_SCALE = 1e-4
_CLIP_STEPS = 10
"""Ranges from 1 down to .55 of the largest weight are tried, in steps of .05."""


@dataclass(frozen=True)
class AWQ:
    """Scale each input by a power of its mean magnitude, clip, and round (Lin et al. 2024).

    The power is searched on a grid so that the output error of the layers that share the input is
    least (eq. 4), and the clipping of each group likewise. Both errors are taken from the inputs'
    second moments, which gives what running the text would.

    Deviations from the authors' code: the error is that of the layers themselves, not of the
    attention or MLP around them; scales that no norm can take in are stored (16 bits an input, and
    counted) where the code folds them into the layer before, or gives up; every layer is clipped,
    where the code leaves out queries and keys.

    Parameters
    ----------
    bits : {2, 3, 4, 8}
        Bits a code.
    group : int, "auto" or "channel"
        Weights of a row that share a scale; see :class:`harness.compress.methods.grid.Grid`.
    symmetric : bool
        Without zero points.
    order : {"sequential", "true-sequential", "dense"}
        What a block is measured on; see :class:`harness.compress.layers.walk.Order`.
    calibration : CalibrationSpec
        The text.
    """

    bits: int = 4
    group: int | Literal["auto", "channel"] = "auto"
    symmetric: bool = False
    order: Literal["sequential", "true-sequential", "dense"] = "dense"
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
        CompressionError
            Bits or group do not fit, or there is no calibration text.
        """
        from harness.compress.layers.walk import walk
        from harness.compress.methods.grid import Grid

        grid = Grid(self.bits, self.group, self.symmetric)
        return walk(
            model,
            calibration,
            lambda weights, shared: round_scaled(weights, shared, grid),
            order=self.order,
            workspace=workspace,
        )


def round_scaled(weights: Sequence[Tensor], shared: SharedInput, grid: Grid) -> list[Compressed]:
    """Round layers that share an input, by AWQ.

    Parameters
    ----------
    weights : sequence of Tensor
        (out, in) each, float32.
    shared : SharedInput
        The layers and their input.
    grid : Grid
        What to round to.

    Returns
    -------
    list of Compressed
    """
    import torch

    from harness.compress.compressor import Compressed
    from harness.compress.report.accounting import SCALE_BITS

    moments = shared.statistics.moments
    stacked = torch.cat(list(weights))
    scale, power = search_scale(stacked, shared, grid)
    scaled = round_clipped(stacked * scale, moments / torch.outer(scale, scale), grid)
    parts = torch.split_with_sizes(scaled / scale, [len(weight) for weight in weights])
    detail = {"bits": grid.bits, "group": grid.group_size(stacked.shape[1]), "power": power}
    # One copy of the scales serves all layers of the group; a norm takes them in for nothing.
    extra = [0 if shared.after_norm or index else len(scale) for index in range(len(parts))]
    return [
        Compressed(
            part,
            grid.packed_bits((part.shape[0], part.shape[1])) + stored * SCALE_BITS,
            detail,
        )
        for part, stored in zip(parts, extra, strict=True)
    ]


def search_scale(weight: Tensor, shared: SharedInput, grid: Grid) -> tuple[Tensor, float]:
    """Find the scale of each input (Lin et al. 2024, eq. 4 and 5).

    Parameters
    ----------
    weight : Tensor
        (out, in): the layers that share the input, one above the other.
    shared : SharedInput
        Their input.
    grid : Grid
        What will be rounded to.

    Returns
    -------
    scale : Tensor
        (in,).
    power : float
        Of the mean magnitude; 0 is plain rounding.
    """
    from harness.compress.methods.grid import round_to_grid
    from harness.compress.methods.moments import output_power

    best: tuple[float, Tensor, float] | None = None
    for step in range(_STEPS):
        power = step / _STEPS
        scale = shared.statistics.magnitude.pow(power).clamp(min=_SMALLEST_SCALE)
        scale = scale / (scale.max() * scale.min()).sqrt()
        rounded = round_to_grid(weight * scale, grid) / scale
        error = output_power(rounded - weight, shared.statistics.moments)
        if best is None or error < best[0]:
            best = error, scale, power
    assert best is not None
    return best[1], best[2]


def round_clipped(weight: Tensor, moments: Tensor, grid: Grid) -> Tensor:
    """Clip each group where that lowers the error of its share of the output, and round.

    Parameters
    ----------
    weight : Tensor
        (out, in).
    moments : Tensor
        (in, in): second moments of the input.
    grid : Grid
        What to round to.

    Returns
    -------
    Tensor
        (out, in).
    """
    import torch

    from harness.compress.methods.grid import round_to_grid

    rows, width = weight.shape
    size = grid.group_size(width)
    groups = weight.reshape(rows, -1, size)
    # (groups, size, size): the blocks on the diagonal.
    blocks = torch.stack([moments[at : at + size, at : at + size] for at in range(0, width, size)])
    largest = groups.abs().amax(-1, keepdim=True)
    best = torch.full((rows, width // size), torch.inf, device=weight.device)
    found = torch.empty_like(groups)
    for step in range(_CLIP_STEPS):
        bound = largest * (1 - step / _STEPS)
        clipped = torch.minimum(torch.maximum(groups, -bound), bound).reshape(rows, width)
        rounded = round_to_grid(clipped, grid).reshape(groups.shape)
        change = (rounded - groups).transpose(0, 1)
        error = ((change @ blocks) * change).sum(-1).T
        better = error < best
        best = torch.where(better, error, best)
        found = torch.where(better[..., None], rounded, found)
    return found.reshape(rows, width)


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return AWQ at 4 and 3 bits."""
    return [
        _spec("awq-int4", bits=4),
        _spec("awq-int4-g64", bits=4, group=64),
        _spec("awq-int4-g128", bits=4, group=128),
        _spec("awq-int3", bits=3),
    ]


def _spec(name: str, *, bits: int, **options: Any) -> CompressorSpec:
    return CompressorSpec(
        name,
        target="brainpress_plugins.compressors.awq:AWQ",
        options={"bits": bits, "calibration": CalibrationSpec(), **options},
        method="awq",
        bits=bits,
        calibrated=True,
        tags=("quantization", "weight-only"),
        citation=(
            "Lin et al. 2024, AWQ: activation-aware weight quantization for on-device LLM "
            "compression and acceleration, MLSys"
        ),
        homepage="https://arxiv.org/abs/2306.00978",
        notes=(
            "Groups of 'auto' are the largest of 128, 64, 32 that divides a layer's width. "
            "The search is layer by layer, and every layer is clipped."
        ),
    )
