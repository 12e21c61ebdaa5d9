"""Random Hadamard rotations of any width."""

from __future__ import annotations

import torch
from torch import Tensor


def hadamard(size: int) -> Tensor:
    """Return Sylvester's Hadamard matrix, scaled to be orthogonal.

    Parameters
    ----------
    size : int
        A power of two.

    Returns
    -------
    Tensor
        (size, size), float64, symmetric.
    """
    matrix: Tensor = torch.ones(1, 1, dtype=torch.float64)
    while len(matrix) < size:
        top = torch.cat([matrix, matrix], 1)
        matrix = torch.cat([top, torch.cat([matrix, -matrix], 1)])
    return matrix.div(size**0.5)


def rotation(width: int, seed: int = 0) -> Tensor:
    """Return a random orthogonal matrix that mixes all inputs of a layer.

    With ``width = 2^k m``, m odd, it is signs drawn at random, times the Kronecker product of a
    Hadamard matrix of 2^k and a random orthogonal matrix of m. (QuaRot takes tables of Hadamard
    matrices for some m; a random one serves for all.) It is known from width and seed, so that it
    takes no bits.

    Parameters
    ----------
    width : int
        Number of inputs.
    seed : int
        Of the signs and of the part of odd size.

    Returns
    -------
    Tensor
        (width, width), float32.
    """
    power = width & -width
    odd = width // power
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(odd, odd, dtype=torch.float64, generator=generator)
    mixed = torch.kron(torch.linalg.qr(drawn).Q.contiguous(), hadamard(power))
    signs = torch.randint(0, 2, (width,), generator=generator, dtype=torch.float64) * 2 - 1
    turned: Tensor = (signs[:, None] * mixed).float()
    return turned
