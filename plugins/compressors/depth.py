"""Depth: dropping the blocks that change the residual stream least."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.compress.calibration import CalibrationSpec
from harness.errors import CompressionError
from harness.plugin.hooks import hookimpl
from harness.plugin.specs import CompressorSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.compress.calibration import Calibration
    from harness.compress.layers import Layer
    from harness.compress.report import CompressionReport, LayerReport
    from harness.compress.workspace import Workspace


@dataclass(frozen=True)
class DropBlocks:
    """Drop the blocks of least influence: ``1 - mean cos(before, after)`` (Men et al. 2025).

    Parameters
    ----------
    share : float
        Share of the blocks to drop, in (0, 1), rounded to whole blocks.
    calibration : CalibrationSpec
        The text.
    """

    share: float = 0.1
    calibration: CalibrationSpec = field(default_factory=CalibrationSpec)

    def compress(
        self,
        model: nn.Module,
        calibration: Calibration | None = None,
        workspace: Workspace | None = None,
    ) -> CompressionReport:
        """Drop blocks, in place.

        Raises
        ------
        CompressionError
            The share drops no block or all of them, or there is no calibration text.
        """
        from harness.compress.layers import block_layers, left_alone
        from harness.compress.meter import Meter
        from harness.compress.report import CompressionReport
        from harness.compress.restore import DROPPED, drop_blocks
        from harness.compress.rewrite import count_parameters
        from harness.compress.workspace import Workspace

        workspace = workspace or Workspace()
        layers = block_layers(model)
        count = self._count(len(layers))
        parameters = count_parameters(model)
        with Meter(workspace.device or layers[0][0].device) as meter:
            influence = block_influence(model, calibration, workspace)
        order = sorted(range(len(layers)), key=lambda place: influence[place])
        dropped = sorted(order[:count])
        rows = [
            _row(layer, dropped=place in dropped, influence=influence[place])
            for place, block in enumerate(layers)
            for layer in block
        ]
        drop_blocks(model, dropped)
        kept = sum(row.weights for row in rows if row.packed_bits)
        return CompressionReport(
            layers=tuple(rows),
            skipped=left_alone(model, [layer for block in layers for layer in block]),
            parameters=parameters,
            remaining=count_parameters(model) - kept,
            seconds=meter.seconds,
            peak_memory=meter.peak_memory,
            restore={DROPPED: dropped},
        )

    def _count(self, blocks: int) -> int:
        count = round(self.share * blocks) if 0 < self.share < 1 else 0
        if not 0 < count < blocks:
            raise CompressionError(
                f"a share of {self.share} drops {count} of {blocks} blocks",
                f"give a share from {1 / blocks:.2g} to {1 - 1 / blocks:.2g}",
            )
        return count


def block_influence(
    model: nn.Module, calibration: Calibration | None, workspace: Workspace
) -> list[float]:
    """Measure how much each block turns the residual stream (Men et al. 2025, eq. 1).

    Parameters
    ----------
    model : nn.Module
        A decoder-only causal language model.
    calibration : Calibration
        The text.
    workspace : Workspace
        The device.

    Returns
    -------
    list of float
        One minus the mean cosine between a token's hidden state before and after the block.

    Raises
    ------
    CompressionError
        There is no calibration text.
    """
    from harness.compress.stream import enter
    from harness.compress.walk import required
    from harness.lm.anatomy import anatomy

    stream = enter(model, required(calibration).tokens)
    influence = []
    for block in anatomy(model).blocks:
        turn = _Turn()
        handle = block.register_forward_hook(turn, with_kwargs=True)
        try:
            with workspace.visiting(block) as device:
                stream.advance(block, device)
        finally:
            handle.remove()
        influence.append(1 - turn.total / turn.tokens)
    return influence


@dataclass
class _Turn:
    """A forward hook that adds up the cosines between what goes into a block and what comes out."""

    total: float = 0.0
    tokens: int = 0

    def __call__(
        self, block: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any], out: Any
    ) -> None:
        del block
        import torch

        before: Tensor = arguments[0] if arguments else keywords["hidden_states"]
        after: Tensor = out[0] if isinstance(out, tuple) else out
        cosine = torch.nn.functional.cosine_similarity(before.float(), after.float(), dim=-1)
        self.total += float(cosine.double().sum())
        self.tokens += cosine.numel()


def _row(layer: Layer, *, dropped: bool, influence: float) -> LayerReport:
    from harness.compress.accounting import dense_bits
    from harness.compress.report import LayerReport
    from harness.compress.rewrite import read_weight

    weight = read_weight(layer, layer.device)
    norm = _norm(weight)
    return LayerReport(
        name=layer.name,
        shape=layer.shape,
        packed_bits=0 if dropped else dense_bits(weight.numel()),
        zeros=weight.numel() if dropped else int((weight == 0).sum()),
        weight_norm=norm,
        weight_change=norm if dropped else 0.0,
        detail={"influence": influence, "dropped": dropped},
    )


def _norm(weight: torch.Tensor) -> float:
    import torch

    return float(torch.linalg.vector_norm(weight, dtype=torch.float64))


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return models without a tenth and without a quarter of their blocks."""
    return [_spec("depth-10", 0.1), _spec("depth-25", 0.25)]


def _spec(name: str, share: float) -> CompressorSpec:
    return CompressorSpec(
        name,
        target="plugins.compressors.depth:DropBlocks",
        options={"share": share, "calibration": CalibrationSpec()},
        method="depth",
        sparsity=share,
        calibrated=True,
        tags=("pruning", "structured"),
        citation=(
            "Men et al. 2025, ShortGPT: layers in large language models are more redundant than "
            "you expect, Findings of ACL"
        ),
        homepage="https://arxiv.org/abs/2403.03853",
        notes="The variant has fewer layers than its base, so layers do not correspond by number.",
    )
