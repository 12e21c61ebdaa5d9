"""Other people's code, with the faster products and the faster attention, and a look at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from harness.numeric.attention import attention
from harness.numeric.float_products import linear_map

See = Callable[[Tensor, Tensor, bool], Tensor]
"""From a weight, what it multiplies, and whether that is ``linear``, to what it should multiply."""

_PRODUCTS = (
    torch.matmul,
    torch.mm,
    Tensor.matmul,
    Tensor.mm,
    Tensor.__matmul__,
)


class FastProducts(TorchFunctionMode):
    """Context manager in whose thread linear maps and causal attention are the faster ones.

    Parameters
    ----------
    see : callable, optional
        Is shown every product of two factors before it is made, and may change what a weight
        multiplies. Weights that belong to no layer of their own (experts are slices of one
        parameter) are met here and nowhere else.
    plain : bool
        Show the products only, and leave them to torch, which knows their derivatives.
    """

    def __init__(self, see: See | None = None, *, plain: bool = False) -> None:
        super().__init__()
        self._see = see
        self._plain = plain

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Take linear maps and attention, and leave all else as it is."""
        del types
        named = dict(kwargs or {})
        # torch has switched the mode off here, so this does not come back.
        if func is functional.linear:
            if self._see is not None and len(args) > 1:
                args = (self._see(args[1], args[0], True), *args[1:])
            return func(*args, **named) if self._plain else linear_map(*args, **named)
        if func is functional.scaled_dot_product_attention and not self._plain:
            return attention(*args, **named)
        if self._see is not None and func in _PRODUCTS and len(args) > 1:
            args = self._seen(args[0], args[1])
        return func(*args, **named)

    def _seen(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """Show both factors as weights: ``x @ W`` and ``W @ x'``."""
        assert self._see is not None
        left = self._see(right, left, False)
        if right.ndim > 1:
            right = self._see(left, right.transpose(-1, -2), False).transpose(-1, -2)
        return left, right
