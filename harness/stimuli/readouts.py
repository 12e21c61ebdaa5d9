"""Readouts: sparse matrices from the tokens of a passage to the rows of a recording.

Averaging a word's sub-tokens, taking a sentence's last token, summing log-probabilities and
filtering words onto volumes are all linear in the tokens, so all of them are one mechanism: the
recorder multiplies, and never keeps token states.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

import numpy as np
from scipy import sparse

from harness.errors import StimulusError
from harness.numeric.arrays import Ints
from harness.stimuli.lanczos import LOBES, lanczos_matrix
from harness.stimuli.passages import Passage, Stimuli

Matrix: TypeAlias = Any  # scipy.sparse.csr_array: scipy ships no types


class Pool(StrEnum):
    """How the tokens of one item become one row."""

    MEAN = "mean"
    LAST = "last"
    SUM = "sum"


class Readout(Protocol):
    """A linear map from the tokens of each passage to rows of the recording."""

    def rows(self, stimuli: Stimuli) -> tuple[int, ...]:
        """Return the number of rows that each passage yields."""

    def matrix(self, stimuli: Stimuli, index: int, owners: Ints, n_tokens: int) -> Matrix:
        """Matrix (rows, tokens) of passage ``index``.

        ``owners`` (pairs, 2) lists which token belongs to which item: columns item, token.
        """


def pooled(owners: Ints, n_items: int, n_tokens: int, pool: Pool) -> Matrix:
    """Matrix (items, tokens) that pools each item's tokens.

    Parameters
    ----------
    owners : array (pairs, 2)
        Columns item, token, sorted by item then token.

    Notes
    -----
    A sum counts nothing twice: a token across several words goes with the last of them, the one in
    which it ends, so that words sum to their text. (Where items nest, each has its own sum.)
    """
    item, token = owners.T
    if pool is Pool.SUM and not nested(owners):
        once = np.append(token[1:] != token[:-1], True)
        item, token = item[once], token[once]
    if pool is Pool.LAST:
        last = np.append(item[1:] != item[:-1], True)
        item, token = item[last], token[last]
    weights = np.ones(len(item))
    if pool is Pool.MEAN:
        weights /= np.bincount(item, minlength=n_items)[item]
    return sparse.csr_array((weights, (item, token)), shape=(n_items, n_tokens))


def nested(owners: Ints) -> bool:
    """Whether items stand within others: then tokens do not run on from one item to the next."""
    return bool(np.any(np.diff(owners[:, 1]) < 0))


@dataclass(frozen=True)
class Items:
    """One row an item: a word, or any span of characters."""

    pool: Pool = Pool.MEAN

    def rows(self, stimuli: Stimuli) -> tuple[int, ...]:
        """Return the number of items of each passage."""
        return tuple(len(p.spans) for p in stimuli.passages)

    def matrix(self, stimuli: Stimuli, index: int, owners: Ints, n_tokens: int) -> Matrix:
        """Pool the tokens of each item."""
        return pooled(owners, len(stimuli.passages[index].spans), n_tokens, self.pool)


@dataclass(frozen=True)
class Whole:
    """One row a passage, from all its tokens (``Pool.LAST``: the last one)."""

    pool: Pool = Pool.MEAN

    def rows(self, stimuli: Stimuli) -> tuple[int, ...]:
        """One row each."""
        return (1,) * len(stimuli.passages)

    def matrix(self, stimuli: Stimuli, index: int, owners: Ints, n_tokens: int) -> Matrix:
        """Pool all tokens of the passage, whether or not an item owns them."""
        everything = np.stack([np.zeros(n_tokens, np.int64), np.arange(n_tokens)], axis=1)
        return pooled(everything, 1, n_tokens, self.pool)


@dataclass(frozen=True)
class Lanczos:
    """Items pooled, then filtered onto the volumes of a scanner at the items' midpoints.

    Parameters
    ----------
    times : tuple of tuple of float
        For each passage, the times (s) of its volumes, on the clock of the passage's onsets.
    pool : Pool
        How the tokens of an item become one value first.
    lobes : int
        Lobes of the filter.

    Notes
    -----
    The filter sums over items, as in Huth et al. (2016): a volume with more words has a larger
    feature. Item midpoints, cut-off at the volume rate.
    """

    times: tuple[tuple[float, ...], ...]
    pool: Pool = Pool.MEAN
    lobes: int = LOBES

    def rows(self, stimuli: Stimuli) -> tuple[int, ...]:
        """Return the number of volumes of each passage.

        Raises
        ------
        StimulusError
            There are not as many clocks as passages.
        """
        if len(self.times) != len(stimuli.passages):
            raise StimulusError(
                f"stimuli {stimuli.name!r} have {len(stimuli.passages)} passages,"
                f" the readout has volume times for {len(self.times)}"
            )
        return tuple(len(t) for t in self.times)

    def matrix(self, stimuli: Stimuli, index: int, owners: Ints, n_tokens: int) -> Matrix:
        """Lanczos filter times pooling."""
        passage: Passage = stimuli.passages[index]
        words = pooled(owners, len(passage.spans), n_tokens, self.pool)
        onto = lanczos_matrix(
            np.asarray(passage.midpoints), np.asarray(self.times[index]), lobes=self.lobes
        )
        return sparse.csr_array(onto @ words)
