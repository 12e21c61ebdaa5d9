"""Which weights go: patterns of sparsity, and masks by score.

A mask is True where a weight is pruned. Ties are broken by position (first in row-major order goes
first), so that the share pruned is exact and does not depend on the device.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from harness.compress.report.accounting import VALUE_BITS, masked_bits, n_of_m_bits
from harness.errors import CompressionError

T = TypeVar("T")

_KEY_BITS = 31  # bits of the pattern of a non-negative float32
_LOW_BITS = 15


@dataclass(frozen=True)
class Unstructured:
    """A share of the weights, anywhere.

    Parameters
    ----------
    share : float
        Weights to prune, in [0, 1).
    """

    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise CompressionError(
                f"a sparsity of {self.share} cannot be", "give a share in [0, 1), 0.5 for half"
            )

    def check(self, width: int) -> None:
        """Any width will do."""

    def packed_bits(self, shape: tuple[int, int], kept: int, value_bits: int = VALUE_BITS) -> int:
        """Bits of a layer (out, in) with ``kept`` weights left."""
        return masked_bits(shape, kept, value_bits)


@dataclass(frozen=True)
class NOfM:
    """n of every m consecutive weights of a row remain.

    Parameters
    ----------
    n, m : int
        Kept weights and group size; 2:4 is what sparse tensor cores run.
    """

    n: int
    m: int

    def __post_init__(self) -> None:
        if not 0 < self.n < self.m:
            raise CompressionError(
                f"{self.n}:{self.m} is no pattern", "n:m keeps n of every m weights, 0 < n < m"
            )

    @property
    def share(self) -> float:
        """Weights to prune, as a share."""
        return 1 - self.n / self.m

    def check(self, width: int) -> None:
        """Raise CompressionError where m does not divide the width."""
        if width % self.m:
            raise CompressionError(
                f"{self.n}:{self.m} does not fit rows of {width} weights",
                f"the width must be a multiple of {self.m}; prune unstructured instead",
            )

    def packed_bits(self, shape: tuple[int, int], kept: int, value_bits: int = VALUE_BITS) -> int:
        """Bits of a layer (out, in): n values a group are stored, even if some are zero."""
        del kept
        return n_of_m_bits(shape, self.n, self.m, value_bits)


Pattern = Unstructured | NOfM


def parse_pattern(sparsity: float | str) -> Pattern:
    """Read ``0.5`` as a share and ``"2:4"`` as a pattern.

    Raises
    ------
    CompressionError
        It is neither, or cannot be.
    """
    if isinstance(sparsity, str):
        match = re.fullmatch(r"(\d+):(\d+)", sparsity)
        if match is None:
            raise CompressionError(
                f"{sparsity!r} is no sparsity", "give a share such as 0.5, or n:m such as '2:4'"
            )
        return NOfM(int(match[1]), int(match[2]))
    return Unstructured(float(sparsity))


def prune_mask(score: Tensor, pattern: Pattern) -> Tensor:
    """Mark the weights with the lowest scores.

    Parameters
    ----------
    score : Tensor
        (out, in), not negative, float32.
    pattern : Pattern
        An unstructured share is taken over the whole matrix.

    Returns
    -------
    Tensor
        (out, in), bool.
    """
    if isinstance(pattern, Unstructured):
        return next(lowest([score], round(pattern.share * score.numel()), lambda whole: whole))
    return n_of_m_mask(score, pattern)


def n_of_m_mask(score: Tensor, pattern: NOfM) -> Tensor:
    """Mark the m - n lowest scores of every m consecutive ones in a row.

    Parameters
    ----------
    score : Tensor
        (rows, width).
    pattern : NOfM
        Its m divides the width.

    Returns
    -------
    Tensor
        (rows, width), bool.
    """
    pattern.check(score.shape[1])
    groups = score.reshape(len(score), -1, pattern.m)
    order = groups.argsort(dim=-1, stable=True)[..., : pattern.m - pattern.n]
    mask = torch.zeros_like(groups, dtype=torch.bool)
    return mask.scatter_(-1, order, True).flatten(1)


def row_mask(score: Tensor, share: float) -> Tensor:
    """Mark the same share of the lowest scores in every row.

    Parameters
    ----------
    score : Tensor
        (rows, width).
    share : float
        In [0, 1); ``int(share * width)`` weights a row go.

    Returns
    -------
    Tensor
        (rows, width), bool.
    """
    order = score.argsort(dim=-1, stable=True)[:, : int(share * score.shape[1])]
    return torch.zeros_like(score, dtype=torch.bool).scatter_(-1, order, True)


def lowest(items: Sequence[T], count: int, score: Callable[[T], Tensor]) -> Iterator[Tensor]:
    """Mark exactly the ``count`` lowest scores of several items taken together.

    The threshold is found by two histograms of the bits of the scores (non-negative floats sort as
    their bits do), so nothing is sorted or concatenated: a model of any size is ranked in the
    memory of one of its layers.

    Parameters
    ----------
    items : sequence
        What is scored.
    count : int
        How many scores to mark, over all items.
    score : callable
        From an item to its scores: a float32 tensor of any shape, not negative. It is called three
        times an item, and must return the same each time.

    Yields
    ------
    Tensor
        The mask of each item, in order, made when it is asked for.
    """
    threshold, left = _threshold(items, count, score)
    for item in items:
        scores = score(item)
        key = _sort_key(scores)
        mask = key < threshold
        ties = torch.nonzero(key == threshold).flatten()[:left]
        mask[ties] = True
        left -= len(ties)
        yield mask.view(scores.shape)


def _threshold(items: Sequence[T], count: int, score: Callable[[T], Tensor]) -> tuple[int, int]:
    """Find the key of the ``count``-th lowest score, and how many of those equal to it belong."""
    if count <= 0:
        return 0, 0
    high = torch.zeros(2 ** (_KEY_BITS - _LOW_BITS), dtype=torch.int64)
    for item in items:
        high += torch.bincount(_sort_key(score(item)) >> _LOW_BITS, minlength=len(high)).cpu()
    bucket, left = _crossing(high, count)
    low = torch.zeros(2**_LOW_BITS, dtype=torch.int64)
    for item in items:
        key = _sort_key(score(item))
        inside = key[(key >> _LOW_BITS) == bucket] & (2**_LOW_BITS - 1)
        low += torch.bincount(inside, minlength=len(low)).cpu()
    rest, left = _crossing(low, left)
    return (bucket << _LOW_BITS) | rest, left


def _crossing(histogram: Tensor, count: int) -> tuple[int, int]:
    """Find the bin that holds the ``count``-th value, and its rank (from 1) within the bin."""
    cumulative = histogram.cumsum(0)
    index = int(torch.searchsorted(cumulative, count))
    return index, count - (int(cumulative[index - 1]) if index else 0)


def _sort_key(score: Tensor) -> Tensor:
    """View the bits of non-negative floats, which sort as the floats do."""
    return score.float().contiguous().view(torch.int32).flatten()
