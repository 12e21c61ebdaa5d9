"""The inverse Cholesky factor of a matrix, by the fastest of the libraries at hand."""

from __future__ import annotations

import torch
from scipy.linalg import lapack
from torch import Tensor

_LEAF = 64


def inverse_cholesky(matrix: Tensor) -> Tensor | None:
    """Return the inverse of the Cholesky factor of a matrix, or None when it has none.

    On the CPU the work is OpenBLAS's, which SciPy brings: torch's MKL is slower by half on
    processors other than Intel's.

    Parameters
    ----------
    matrix : Tensor
        (in, in), float64, symmetric.

    Returns
    -------
    Tensor
        (in, in): lower triangular L with ``L matrix L' = 1``; on the CPU where the device of the
        matrix has no room for it.
    """
    if matrix.device.type == "cpu":
        return _by_lapack(matrix)
    try:
        factor, failed = torch.linalg.cholesky_ex(matrix)
        return None if int(failed) else _inverse_lower(factor)
    except torch.OutOfMemoryError:
        # The factors of 18,944 inputs take 9 GB beside the matrix. On the CPU they fit.
        return _by_lapack(matrix.cpu())


def _by_lapack(matrix: Tensor) -> Tensor | None:
    # LAPACK counts columns first: what is upper for it is lower for torch.
    factor, failed = lapack.dpotrf(matrix.numpy().T, lower=0)
    return None if failed else torch.from_numpy(lapack.dtrtri(factor, overwrite_c=1)[0].T)


def _inverse_lower(matrix: Tensor) -> Tensor:
    """Invert a lower triangular matrix by halves, so that most of the work is products."""
    width = len(matrix)
    if width <= _LEAF:
        identity = torch.eye(width, dtype=matrix.dtype, device=matrix.device)
        solved: Tensor = torch.linalg.solve_triangular(matrix, identity, upper=False)
        return solved
    half = width // 2
    inverse = torch.zeros_like(matrix)
    first, last = _inverse_lower(matrix[:half, :half]), _inverse_lower(matrix[half:, half:])
    inverse[:half, :half], inverse[half:, half:] = first, last
    inverse[half:, :half] = -(last @ matrix[half:, :half]) @ first
    return inverse
