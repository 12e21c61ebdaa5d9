"""Wanda: pruning by weight times the norm of its input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from harness.compress.text.calibration import CalibrationSpec
from harness.spec.hooks import hookimpl
from harness.spec.specs import CompressorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.compress.compressor import Compressed
    from harness.compress.layers.observe import SharedInput
    from harness.compress.layers.workspace import Workspace
    from harness.compress.methods.sparsity import Pattern
    from harness.compress.report.summary import CompressionReport
    from harness.compress.text.calibration import Calibration


@dataclass(frozen=True)
class Wanda:
    """Prune the weights with the smallest ``|w| * ||x||``, row by row (Sun et al. 2024).

    Parameters
    ----------
    sparsity : float or str
        Share to prune of every row, in [0, 1), or ``"n:m"``: n of every m weights of it are kept.
    order : {"sequential", "true-sequential", "dense"}
        What a block is measured on; see :class:`harness.compress.layers.walk.Order`.
    calibration : CalibrationSpec
        The text.
    """

    sparsity: float | str = 0.5
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
            The sparsity cannot be or does not fit a layer, or there is no calibration text.
        """
        from harness.compress.layers.walk import walk
        from harness.compress.methods.sparsity import parse_pattern

        pattern = parse_pattern(self.sparsity)

        def method(weights: Sequence[Tensor], shared: SharedInput) -> list[Compressed]:
            return [_prune(weight, shared.statistics.norms, pattern) for weight in weights]

        return walk(model, calibration, method, order=self.order, workspace=workspace)


def _prune(weight: Tensor, norms: Tensor, pattern: Pattern) -> Compressed:
    from harness.compress.compressor import Compressed
    from harness.compress.methods.sparsity import NOfM, n_of_m_mask, row_mask

    score = weight.abs() * norms
    if isinstance(pattern, NOfM):
        mask = n_of_m_mask(score, pattern)
    else:
        mask = row_mask(score, pattern.share)
    shape = (weight.shape[0], weight.shape[1])
    kept = int((~mask).sum())
    return Compressed(weight.masked_fill(mask, 0), pattern.packed_bits(shape, kept))


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return Wanda at a quarter, a half, 2:4 and 4:8."""
    return [
        _spec("wanda-25", 0.25),
        _spec("wanda-50", 0.5),
        _spec("wanda-2:4", "2:4"),
        _spec("wanda-4:8", "4:8"),
    ]


def _spec(name: str, sparsity: float | str) -> CompressorSpec:
    return CompressorSpec(
        name,
        target="brainpress_plugins.compressors.wanda:Wanda",
        options={"sparsity": sparsity, "calibration": CalibrationSpec()},
        method="wanda",
        sparsity=0.5 if isinstance(sparsity, str) else sparsity,
        calibrated=True,
        tags=("pruning", "n:m" if isinstance(sparsity, str) else "unstructured"),
        citation=(
            "Sun, Liu, Bair, Kolter 2024, A simple and effective pruning approach for large "
            "language models, ICLR"
        ),
        homepage="https://arxiv.org/abs/2306.11695",
        notes="Weights that stay are not changed.",
    )
