"""What is checked each time a model is compressed."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.compress.report.summary import INPUT_BITS, CompressionReport
from harness.errors import CompressionError


def check_finite(weight: Tensor, name: str, what: str) -> None:
    """Raise CompressionError when a weight is NaN or infinite.

    Parameters
    ----------
    weight : Tensor
        Any shape.
    name : str
        The layer, for the message.
    what : str
        What to do about it, for the hint.
    """
    # One value that is not finite makes the sum so, which is read much faster than every value.
    if bool(torch.isfinite(weight.sum())):
        return
    finite = torch.isfinite(weight)
    if not bool(finite.all()):
        raise CompressionError(
            f"{name}: {int((~finite).sum())} of {weight.numel()} weights are NaN or infinite", what
        )


def check_changed(report: CompressionReport) -> None:
    """Raise CompressionError when no weight differs from before, and no input is rounded.

    A library that does not know an architecture leaves it as it was without a word, and the result
    then looks like a compressor that costs nothing.
    """
    if report.restore:
        return
    if any(layer.weight_change > 0 or INPUT_BITS in layer.detail for layer in report.layers):
        return
    raise CompressionError(
        f"nothing was changed: {len(report.layers)} linear layers (nn.Linear, Conv1D) of the "
        f"blocks were looked at, and every weight is what it was ({len(report.skipped)} other "
        "modules were left alone)",
        "the model may be compressed this way already; `none` is the compressor that changes "
        "nothing",
    )
