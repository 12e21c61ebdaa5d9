"""What a compressor is, and what it hands back for one layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.compress.calibration import Calibration
    from harness.compress.report import CompressionReport, Detail


class Compressor(Protocol):
    """A way to make a model smaller, in place."""

    @property
    def needs_calibration(self) -> bool:
        """Whether :meth:`compress` wants calibration text."""

    def compress(
        self,
        model: nn.Module,
        calibration: Calibration | None = None,
        device: torch.device | str | None = None,
    ) -> CompressionReport:
        """Compress a model in place.

        Compressed layers stay dense and in the model's dtype, holding the values that the packed
        form stands for; the report counts the packed form.

        Parameters
        ----------
        model : nn.Module
            A decoder-only causal language model.
        calibration : Calibration, optional
            Text to measure the layers' inputs on.
        device : torch.device or str, optional
            What computes; None: where each layer is.

        Raises
        ------
        CompressionError
            Nothing was changed, a weight is not finite, or an option does not fit a layer.
        """


@dataclass(frozen=True)
class Compressed:
    """A layer's new weight.

    Parameters
    ----------
    weight : Tensor
        (out, in), float32: the values that the packed form stands for.
    packed_bits : int
        Exact size of the packed form.
    detail : mapping
        What else there is to say: group, damping used.
    """

    weight: Tensor
    packed_bits: int
    detail: Detail = field(default_factory=dict)
