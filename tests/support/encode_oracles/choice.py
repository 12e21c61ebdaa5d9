"""The layer that training rows favour, found while layers go by one after another."""

from __future__ import annotations

import numpy as np

from harness.numeric.arrays import Doubles, Floats, Positions, Singles


class LayerChoice:
    """Choice of one layer for each group of targets in one outer fold.

    Parameters
    ----------
    groups : array of int, shape (n_targets,)
        Group of each target; a group chooses together.
    n_test : int
        Held-out rows of the fold.

    Attributes
    ----------
    chosen : array of int, shape (n_targets,)
        The layer with the highest mean inner score of the group so far; the earlier of equals.
    predictions : array, shape (n_test, n_targets)
        Held-out predictions from there.
    """

    def __init__(self, groups: Positions, n_test: int) -> None:
        _, self._groups = np.unique(groups, return_inverse=True)
        self._sizes = np.bincount(self._groups)
        self._best = np.full(len(self._sizes), -np.inf)
        self.chosen: Positions = np.zeros(len(groups), dtype=np.intp)
        self.predictions: Singles = np.zeros((n_test, len(groups)), np.float32)

    def offer(self, layer: int, inner: Doubles, predictions: Floats) -> None:
        """Take a layer for the groups that it suits better than those before.

        Parameters
        ----------
        layer : int
        inner : array, shape (n_targets,)
            Inner cross-validation scores, from training rows only.
        predictions : array, shape (n_test, n_targets)
        """
        mean = np.bincount(self._groups, inner) / self._sizes
        better = mean > self._best
        self._best[better] = mean[better]
        members = better[self._groups]
        self.chosen[members] = layer
        self.predictions[:, members] = predictions[:, members]
