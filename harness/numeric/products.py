"""Matrix products of tensors: by whichever library is fast where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def product(a: Tensor, b: Tensor) -> Tensor:
    """Multiply two matrices.

    On a CPU, float32 and float64 go to NumPy's BLAS: torch's CPU builds bring MKL, which keeps to
    AVX2 on processors that are not Intel's, at half of OpenBLAS's speed with AVX-512. Nothing is
    copied. What NumPy has no type for (bfloat16), and everything on a GPU, stays with torch.

    Parameters
    ----------
    a : Tensor, shape (n, k)
        On any device.
    b : Tensor, shape (k, m)
        On the same device, of the same type.

    Returns
    -------
    Tensor, shape (n, m)
    """
    import torch

    if a.device.type == "cpu" and a.dtype in (torch.float32, torch.float64):
        return torch.from_numpy(a.numpy() @ b.numpy())
    return a @ b
