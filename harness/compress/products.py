"""Matrix products in float32, by the faster of the two libraries that torch brings.

torch takes products of float32 on a CPU to MKL, which on processors other than Intel's does not use
AVX-512. oneDNN, which torch has beside it, does: on an AMD EPYC of the fifth generation the same
products take half the time. Both sum in float32, in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_FEWEST_ROWS = 64


def product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``left @ right.T + bias``.

    Parameters
    ----------
    left : Tensor
        (..., in).
    right : Tensor
        (out, in).
    bias : Tensor, optional
        (out,).

    Returns
    -------
    Tensor
        (..., out), of the dtype of the factors.
    """
    if not faster(left, right):
        return torch.nn.functional.linear(left, right, bias)
    # Contiguous, because oneDNN falls back to a loop a thousand times slower for other strides.
    multiplied: Tensor = torch.ops.mkldnn._linear_pointwise(
        left.contiguous(), right.contiguous(), bias, "none", [], ""
    )
    return multiplied


def add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add ``left @ right.T`` to a matrix, in place.

    Parameters
    ----------
    total : Tensor
        (rows, out).
    left : Tensor
        (rows, in).
    right : Tensor
        (out, in).
    """
    if faster(left, right):
        total += product(left, right)
    else:
        total.addmm_(left, right.T)


class FastProducts(TorchFunctionMode):
    """Context manager in whose thread ``nn.Linear`` multiplies by :func:`product`."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Take linear maps, and leave all else as it is."""
        del types
        if func is torch.nn.functional.linear:
            # torch has switched the mode off here, so this does not come back.
            return product(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def faster(left: Tensor, right: Tensor) -> bool:
    """Whether :func:`product` of these takes another way than torch does."""
    return (
        left.dtype == right.dtype == torch.float32
        and left.device.type == right.device.type == "cpu"
        and left.numel() >= _FEWEST_ROWS * left.shape[-1] > 0
        and not torch.is_grad_enabled()
        and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
