"""Problems of few items, in the span of their items.

The weights of a penalised probe have no part outside the span of the items that it is fitted to: a
probe of 20 items has 20 coordinates, however many units there are. The first fits of an online
code are such.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.numeric.arrays import Bools, Floats, Ints
from harness.probe.gram import spanned

CLASSES = 10
"""Problems whose items differ in number by less than this factor are solved together."""


@dataclass(frozen=True)
class Spans:
    """Items of some problems on the axes of their own span.

    Parameters
    ----------
    items : array (n_problems, size)
        Item numbers; behind the last, any.
    real : array (n_problems, size) of bool
        False behind the last.
    coordinates : array (n_problems, size, size)
        Inner products are those of the items.
    back : array (n_problems, size, size)
        From coordinates of weights to shares of items.
    """

    items: Ints
    real: Bools
    coordinates: Floats
    back: Floats

    @classmethod
    def of(cls, x: Floats, used: Bools) -> Spans:
        """Take the spans of the used items of each problem (n_problems, n_items)."""
        size = int(used.sum(axis=1).max())
        items = np.argsort(~used, axis=1, kind="stable")[:, :size]
        real = np.take_along_axis(used, items, 1)
        coordinates, back = np.zeros((2, len(used), size, size), x.dtype)
        for i, n in enumerate(real.sum(axis=1)):
            mine = x[items[i, :n]]
            lengths, vectors = spanned(mine @ mine.T)
            coordinates[i, :n, : len(lengths)] = vectors * lengths
            back[i, : len(lengths), :n] = (vectors / lengths).T
        return cls(items, real, coordinates, back)

    def weights(self, x: Floats, found: Floats) -> Floats:
        """Weights in the features of ``x``, from those in coordinates (n_problems, k, size)."""
        shares = found @ self.back
        return np.stack([share @ x[items] for share, items in zip(shares, self.items, strict=True)])


def own_spans(x: Floats, weights: Floats, members: Ints) -> Iterator[tuple[Ints, Spans]]:
    """Problems of about as many items, and their spans.

    Parameters
    ----------
    x : array (n_items, n_features)
    weights : array (n_problems, n_items)
    members : array
        Numbers of the problems to go through.
    """
    used = weights > 0
    counts = used.sum(axis=1)
    left = members[np.argsort(counts[members], kind="stable")]
    while len(left):
        group = left[counts[left] * CLASSES > counts[left[-1]]]
        yield group, Spans.of(x, used[group])
        left = left[: len(left) - len(group)]
