"""A batch of packs as arrays: what goes into the model, and the readout of what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from harness.numeric.arrays import Bools, Doubles, Ints
from harness.record.packs import Pack


def padded(batch: Sequence[Pack]) -> Ints:
    """Token numbers, (packs, longest); zeros on the right."""
    return _rows(batch, [p.ids for p in batch])


def positions(batch: Sequence[Pack]) -> Ints:
    """Position of each token in its text, (packs, longest)."""
    return _rows(batch, [p.depths for p in batch])


def parents(batch: Sequence[Pack]) -> Ints:
    """Index of the token before each in its pack, (packs, longest); -1 at a beginning."""
    return _rows(batch, [p.parents for p in batch])


def visible(batch: Sequence[Pack]) -> Bools:
    """Which token sees which, (packs, longest, longest). Padding sees itself."""
    width = len(batch[0])
    sees = np.tile(np.eye(width, dtype=np.bool_), (len(batch), 1, 1))
    for row, pack in zip(sees, batch, strict=True):
        row[: len(pack), : len(pack)] = pack.visible
    return sees


def batch_matrix(
    batch: Sequence[Pack], matrices: Sequence[Any], first_rows: Sequence[int]
) -> tuple[Ints, Any]:
    """Readout of a batch.

    Parameters
    ----------
    batch : sequence of Pack
    matrices : sequence of sparse csc (rows, tokens)
        The readout of each passage.
    first_rows : sequence of int
        Row of the recording at which each passage starts.

    Returns
    -------
    rows : array (n_rows,)
        Rows of the recording that this batch adds to.
    matrix : csr_array (n_rows, packs * longest)
        What it adds, of the flattened token states of the batch.
    """
    width = len(batch[0])
    row: list[Ints] = []
    column: list[Ints] = []
    value: list[Doubles] = []
    for at, pack in enumerate(batch):
        for item, places in zip(pack.shown, pack.places, strict=True):
            w = item.window
            piece = matrices[item.passage][:, w.read : w.read_stop].tocoo()
            row.append(piece.row + first_rows[item.passage])
            column.append(at * width + places[item.lead + (w.read - w.start) + piece.col])
            value.append(piece.data)
    rows, compact = np.unique(np.concatenate(row), return_inverse=True)
    shape = (len(rows), len(batch) * width)
    entries = (np.concatenate(value), (compact, np.concatenate(column)))
    return rows.astype(np.int64), sparse.csr_array(entries, shape=shape)


def _rows(batch: Sequence[Pack], parts: Sequence[Ints]) -> Ints:
    rows = np.zeros((len(batch), len(batch[0])), np.int64)
    for row, part in zip(rows, parts, strict=True):
        row[: len(part)] = part
    return rows
