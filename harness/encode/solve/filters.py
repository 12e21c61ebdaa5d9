"""Spectral filters of many penalties, written as few functions of the eigenvalues.

Applying the filter ``1 / (s + a)`` for each of 20 penalties ``a`` takes 20 products with the
eigenvectors. Over a block of similar eigenvalues, though, the 20 curves are combinations of a few:
the products are made for these, and the penalties by cheap weighted sums. The truncation is
relative to each filter's own size, so that it stays as good as the arithmetic where filters are
tiny (large eigenvalues, small penalties).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.encode.design.options import Precision
from harness.numeric.arrays import Doubles, Floats

EIGENVALUES_PER_BLOCK = 64
MOST_BLOCKS = 16
"""More blocks need fewer functions each, but more weighted sums and thinner products."""


@dataclass(frozen=True, eq=False)
class FilterBlock:
    """Filters over a block of eigenvalues ``s``: ``1 / (s + a) = coefficients @ functions``."""

    columns: slice  # which eigenvalues
    functions: Doubles  # (n_functions, n_columns)
    coefficients: Doubles  # (n_penalties, n_functions)


@dataclass(frozen=True, eq=False)
class FilterBank:
    """The filters of a penalty grid, to be applied in a precision; blocks cover all eigenvalues."""

    blocks: tuple[FilterBlock, ...]
    precision: Precision

    def terms(self, axes: Floats) -> list[Floats]:
        """Multiply coordinates on the eigenvectors, (rank, n_targets), by each block's functions.

        The terms are (n_functions, n_columns, n_targets).
        """
        dtype = np.dtype(self.precision.value)
        typed = axes.astype(dtype, copy=False)
        return [
            block.functions.astype(dtype, copy=False)[:, :, None] * typed[block.columns]
            for block in self.blocks
        ]

    def apply(self, rows: Floats, terms: Sequence[Floats], scale: Doubles) -> Floats:
        """Filter coordinates with every penalty and come back to rows.

        Parameters
        ----------
        rows : array, shape (n_rows, rank)
            Rows to compute, on the eigenvectors.
        terms : sequence of array
            Made by :meth:`terms`.
        scale : array, shape (n_penalties,)

        Returns
        -------
        array, shape (n_penalties, n_rows, n_targets)
            ``rows @ (scale / (values + penalty) * axes)``.
        """
        weights = np.hstack([scale[:, None] * block.coefficients for block in self.blocks])
        n_targets = terms[0].shape[-1]
        parts = np.empty((weights.shape[1], len(rows), n_targets), dtype=terms[0].dtype)
        start = 0
        for block, term in zip(self.blocks, terms, strict=True):
            stop = start + len(term)
            np.matmul(rows[:, block.columns], term, out=parts[start:stop])
            start = stop
        flat = weights.astype(parts.dtype, copy=False) @ parts.reshape(len(parts), -1)
        return np.asarray(flat.reshape(-1, *parts.shape[1:]))


def filter_bank(
    values: Doubles, penalties: Doubles, tolerance: float, precision: Precision
) -> FilterBank:
    """Approximate the filters ``1 / (value + penalty)``, block by block of eigenvalues.

    Parameters
    ----------
    values : array, shape (rank,)
        Eigenvalues, descending. Blocks span equal ratios of them.
    penalties : array, shape (n_penalties,)
    tolerance : float
        Largest error, relative to the filter's value at the block's largest eigenvalue.
    precision : Precision
        Of the products that the filters are applied with.
    """
    if values.size == 0:
        return FilterBank((), precision)
    # Below the smallest penalty all filters are flat: distances there count for nothing.
    position = np.log(values + penalties[0])
    n_blocks = min(max(len(values) // EIGENVALUES_PER_BLOCK, 1), MOST_BLOCKS)
    inner = np.linspace(position[0], position[-1], n_blocks + 1)[1:-1]
    ends = np.unique(np.r_[0, np.searchsorted(-position, -inner), len(values)])
    blocks = []
    for start, stop in itertools.pairwise(ends):
        part = values[start:stop]
        relative = (part[0] + penalties[:, None]) / (part + penalties[:, None])
        left, singular, functions = np.linalg.svd(relative, full_matrices=False)
        count = max(1, int((singular > tolerance).sum()))
        coefficients = left[:, :count] * singular[:count] / (part[0] + penalties)[:, None]
        blocks.append(FilterBlock(slice(int(start), int(stop)), functions[:count], coefficients))
    return FilterBank(tuple(blocks), precision)
