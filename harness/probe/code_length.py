"""Minimum description length by an online code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from harness.numeric.arrays import Doubles, Floats, Ints


def prefix_weights(order: Ints, stops: Sequence[int]) -> Floats:
    """Weights that leave each fit the items sent before its block.

    Parameters
    ----------
    order : array (seeds, n_items)
        Item numbers in the order in which they are sent.
    stops : sequence of int
        Where blocks end, in items; the last is n_items.

    Returns
    -------
    array (seeds, n_fits, n_items), float32
        Fit k is of the items before ``stops[k]`` and codes the block after it; the last stop
        needs none.
    """
    place = np.argsort(order, axis=1)
    ends = np.asarray(stops[:-1])
    return (place[:, None] < ends[:, None]).astype(np.float32)


def code_length(logits: Floats, labels: Ints, order: Ints, stops: Sequence[int]) -> Doubles:
    r"""Bits that it takes to send the training labels to somebody who has the features.

    The first block is sent with the uniform code; each later block with a probe fitted to what was
    sent before it. Every probability p is mixed with the uniform one, :math:`(t p + 1 / C) /
    (t + 1)` after t items, so that a class that was not yet seen costs a finite number of bits.

    Parameters
    ----------
    logits : array (seeds, n_fits, n_classes, n_items)
        Of all items, from the fits of :func:`prefix_weights`.
    labels : array (n_items,)
    order, stops
        As given there.

    Returns
    -------
    array (seeds,)

    References
    ----------
    Voita & Titov (2020), Information-theoretic probing with minimum description length, EMNLP,
    equation 3.
    """
    n_classes = logits.shape[2]
    bits = np.full(len(order), stops[0] * math.log2(n_classes))
    for seed, sent in enumerate(order):
        for fit, (start, stop) in enumerate(pairwise(stops)):
            block = sent[start:stop]
            z = logits[seed, fit][:, block].astype(np.float64)
            z -= z.max(axis=0)
            p = np.exp(z[labels[block], np.arange(len(block))]) / np.exp(z).sum(axis=0)
            bits[seed] -= np.log2((start * p + 1 / n_classes) / (start + 1)).sum()
    return bits
