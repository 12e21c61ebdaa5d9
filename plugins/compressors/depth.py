"""Depth: dropping the blocks that change the residual stream least."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.compress.text.calibration import CalibrationSpec
from harness.errors import CompressionError
from harness.spec.hooks import hookimpl
from harness.spec.specs import CompressorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.compress.layers.linear import Layer
    from harness.compress.layers.workspace import Workspace
    from harness.compress.report.summary import CompressionReport, LayerReport
    from harness.compress.text.calibration import Calibration


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
            The share drops no block or all of them, there is no calibration text, or the model does
            not run without the dropped blocks.
        """
        from harness.compress.layers.linear import block_layers, block_weights, left_alone
        from harness.compress.layers.restore import DROPPED, drop_blocks
        from harness.compress.layers.rewrite import count_parameters
        from harness.compress.layers.trial import check_runs
        from harness.compress.layers.workspace import Workspace
        from harness.compress.report.meter import Meter
        from harness.compress.report.summary import CompressionReport
        from harness.lm.anatomy import anatomy

        workspace = workspace or Workspace()
        check_droppable(model)
        layers = block_layers(model)
        count = self._count(len(layers))
        parameters, matrices = count_parameters(model), block_weights(model)
        with Meter(workspace.device or layers[0][0].device) as meter:
            looked = list(look_at_blocks(model, calibration, workspace))
        order = sorted(range(len(looked)), key=lambda place: looked[place].influence)
        dropped = _droppable(order, block_kinds(model), count)
        rows = [
            _row(layer, norm, zeros, dropped=place in dropped, influence=looked[place].influence)
            for place, block in enumerate(layers)
            for layer, (norm, zeros) in zip(block, looked[place].weights, strict=True)
        ]
        names = anatomy(model).block_names
        drop_blocks(model, dropped)
        check_runs(model, [name for i, name in enumerate(names) if i not in dropped], workspace)
        kept = sum(row.weights for row in rows if row.packed_bits)
        return CompressionReport(
            layers=tuple(rows),
            skipped=left_alone(model, [layer for block in layers for layer in block]),
            parameters=parameters,
            remaining=count_parameters(model) - kept,
            seconds=meter.seconds,
            peak_memory=meter.peak_memory,
            restore={DROPPED: dropped},
            block_weights=matrices,
        )

    def _count(self, blocks: int) -> int:
        count = round(self.share * blocks) if 0 < self.share < 1 else 0
        if not 0 < count < blocks:
            raise CompressionError(
                f"a share of {self.share} drops {count} of {blocks} blocks",
                f"give a share from {1 / blocks:.2g} to {1 - 1 / blocks:.2g}",
            )
        return count


def check_droppable(model: nn.Module) -> None:
    """Raise CompressionError where something outside a block is made for that block's place."""
    config: Any = model.config
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    if getattr(config, "hidden_size_per_layer_input", 0) or getattr(
        config, "num_kv_shared_layers", 0
    ):
        raise CompressionError(
            f"{config.model_type} embeds each token anew for every block, or has blocks that take "
            "keys and values of another: no block can be dropped by itself",
            "svd and pruning make such a model smaller",
        )


def block_kinds(model: nn.Module) -> list[str]:
    """Return what kind each block is of: attention or state space, dense or experts."""
    from harness.lm.anatomy import anatomy

    return [
        " ".join([type(block).__name__, *sorted(type(part).__name__ for part in block.children())])
        for block in anatomy(model).blocks
    ]


def _droppable(order: Sequence[int], kinds: Sequence[str], count: int) -> list[int]:
    """Choose blocks in an order, but never the last of its kind: a hybrid stays one."""
    left = Counter(kinds)
    dropped: list[int] = []
    for place in order:
        if len(dropped) < count and left[kinds[place]] > 1:
            left[kinds[place]] -= 1
            dropped.append(place)
    if len(dropped) < count:
        raise CompressionError(
            f"{count} blocks cannot be dropped without losing all blocks of one kind",
            "give a smaller share",
        )
    return sorted(dropped)


@dataclass(frozen=True)
class Look:
    """What is seen of a block while the calibration text passes.

    Parameters
    ----------
    influence : float
        One minus the mean cosine between a token's hidden state before and after the block.
    weights : tuple
        For each linear layer, the norm of its weight and how many weights are zero.
    """

    influence: float
    weights: tuple[tuple[float, int], ...]


def look_at_blocks(
    model: nn.Module, calibration: Calibration | None, workspace: Workspace
) -> Iterator[Look]:
    """Measure how much each block turns the residual stream (Men et al. 2025, eq. 1).

    Parameters
    ----------
    model : nn.Module
        A decoder-only causal language model.
    calibration : Calibration
        The text.
    workspace : Workspace
        The device.

    Yields
    ------
    Look
        A block after the other.

    Raises
    ------
    CompressionError
        There is no calibration text, or a weight is not finite.
    """
    from harness.compress.layers.enter import enter
    from harness.compress.layers.linear import block_layers
    from harness.compress.layers.walk import required
    from harness.lm.anatomy import anatomy

    stream = enter(model, required(calibration).tokens, workspace).stream
    parts = anatomy(model)
    layers = block_layers(model)
    for name, block, inside in zip(parts.block_names, parts.blocks, layers, strict=True):
        turn = _Turn()
        handle = block.register_forward_hook(turn, with_kwargs=True)
        try:
            with workspace.visiting(name, block) as device:
                stream.advance(block, device)
                weights = tuple(_size(layer) for layer in inside)
        finally:
            handle.remove()
        yield Look(1 - turn.total / turn.tokens, weights)


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


def _size(layer: Layer) -> tuple[float, int]:
    """Return the norm of a layer's weight, and how many weights are zero."""
    from harness.compress.layers.rewrite import frobenius, read_weight

    weight = read_weight(layer, layer.device)
    return frobenius(weight), int((weight == 0).sum())


def _row(layer: Layer, norm: float, zeros: int, *, dropped: bool, influence: float) -> LayerReport:
    from harness.compress.report.accounting import dense_bits
    from harness.compress.report.summary import LayerReport

    weights = layer.shape[0] * layer.shape[1]
    return LayerReport(
        name=layer.name,
        shape=layer.shape,
        packed_bits=0 if dropped else dense_bits(weights),
        zeros=weights if dropped else zeros,
        weight_norm=norm,
        weight_change=norm if dropped else 0.0,
        detail={"influence": influence, "dropped": dropped},
    )


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return models without a tenth and without a quarter of their blocks."""
    return [_spec("depth-10", 0.1), _spec("depth-25", 0.25)]


def _spec(name: str, share: float) -> CompressorSpec:
    return CompressorSpec(
        name,
        target="brainpress_plugins.compressors.depth:DropBlocks",
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
