"""Windows into batches by length, and readouts into one sparse matrix a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from harness.record.windows import Window

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Shown:
    """One window of one passage, as token numbers.

    Parameters
    ----------
    passage : int
        Index of the passage.
    window : Window
    ids : array (n_tokens,)
        What the model is fed: start tokens, then the tokens of the window.
    lead : int
        Number of start tokens.
    """

    passage: int
    window: Window
    ids: Ints
    lead: int


def batches(
    shown: Sequence[Shown], batch_tokens: int, batch_size: int | None = None
) -> Iterator[list[Shown]]:
    """Group windows of like length, longest first.

    Padding stands on the right, where a causal model cannot see it, so results do not depend on
    the grouping. Longest first: a batch that does not fit in memory fails at once.

    Parameters
    ----------
    batch_tokens : int
        Most tokens of a batch, padding included; a longer window makes a batch of its own.
    batch_size : int, optional
        Most windows of a batch.
    """
    order = sorted(range(len(shown)), key=lambda i: -len(shown[i].ids))
    batch: list[Shown] = []
    for i in order:
        longest = len(batch[0].ids) if batch else 0
        full = (len(batch) + 1) * longest > batch_tokens or len(batch) == batch_size
        if batch and full:
            yield batch
            batch = []
        batch.append(shown[i])
    if batch:
        yield batch


def padded(batch: Sequence[Shown]) -> Ints:
    """Token numbers of a batch, (windows, longest), zeros on the right."""
    ids = np.zeros((len(batch), len(batch[0].ids)), np.int64)
    for row, item in zip(ids, batch, strict=True):
        row[: len(item.ids)] = item.ids
    return ids


def batch_matrix(
    batch: Sequence[Shown], matrices: Sequence[Any], first_rows: Sequence[int]
) -> tuple[Ints, Any]:
    """Readout of a batch.

    Parameters
    ----------
    batch : sequence of Shown
    matrices : sequence of sparse csc (rows, tokens)
        The readout of each passage.
    first_rows : sequence of int
        Row of the recording at which each passage starts.

    Returns
    -------
    rows : array (n_rows,)
        Rows of the recording that this batch adds to.
    matrix : csr_array (n_rows, windows * longest)
        What it adds, of the flattened token states of the batch.
    """
    width = len(batch[0].ids)
    parts = []
    for place, item in enumerate(batch):
        w = item.window
        piece = matrices[item.passage][:, w.read : w.read_stop].tocoo()
        offset = place * width + item.lead + (w.read - w.start)
        parts.append((piece.row + first_rows[item.passage], piece.col + offset, piece.data))
    row, column, value = (np.concatenate(p) for p in zip(*parts, strict=True))
    rows, compact = np.unique(row, return_inverse=True)
    shape = (len(rows), len(batch) * width)
    return rows.astype(np.int64), sparse.csr_array((value, (compact, column)), shape=shape)
