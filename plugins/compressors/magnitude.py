"""Magnitude pruning: the smallest weights go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from harness.spec.hooks import hookimpl
from harness.spec.specs import CompressorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.compress.compressor import Compressed
    from harness.compress.layers.workspace import Workspace
    from harness.compress.methods.sparsity import Pattern
    from harness.compress.report.summary import CompressionReport
    from harness.compress.text.calibration import Calibration


@dataclass(frozen=True)
class MagnitudePruning:
    """Set the weights of smallest magnitude to zero.

    Parameters
    ----------
    sparsity : float or str
        Share to prune, in [0, 1), or ``"n:m"``: n of every m weights of a row are kept.
    scope : {"layer", "model"}
        Whether each layer loses its share, or the model as a whole (unstructured only).
    """

    calibration: ClassVar[None] = None

    sparsity: float | str = 0.5
    scope: Literal["layer", "model"] = "layer"

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
            The sparsity cannot be or does not fit a layer, or nothing changed.
        """
        del calibration
        from harness.compress.layers.rewrite import rewrite_layers
        from harness.compress.layers.workspace import Workspace
        from harness.compress.methods.sparsity import parse_pattern, prune_mask

        pattern = parse_pattern(self.sparsity)
        if self.scope == "model":
            masks = _model_masks(model, pattern)
            # Layers are rewritten in the order of the masks, and each mask is made just before;
            # so no block may be taken from an earlier run.
            return rewrite_layers(
                model,
                lambda weight: _prune(weight, next(masks), pattern),
                replace(workspace or Workspace(), folder=None),
            )
        return rewrite_layers(
            model,
            lambda weight: _prune(weight, prune_mask(weight.abs(), pattern), pattern),
            workspace,
        )


def _model_masks(model: nn.Module, pattern: Pattern) -> Iterator[Tensor]:
    from harness.compress.layers.linear import block_layers
    from harness.compress.methods.sparsity import Unstructured, lowest
    from harness.errors import CompressionError

    if not isinstance(pattern, Unstructured):
        raise CompressionError(
            "an n:m pattern cannot be spread over the model",
            "use scope='layer' with n:m, or give a share",
        )
    layers = [layer for block in block_layers(model) for layer in block]
    total = sum(layer.shape[0] * layer.shape[1] for layer in layers)
    return lowest(layers, round(pattern.share * total), lambda layer: layer.weight().abs())


def _prune(weight: Tensor, mask: Tensor, pattern: Pattern) -> Compressed:
    from harness.compress.compressor import Compressed

    shape = (weight.shape[0], weight.shape[1])
    mask = mask.to(weight.device)
    kept = int((~mask).sum())
    return Compressed(weight.masked_fill(mask, 0.0), pattern.packed_bits(shape, kept))


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return magnitude pruning at the paper's shares, over the whole model, and n:m."""
    return [
        _spec("magnitude-10", 0.10),
        _spec("magnitude-25", 0.25),
        _spec("magnitude-50", 0.50),
        _spec("magnitude-50-global", 0.50, "model"),
        _spec("magnitude-2:4", "2:4"),
        _spec("magnitude-4:8", "4:8"),
    ]


def _spec(
    name: str, sparsity: float | str, scope: Literal["layer", "model"] = "layer"
) -> CompressorSpec:
    structured = isinstance(sparsity, str)
    return CompressorSpec(
        name,
        target="brainpress_plugins.compressors.magnitude:MagnitudePruning",
        options={"sparsity": sparsity, "scope": scope},
        method="magnitude",
        sparsity=0.5 if isinstance(sparsity, str) else sparsity,
        tags=("pruning", "n:m" if structured else "unstructured"),
        citation=(
            "Han et al. 2015, Learning both weights and connections for efficient neural "
            "networks, NeurIPS"
        ),
        homepage="https://arxiv.org/abs/1506.02626",
        notes=(
            "Ranked over the whole model."
            if scope == "model"
            else "Every weight matrix loses the same share."
        ),
    )
