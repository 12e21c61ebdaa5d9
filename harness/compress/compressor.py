"""What a compressor is, and what it hands back for one layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.compress.layers.workspace import Workspace
    from harness.compress.report.summary import CompressionReport, Detail
    from harness.compress.text.calibration import Calibration, CalibrationSpec


class Compressor(Protocol):
    """A way to make a model smaller, in place."""

    @property
    def calibration(self) -> CalibrationSpec | None:
        """The calibration text that :meth:`compress` wants; None when it wants none."""

    def compress(
        self,
        model: nn.Module,
        calibration: Calibration | None = None,
        workspace: Workspace | None = None,
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
        workspace : Workspace, optional
            The device, and where finished blocks are kept.

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
    input_scale : Tensor, optional
        (in,): divided out of the input before it is rounded.
    input_bits : int or "fp8", optional
        Round the input of the layer, token by token, to so many bits, or to E4M3.
    """

    weight: Tensor
    packed_bits: int
    detail: Detail = field(default_factory=dict)
    input_scale: Tensor | None = None
    input_bits: int | str | None = None
