"""How well predictions agree with labels, from counts that add up over groups of items.

An interval resamples whole groups (documents), so what a score needs is summed within each group
once; a thousand resamples are then one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.numeric.arrays import Bools, Doubles, Floats, Ints


@dataclass(frozen=True)
class Counts:
    """Hits of several classifiers on the same items.

    Parameters
    ----------
    hits, predicted : array (n_groups, n_fits, n_classes)
        Items of each class that were right; items that were given each class.
    actual : array (n_groups, n_classes)
        Items that are of each class.
    """

    hits: Doubles
    predicted: Doubles
    actual: Doubles

    @classmethod
    def of(
        cls, labels: Ints, predictions: Ints, groups: Ints, n_groups: int, n_classes: int
    ) -> Counts:
        """Count.

        Parameters
        ----------
        labels : array (n_items,)
            Class numbers.
        predictions : array (n_fits, n_items)
            Class numbers.
        groups : array (n_items,)
            Group numbers.
        """
        n_fits = len(predictions)
        cell = (groups * n_fits + np.arange(n_fits)[:, None]) * n_classes + predictions
        shape, size = (n_groups, n_fits, n_classes), n_groups * n_fits * n_classes
        right = predictions == labels
        return cls(
            np.bincount(cell[right], minlength=size).reshape(shape).astype(np.float64),
            np.bincount(cell.ravel(), minlength=size).reshape(shape).astype(np.float64),
            np.bincount(groups * n_classes + labels, minlength=n_groups * n_classes)
            .reshape(n_groups, n_classes)
            .astype(np.float64),
        )

    def macro_f1(self, weights: Doubles) -> Doubles:
        """Mean of the classes' F1, each class weighing the same; (n_draws, n_fits).

        A class that neither occurs nor is predicted is left out, as scikit-learn does.

        Parameters
        ----------
        weights : array (n_draws, n_groups)
            How often each group counts.
        """
        f1, present = self._f1(weights)
        return np.asarray(f1.sum(axis=2) / np.maximum(present.sum(axis=2), 1))

    def weighted_f1(self, weights: Doubles) -> Doubles:
        """Mean of the classes' F1, each weighing as often as it occurs; (n_draws, n_fits)."""
        f1, _ = self._f1(weights)
        actual = weights @ self.actual
        return np.asarray(
            (f1 * actual[:, None]).sum(axis=2) / np.maximum(actual.sum(axis=1), 1)[:, None]
        )

    def accuracy(self, weights: Doubles) -> Doubles:
        """Share of items that are right, (n_draws, n_fits)."""
        items = weights @ self.actual.sum(axis=1)
        return np.asarray(weights @ self.hits.sum(axis=2) / np.maximum(items, 1)[:, None])

    def _f1(self, weights: Doubles) -> tuple[Doubles, Bools]:
        shape = (len(weights), *self.hits.shape[1:])
        hits = (weights @ self.hits.reshape(len(self.hits), -1)).reshape(shape)
        both = (weights @ self.predicted.reshape(len(self.hits), -1)).reshape(shape)
        both += (weights @ self.actual)[:, None]
        present = both > 0
        return np.asarray(2 * hits / np.where(present, both, 1)), present


@dataclass(frozen=True)
class Moments:
    """Sums that correlations of several regressions with the same numbers are made of.

    Parameters
    ----------
    sums : array (n_groups, 6, n_fits)
        Of 1, x, y, x * x, y * y, x * y.
    """

    sums: Doubles

    @classmethod
    def of(cls, targets: Floats, predictions: Floats, groups: Ints, n_groups: int) -> Moments:
        """Sum over groups.

        Parameters
        ----------
        targets : array (n_items,)
        predictions : array (n_fits, n_items)
        groups : array (n_items,)
        """
        y = np.broadcast_to(targets.astype(np.float64), predictions.shape)
        x = predictions.astype(np.float64)
        # Centred first: sums of squares about 0 would cancel where the mean is large.
        if x.shape[1]:
            x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
        parts = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y])
        sums = np.zeros((n_groups, *parts.shape[:2]))
        np.add.at(sums, groups, np.moveaxis(parts, 2, 0))
        return cls(sums)

    def pearson(self, weights: Doubles) -> Doubles:
        """Pearson r, (n_draws, n_fits); 0 where predictions do not vary."""
        n, x, y, xx, yy, xy = np.moveaxis(np.tensordot(weights, self.sums, axes=1), 1, 0)
        spread = np.maximum(n * xx - x * x, 0) * np.maximum(n * yy - y * y, 0)
        still = spread <= 1e-24 * np.maximum(n * n * xx * yy, 1e-300)
        return np.asarray(
            np.where(still, 0, (n * xy - x * y) / np.sqrt(np.where(still, 1, spread)))
        )
