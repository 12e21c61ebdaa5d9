"""GPTQ: rounding in which later weights make up for the error of earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True)
class GPTQ:
    """Round to a uniform grid column by column (Frantar et al. 2023).

    Parameters
    ----------
    bits : {2, 3, 4, 8}
        Bits a code.
    group : int, "auto" or "channel"
        Weights of a row that share a scale; see :class:`harness.compress.methods.grid.Grid`.
    symmetric : bool
        Without zero points.
    activation_order : bool
        Decide the columns with the largest inputs first. Scales are then fitted to the original
        weights ("static groups"), so that a packed layer needs no index of groups.
    damping : float
        Added to the diagonal of the second moments, as a share of its mean.
    asymmetry : float
        How much of the drift of a layer's inputs its weights make up for (Li et al. 2025, GPTAQ):
        behind compressed layers an input is no longer what it was, and the output that is wanted is
        that of the input as it was. 0: none, which is GPTQ; the authors take .25. The text then
        walks through the model as it was, too.
    order : {"sequential", "true-sequential", "dense"}
        What a block is measured on; see :class:`harness.compress.layers.walk.Order`.
    rotation : bool
        Turn the inputs of each layer by a random Hadamard matrix first, and round the weight that
        takes them so (Ashkboos et al. 2024, QuaRot): no input is an outlier any more, and the
        weights of a group are alike. The weight that comes out is turned back, so that the model
        runs as before; a kernel would turn the inputs, layer by layer (QuaRot merges most of these
        turns into the layers before, which changes no number but those of rounding).
    calibration : CalibrationSpec
        The text.
    """

    bits: int = 4
    group: int | Literal["auto", "channel"] = "auto"
    symmetric: bool = False
    activation_order: bool = True
    damping: float = 0.01
    rotation: bool = False
    asymmetry: float = 0.0
    order: Literal["sequential", "true-sequential", "dense"] = "sequential"
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
            Bits, group or asymmetry do not fit, there is no calibration text, or the second moments
            of a layer's input cannot be factored.
        """
        from harness.compress.layers.walk import walk
        from harness.compress.methods.grid import Grid
        from harness.errors import CompressionError

        if not 0 <= self.asymmetry <= 1:
            raise CompressionError(
                f"an asymmetry of {self.asymmetry} cannot be", "it is a share; 0.25 is usual"
            )
        grid = Grid(self.bits, self.group, self.symmetric)
        return walk(
            model,
            calibration,
            lambda weights, shared: self._round(weights, shared, grid),
            order=self.order,
            workspace=workspace,
            drift=self.asymmetry > 0,
        )

    @property
    def streams(self) -> int:
        """How many times the hidden states of the calibration text are in memory."""
        return 2 if self.asymmetry else 1

    def _round(
        self, weights: Sequence[Tensor], shared: SharedInput, grid: Grid
    ) -> list[Compressed]:
        """Round layers that share an input in one sweep: rows do not see each other."""
        import torch

        from harness.compress.compressor import Compressed

        stacked = torch.cat(list(weights))
        moments, drift = shared.statistics.moments, shared.statistics.drift
        if self.rotation:
            from harness.compress.methods.rotation import rotation

            turn = rotation(stacked.shape[1]).to(stacked.device)
            stacked, moments = stacked @ turn, turn.T @ moments @ turn
            drift = None if drift is None else turn.T @ drift @ turn
        group = grid.group_size(stacked.shape[1])
        rounded, damping = self._sweep(stacked, moments, drift, grid)
        if self.rotation:
            rounded = rounded @ turn.T
        detail = {"bits": grid.bits, "group": group, "damping": damping}
        if self.asymmetry:
            # Experts have no drift: the two streams may send different tokens to one.
            detail["asymmetry"] = 0.0 if drift is None else self.asymmetry
        parts = torch.split_with_sizes(rounded, [len(weight) for weight in weights])
        return [
            Compressed(part, grid.packed_bits((part.shape[0], part.shape[1])), detail)
            for part in parts
        ]

    def _sweep(
        self, weight: Tensor, moments: Tensor, drift: Tensor | None, grid: Grid
    ) -> tuple[Tensor, float]:
        """Round the columns of a weight in their order; return it, and the damping used."""
        import torch

        from harness.compress.methods.grid import fit_scales
        from harness.compress.methods.second_order import (
            FixedRounding,
            Rounding,
            Rule,
            inverse_factor,
            pull,
            sweep,
        )

        group = grid.group_size(weight.shape[1])
        order = None
        rule: Rule = Rounding(grid, group)
        if self.activation_order:
            order = torch.argsort(moments.diagonal(), descending=True, stable=True)
            rule = FixedRounding(fit_scales(weight, grid), tuple((order // group).tolist()))
            weight = weight[:, order]
            moments = moments.index_select(0, order).index_select(1, order)
            drift = drift if drift is None else drift.index_select(0, order).index_select(1, order)
        factor, damping = inverse_factor(moments, self.damping)
        pulled = None
        if drift is not None:
            pulled = pull(drift, factor, self.asymmetry).to(weight.device, weight.dtype)
        decided = sweep(weight, factor, [rule], pulled)
        if order is None:
            return decided, damping
        rounded = torch.empty_like(decided)
        rounded[:, order] = decided
        return rounded, damping


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return GPTQ at 8, 4, 3 and 2 bits."""
    return [
        _spec("gptq-int8", bits=8, group="channel", symmetric=True),
        _spec("gptq-int4", bits=4),
        _spec("gptq-int4-g32", bits=4, group=32),
        _spec("gptq-int4-g64", bits=4, group=64),
        _spec("gptq-int4-g128", bits=4, group=128),
        _spec("gptq-int4-channel", bits=4, group="channel"),
        _spec("gptq-int4-symmetric", bits=4, symmetric=True),
        _spec("gptq-int4-inorder", bits=4, activation_order=False),
        _spec("gptq-int4-dense", bits=4, order="dense"),
        _spec("gptq-int3", bits=3),
        _spec("gptq-int2", bits=2),
        *[
            _rotated(_spec(f"quarot-gptq-int{bits}", bits=bits, rotation=True))
            for bits in (4, 3, 2)
        ],
        *[
            _asymmetric(_spec(f"gptaq-int{bits}", bits=bits, asymmetry=_ASYMMETRY))
            for bits in (4, 3, 2)
        ],
        *[
            _asymmetric(
                _rotated(
                    _spec(f"quarot-gptaq-int{bits}", bits=bits, rotation=True, asymmetry=_ASYMMETRY)
                )
            )
            for bits in (3, 2)
        ],
    ]


_ASYMMETRY = 0.25
"""What the authors of GPTAQ take."""


def _asymmetric(spec: CompressorSpec) -> CompressorSpec:
    return replace(
        spec,
        method=spec.method.replace("gptq", "gptaq"),
        tags=(*spec.tags, "asymmetric"),
        citation=(
            "Li, Yin, Lee, Xiao, Panda 2025, GPTAQ: efficient finetuning-free quantization for "
            f"asymmetric calibration, ICML; {spec.citation}"
        ),
        homepage="https://arxiv.org/abs/2504.02692",
        notes=(
            f"{spec.notes} Reads the calibration text through the model as it was, too. Experts of "
            "a mixture are rounded as GPTQ rounds them."
        ),
    )


def _rotated(spec: CompressorSpec) -> CompressorSpec:
    return replace(
        spec,
        method="quarot-gptq",
        tags=(*spec.tags, "rotation"),
        citation=(
            "Ashkboos et al. 2024, QuaRot: outlier-free 4-bit inference in rotated LLMs, NeurIPS; "
            f"{spec.citation}"
        ),
        homepage="https://arxiv.org/abs/2404.00456",
        notes="Weights only. Each layer's inputs are turned by a seeded matrix that takes no bits.",
    )


def _spec(name: str, *, bits: int, group: int | str = "auto", **options: Any) -> CompressorSpec:
    return CompressorSpec(
        name,
        target="brainpress_plugins.compressors.gptq:GPTQ",
        options={"bits": bits, "group": group, "calibration": CalibrationSpec(), **options},
        method="gptq",
        bits=bits,
        calibrated=True,
        tags=("quantization", "weight-only", "second-order"),
        citation=(
            "Frantar, Ashkboos, Hoefler, Alistarh 2023, GPTQ: accurate post-training quantization "
            "for generative pre-trained transformers, ICLR"
        ),
        homepage="https://arxiv.org/abs/2210.17323",
        notes=(
            "Groups of 'auto' are the largest of 128, 64, 32 that divides a layer's width. "
            "Calibrated on text sampled from the model itself unless another is chosen."
        ),
    )
