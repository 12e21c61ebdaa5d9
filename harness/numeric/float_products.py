"""Matrix products in float32, by the fastest of the libraries at hand.

torch takes products of float32 on a CPU to MKL, which on processors other than Intel's does not use
AVX-512. oneDNN, which torch has beside it, does, and so does SciPy's OpenBLAS: on an AMD EPYC of
the fifth generation the same products take half the time. Linear maps go to oneDNN, which shares
torch's threads; what is added up in place goes to OpenBLAS, which knows that a Gram matrix has two
equal halves. All sum in float32, in another order.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from scipy.linalg import blas
from torch import Tensor
from torch.nn import functional

_FEWEST_ROWS = 64
_BLOCKS = 8
_SMALLEST_BLOCK = 128


def linear_map(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
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
        return functional.linear(left, right, bias)
    # Contiguous, because oneDNN falls back to a loop a thousand times slower for other strides.
    multiplied: Tensor = torch.ops.mkldnn._linear_pointwise(
        left.contiguous(), right.contiguous(), bias, "none", [], ""
    )
    return multiplied


def add_product(total: Tensor, left: Tensor, right: Tensor, factor: float = 1.0) -> None:
    """Add ``factor * left.T @ right`` to a matrix, in place.

    Parameters
    ----------
    total : Tensor
        (rows, out), contiguous.
    left : Tensor
        (in, rows).
    right : Tensor
        (in, out).
    factor : float
    """
    if not _openblas(total):
        total.addmm_(left.T, right, alpha=factor)
        return
    # BLAS counts columns first: seen so, a matrix is its transpose.
    blas.sgemm(
        factor, right.numpy().T, left.numpy().T, 1.0, total.numpy().T, trans_b=1, overwrite_c=1
    )


def add_gram(total: Tensor, rows: Tensor) -> None:
    """Add ``rows.T @ rows`` to the upper triangle of a matrix, in place.

    Parameters
    ----------
    total : Tensor
        (in, in), contiguous. What becomes of it below the diagonal is left open.
    rows : Tensor
        (row, in), of the same dtype.
    """
    if _openblas(total):
        blas.ssyrk(1.0, rows.numpy().T, 1.0, total.numpy().T, lower=1, overwrite_c=1)
        return
    width = len(total)
    size = max(_SMALLEST_BLOCK, -(-width // _BLOCKS))
    for start, stop in pairwise([*range(0, width, size), width]):
        # One product per block row: from the block on the diagonal to the right edge.
        total[start:stop, start:].addmm_(rows[:, start:stop].T, rows[:, start:])


def faster(left: Tensor, right: Tensor) -> bool:
    """Whether :func:`linear_map` of these takes another way than torch does."""
    return (
        left.dtype == right.dtype == torch.float32
        and left.device.type == right.device.type == "cpu"
        and left.numel() >= _FEWEST_ROWS * left.shape[-1] > 0
        and not torch.is_grad_enabled()
        and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def _openblas(total: Tensor) -> bool:
    """Whether sums of products into this matrix are left to OpenBLAS."""
    return total.device.type == "cpu" and total.dtype == torch.float32
