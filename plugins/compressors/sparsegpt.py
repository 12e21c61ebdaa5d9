"""SparseGPT: pruning in which the weights that stay make up for those that go."""

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
    from harness.compress.methods.sparsity import Pattern
    from harness.compress.report.summary import CompressionReport
    from harness.compress.text.calibration import Calibration


@dataclass(frozen=True)
class SparseGPT:
    """Prune column by column, and round what stays when bits are given (Frantar & Alistarh 2023).

    Parameters
    ----------
    sparsity : float or str
        Share to prune, in [0, 1), or ``"n:m"``: n of every m weights of a row are kept.
    bits : {2, 3, 4, 8}, optional
        Round the weights that stay in the same sweep; None: they stay at 16 bits.
    group : int, "auto" or "channel"
        Weights of a row that share a scale, when they are rounded.
    symmetric : bool
        Without zero points, when they are rounded.
    damping : float
        Added to the diagonal of the second moments, as a share of its mean.
    order : {"sequential", "true-sequential", "dense"}
        What a block is measured on; see :class:`harness.compress.layers.walk.Order`.
    calibration : CalibrationSpec
        The text.
    """

    sparsity: float | str = 0.5
    bits: int | None = None
    group: int | Literal["auto", "channel"] = "auto"
    symmetric: bool = False
    damping: float = 0.01
    order: Literal["sequential", "true-sequential", "dense"] = "sequential"
    calibration: CalibrationSpec = field(default_factory=CalibrationSpec)

    def compress(
        self,
        model: nn.Module,
        calibration: Calibration | None = None,
        workspace: Workspace | None = None,
    ) -> CompressionReport:
        """Prune every linear layer of the blocks, in place.

        Raises
        ------
        CompressionError
            The sparsity, bits or group do not fit, there is no calibration text, or the second
            moments of a layer's input cannot be factored.
        """
        from harness.compress.layers.walk import walk
        from harness.compress.methods.grid import Grid
        from harness.compress.methods.sparsity import parse_pattern

        pattern = parse_pattern(self.sparsity)
        grid = None if self.bits is None else Grid(self.bits, self.group, self.symmetric)
        return walk(
            model,
            calibration,
            lambda weights, shared: self._prune(weights, shared, pattern, grid),
            order=self.order,
            workspace=workspace,
        )

    def _prune(
        self,
        weights: Sequence[Tensor],
        shared: SharedInput,
        pattern: Pattern,
        grid: Grid | None,
    ) -> list[Compressed]:
        """Prune layers that share an input in one sweep; each meets the share by itself."""
        import torch

        from harness.compress.methods.second_order import (
            Pruning,
            Rounding,
            Rule,
            inverse_factor,
            sweep,
        )

        stacked = torch.cat(list(weights))
        width = stacked.shape[1]
        pattern.check(width)
        rows = tuple(len(weight) for weight in weights)
        group = grid.group_size(width) if grid else None
        rules: list[Rule] = [Pruning.of(pattern, group, rows)]
        if grid and group:
            rules.append(Rounding(grid, group))
        factor, damping = inverse_factor(shared.statistics.moments, self.damping)
        parts = torch.split_with_sizes(sweep(stacked, factor, rules), list(rows))
        return [_packed(part, pattern, grid, damping) for part in parts]


def _packed(weight: Tensor, pattern: Pattern, grid: Grid | None, damping: float) -> Compressed:
    from harness.compress.compressor import Compressed
    from harness.compress.report.accounting import VALUE_BITS, scale_bits

    shape = (weight.shape[0], weight.shape[1])
    # A kept weight that rounds to zero needs no place of its own: the mask says that it is zero.
    kept = int((weight != 0).sum())
    bits = pattern.packed_bits(shape, kept, grid.bits if grid else VALUE_BITS)
    detail: dict[str, float | int] = {"damping": damping}
    if grid:
        group = grid.group_size(shape[1])
        bits += scale_bits(shape, group, zero_point=not grid.symmetric)
        detail |= {"bits": grid.bits, "group": group}
    return Compressed(weight, bits, detail)


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return SparseGPT at half sparsity, 2:4 and 4:8, and jointly with rounding."""
    return [
        _spec("sparsegpt-25", 0.25),
        _spec("sparsegpt-50", 0.5),
        _spec("sparsegpt-2:4", "2:4"),
        _spec("sparsegpt-4:8", "4:8"),
        _spec("gptq+sparsegpt-50-int4", 0.5, bits=4),
        _spec("gptq+sparsegpt-2:4-int4", "2:4", bits=4),
    ]


def _spec(name: str, sparsity: float | str, bits: int | None = None) -> CompressorSpec:
    options: dict[str, Any] = {"sparsity": sparsity, "calibration": CalibrationSpec()}
    structured = isinstance(sparsity, str)
    tags = ("pruning", "n:m" if structured else "unstructured", "second-order")
    return CompressorSpec(
        name,
        target="brainpress_plugins.compressors.sparsegpt:SparseGPT",
        options=options if bits is None else options | {"bits": bits},
        method="sparsegpt" if bits is None else "gptq+sparsegpt",
        bits=bits,
        sparsity=0.5 if isinstance(sparsity, str) else sparsity,
        calibrated=True,
        tags=tags if bits is None else (*tags, "quantization"),
        citation=(
            "Frantar, Alistarh 2023, SparseGPT: massive language models can be accurately pruned "
            "in one-shot, ICML"
        ),
        homepage="https://arxiv.org/abs/2301.00774",
        notes="Calibrated on text sampled from the model itself unless another is chosen.",
    )
