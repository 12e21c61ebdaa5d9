"""Tests of whether a prediction is better than the same prediction at another time.

Predictions are permuted in blocks that are longer than the noise remembers, within their run. The
correlation under a permutation is a sum of inner products between blocks of responses and blocks of
predictions; all pairs are computed once, so a permutation costs one addition a block.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from harness.errors import ScoreError
from harness.numeric.arrays import Doubles, Floats, Positions

SHORTEST = 20
"""Rows. At .05, smooth noise is significant in 7.2 % of tests with 10-TR blocks, 6.3 % with 20."""

FEWEST = 6
"""Blocks: 720 arrangements."""

DENSE = 48
"""Up to this many blocks, permutations are a dense matrix."""

CROSS_VALIDATED = 2**0.5
"""How much wider the score of cross-validation spreads than that of permuted predictions."""

_BLOCK = 2**22
"""Numbers a temporary array may hold."""


@dataclass(frozen=True, eq=False)
class PermutationTest:
    """How often permuted predictions do as well.

    Parameters
    ----------
    r : array, shape (n_targets,)
        Correlation over the rows used.
    p : array, shape (n_targets,)
        One-sided, ``(b + 1) / (n + 1)`` with ``b`` permutations at least as good (Phipson & Smyth
        2010). NaN where responses or predictions do not vary.
    n : int
        Number of permutations.
    n_blocks, block_length : int
        Blocks, and rows in each.
    rows : array of int
        Rows used: the last ones of a run that do not fill a block are left out.
    """

    r: Doubles
    p: Doubles
    n: int
    n_blocks: int
    block_length: int
    rows: Positions


def block_permutation(
    responses: Floats,
    predictions: Floats,
    runs: npt.ArrayLike,
    *,
    n: int = 1000,
    seed: int = 0,
    block_length: int = SHORTEST,
) -> PermutationTest:
    """Test correlations by permuting predictions in blocks.

    Parameters
    ----------
    responses, predictions : array, shape (n_samples, n_targets)
        Held-out responses and predictions, rows in order.
    runs : array, shape (n_samples,)
        Run label of every row; no block straddles runs.
    n : int
        Number of permutations, the same for all targets.
    seed : int
        Seed.
    block_length : int
        Rows in a block; at least 20.

    Returns
    -------
    PermutationTest

    Raises
    ------
    ScoreError
        Blocks are too short, or too few.
    """
    starts = _checked_starts(np.asarray(runs), block_length)
    rows = (starts[:, None] + np.arange(block_length)).ravel()
    y, x = _unit(responses[rows]), _unit(predictions[rows])
    n_blocks = len(starts)
    select = _selections(n, n_blocks, seed)
    n_targets = y.shape[1]
    r, p = np.empty((2, n_targets))
    width = max(1, _BLOCK // max(n, n_blocks**2))
    for start in range(0, n_targets, width):
        block = slice(start, start + width)
        pairs = _pairs(y[:, block], x[:, block], n_blocks)
        null = select @ pairs
        r[block] = pairs[:: n_blocks + 1].sum(axis=0)
        # A permutation that only swaps equal blocks ties; rounding must not break the tie.
        exceeding = (null >= r[block] - 1e-12).sum(axis=0)
        p[block] = np.where(np.isnan(r[block]), np.nan, (exceeding + 1) / (n + 1))
    return PermutationTest(r, p, n, n_blocks, block_length, rows)


def fold_permutation(
    responses: Floats,
    predictions: Floats,
    runs: npt.ArrayLike,
    tests: Sequence[Positions],
    *,
    n: int = 1000,
    seed: int = 0,
    block_length: int = SHORTEST,
) -> PermutationTest:
    """Test the mean over folds of held-out correlations by permuting predictions in blocks.

    Blocks move between folds; each fold's correlation is then computed anew, about the means and
    with the norms of what lies in it now. With several folds the null is widened by
    ``CROSS_VALIDATED``.

    Parameters
    ----------
    responses, predictions : array, shape (n_heldout, n_targets)
        Held-out rows of all folds, one fold after another.
    runs : array, shape (n_samples,)
        Run label of every row of the recording.
    tests : sequence of array of int
        Held-out rows of each fold, as rows of the recording, ascending.
    n, seed, block_length : int
        As in :func:`block_permutation`. No block straddles runs, folds or holes in time.

    Returns
    -------
    PermutationTest
        ``r`` is the mean over folds; a fold without a whole block is left out. ``rows`` are
        positions in ``responses``.

    Notes
    -----
    Without widening, noise would be significant in 10 to 12 % of tests at .05. A linear model
    predicts fold f as ``sum_g A_fg y_g``; the score sums ``y_f' A_fg y_g`` over pairs of folds, and
    as ``A`` is nearly symmetric, each pair of folds is counted twice with nearly the same number,
    whereas under permutation the two are independent. The variance of the score is therefore up to
    twice that of the permuted one (Cauchy-Schwarz, folds being independent), and exactly that is
    allowed for. A prescribed test set is in no training set: there nothing is widened.

    Raises
    ------
    ScoreError
        Rows are not those of the folds; blocks are too short, or too few.
    """
    heldout = np.concatenate(tests)
    if len(responses) != len(heldout) or np.shape(predictions) != np.shape(responses):
        raise ScoreError(
            f"responses {np.shape(responses)} and predictions {np.shape(predictions)} are not the"
            f" {len(heldout)} held-out rows of {len(tests)} folds",
            "give the held-out rows of all folds, one fold after another",
        )
    labels = np.asarray(runs)[heldout]
    ends = np.cumsum([len(test) for test in tests])
    broken = (labels[1:] != labels[:-1]) | (np.diff(heldout) != 1)
    broken[ends[:-1] - 1] = True
    starts = _checked_starts(np.r_[0, np.cumsum(broken)], block_length)
    folds = np.searchsorted(ends, starts, side="right")
    rows = (starts[:, None] + np.arange(block_length)).ravel()
    n_blocks, n_targets = len(starts), responses.shape[1]
    order = np.argsort(np.random.default_rng(seed).random((n, n_blocks)), axis=1)
    order = np.concatenate([np.arange(n_blocks)[None], order])  # first as it is
    r, p = np.empty((2, n_targets))
    width = max(1, _BLOCK // max(n, n_blocks**2))
    for start in range(0, n_targets, width):
        block = slice(start, start + width)
        y, x = (np.asarray(v[rows, block], np.float64) for v in (responses, predictions))
        scores = _fold_correlations(y, x, order, folds)
        r[block], null = scores[0], scores[1:]
        if len(np.unique(folds)) > 1:
            null = null.mean(axis=0) + CROSS_VALIDATED * (null - null.mean(axis=0))
        exceeding = (null >= r[block] - 1e-12).sum(axis=0)
        p[block] = np.where(np.isnan(r[block]), np.nan, (exceeding + 1) / (n + 1))
    return PermutationTest(r, p, n, n_blocks, block_length, rows)


def _fold_correlations(y: Doubles, x: Doubles, order: Positions, folds: Positions) -> Doubles:
    """Mean over folds of r under each order of the blocks of x, (n_orders, n_targets)."""
    n_blocks = len(folds)
    length = len(y) // n_blocks
    of_row = np.repeat(folds, length)
    numbers = np.unique(folds)
    y = y.copy()
    for fold in numbers:
        y[of_row == fold] -= y[of_row == fold].mean(axis=0)
    # About its overall mean x changes no correlation, and squares do not cancel.
    constant = np.ptp(x, axis=0) == 0
    x = x - x.mean(axis=0)
    pairs = _pairs(y, x, n_blocks).reshape(n_blocks, n_blocks, -1)
    blocks = x.reshape(n_blocks, length, -1)
    sums, squares = blocks.sum(axis=1), np.square(blocks).sum(axis=1)
    total = np.zeros((len(order), y.shape[1]))
    for fold in numbers:
        members = np.flatnonzero(folds == fold)
        meet = np.zeros((len(order), len(members), n_blocks))
        np.put_along_axis(meet, order[:, members, None], 1.0, axis=2)
        there = meet.sum(axis=1)
        own = meet.reshape(len(order), -1) @ pairs[members].reshape(len(members) * n_blocks, -1)
        spread = there @ squares - np.square(there @ sums) / (len(members) * length)
        energy = np.square(y[of_row == fold]).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            total += own / np.sqrt(spread * energy)
    total /= len(numbers)
    total[:, constant] = np.nan
    return total


def _checked_starts(runs: npt.NDArray[Any], length: int) -> Positions:
    """First rows of blocks that may be permuted."""
    if length < SHORTEST:
        raise ScoreError(
            f"blocks of {length} rows are shorter than fMRI noise remembers",
            f"use blocks of at least {SHORTEST} rows",
        )
    starts = _block_starts(runs, length)
    if len(starts) < FEWEST:
        raise ScoreError(
            f"{len(starts)} blocks of {length} rows cannot be permuted often enough",
            f"at least {FEWEST} blocks are needed: join runs or use more data",
        )
    return starts


def _block_starts(runs: npt.NDArray[Any], length: int) -> Positions:
    edges = np.flatnonzero(np.r_[True, runs[1:] != runs[:-1], True])
    return np.concatenate(
        [np.arange(start, stop - length + 1, length) for start, stop in itertools.pairwise(edges)]
    )


def _unit(x: Floats) -> Doubles:
    values = np.asarray(x, dtype=np.float64)
    centred = values - values.mean(axis=0)
    norm = np.sqrt(np.square(centred).sum(axis=0))
    norm[np.ptp(values, axis=0) == 0] = np.nan
    return np.asarray(centred / norm)


def _pairs(y: Doubles, x: Doubles, n_blocks: int) -> Doubles:
    """Inner products of all blocks of y with all blocks of x, (n_blocks ** 2, n_targets)."""
    shape = (n_blocks, -1, y.shape[1])
    left = y.reshape(shape).transpose(2, 0, 1)
    right = x.reshape(shape).transpose(2, 1, 0)
    return np.ascontiguousarray((left @ right).reshape(y.shape[1], -1).T)


def _selections(n: int, n_blocks: int, seed: int) -> scipy.sparse.csr_array | Doubles:
    """One row a permutation: which pairs of blocks meet."""
    order = np.argsort(np.random.default_rng(seed).random((n, n_blocks)), axis=1)
    pairs = np.arange(n_blocks) * n_blocks + order
    ones = np.ones(n * n_blocks)
    offsets = np.arange(0, n * n_blocks + 1, n_blocks)
    select = scipy.sparse.csr_array((ones, pairs.ravel(), offsets), shape=(n, n_blocks**2))
    # With few blocks a dense product, though mostly of zeros, is several times faster.
    return select.toarray() if n_blocks <= DENSE else select
