"""Spectral filters of many penalties, written as few functions of the eigenvalues.

Applying the filter ``a / (s + a)`` for each of 20 penalties ``a`` takes 20 products with the
eigenvectors. Over a block of similar eigenvalues, though, the 20 curves are combinations of a few:
the products are made for these, and the penalties by cheap weighted sums. The truncation is
relative to each filter's own size, so that it stays as good as the arithmetic where filters are
tiny (large eigenvalues, small penalties).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from harness.encode.kernel import DoubleArray

EIGENVALUES_PER_BLOCK = 64
MOST_BLOCKS = 16
"""More blocks need fewer functions each, but more weighted sums and thinner products."""


@dataclass(frozen=True, eq=False)
class FilterBlock:
    """The filters over one block of eigenvalues.

    ``a / (s + a) = coefficients @ functions`` for ``s`` in the block.

    Parameters
    ----------
    columns : slice
        Which eigenvalues.
    functions : array, shape (n_functions, n_columns)
        Functions of the eigenvalue.
    coefficients : array, shape (n_penalties, n_functions)
        Their weights.
    """

    columns: slice
    functions: DoubleArray
    coefficients: DoubleArray


def residual_filters(
    values: DoubleArray, penalties: DoubleArray, tolerance: float
) -> tuple[FilterBlock, ...]:
    """Approximate what ridge leaves of each eigenvector, ``penalty / (value + penalty)``.

    Parameters
    ----------
    values : array, shape (rank,)
        Eigenvalues, descending.
    penalties : array, shape (n_penalties,)
        Penalties.
    tolerance : float
        Largest error, relative to the filter's value at the block's largest eigenvalue.

    Returns
    -------
    tuple of FilterBlock
        Blocks that span equal ratios of eigenvalues.
    """
    # Below the smallest penalty all filters are flat: distances there count for nothing.
    position = np.log(values + penalties[0])
    n_blocks = min(max(len(values) // EIGENVALUES_PER_BLOCK, 1), MOST_BLOCKS)
    inner = np.linspace(position[0], position[-1], n_blocks + 1)[1:-1]
    ends = np.unique(np.r_[0, np.searchsorted(-position, -inner), len(values)])
    blocks = []
    for start, stop in itertools.pairwise(ends):
        part = values[start:stop]
        largest = penalties / (part[0] + penalties)
        relative = (part[0] + penalties[:, None]) / (part + penalties[:, None])
        left, singular, functions = np.linalg.svd(relative, full_matrices=False)
        count = max(1, int((singular > tolerance).sum()))
        coefficients = largest[:, None] * left[:, :count] * singular[:count]
        blocks.append(FilterBlock(slice(int(start), int(stop)), functions[:count], coefficients))
    return tuple(blocks)
