"""Features that know nothing of a stimulus but the order of its rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse

from harness.numeric.arrays import Singles

SMOOTHING = (1.0, 2.0, 4.0)
"""Standard deviations of the Gaussian over neighbours, in rows: a layer each, chosen as layers are,
on training rows."""
REACH = 4.0
"""Where the Gaussian ends, in standard deviations."""
WIDTH = 1024
"""Units. The smoothed identity of any number of rows is projected onto as many, which keeps
products of rows to within about 1 / sqrt(WIDTH). Without that a run that is held out whole would
have units that no training row has: its prediction would be a constant, its correlation none."""
SEED = 0
"""Of the projection."""
VERSION = 1
"""Bumped when the same request comes to be answered otherwise."""


def smoothed_identity(counts: Sequence[int], sd: float) -> scipy.sparse.csr_array:
    """Return the identity smoothed over neighbouring rows, within each passage.

    Parameters
    ----------
    counts : sequence of int
        Rows of each passage, one passage after the other.
    sd : float
        Of the Gaussian, in rows.

    Returns
    -------
    sparse array, shape (n_rows, n_rows)
        Rows of length 1.
    """
    blocks = []
    for n in counts:
        reach = min(int(np.ceil(REACH * sd)), max(n - 1, 0))
        offsets = np.arange(-reach, reach + 1)
        weights = np.exp(-0.5 * np.square(offsets / sd))
        diagonals = [np.full(n - abs(k), w) for k, w in zip(offsets, weights, strict=True)]
        band = scipy.sparse.diags_array(diagonals, offsets=offsets, shape=(n, n)).tocsr()
        length = np.sqrt(band.multiply(band).sum(axis=1))
        blocks.append(scipy.sparse.diags_array(1 / length) @ band)
    return scipy.sparse.csr_array(scipy.sparse.block_diag(blocks))


def rows_in_order(counts: Sequence[int], width: int = WIDTH, seed: int = SEED) -> Singles:
    """Return features that know of each row only its place.

    Parameters
    ----------
    counts : sequence of int
        Rows of each passage, one passage after the other.
    width : int
        Units.
    seed : int
        Of the projection.

    Returns
    -------
    array, shape (n_rows, n_layers, width)
        A layer for each width of smoothing (:data:`SMOOTHING`).
    """
    n_rows = sum(counts)
    turn = np.random.default_rng(seed).standard_normal((n_rows, width), np.float32)
    layers = [smoothed_identity(counts, sd).astype(np.float32) @ turn for sd in SMOOTHING]
    return np.asarray(np.stack(layers, axis=1) / np.sqrt(width), np.float32)
