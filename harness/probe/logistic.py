"""Multinomial logistic regressions side by side: their value, slope and curvature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.numeric.arrays import Doubles, Floats, Ints

FLAT = 1e-6
"""Least p (1 - p) that a class is taken to have."""
RARE = 0.1
"""Items of each class that a start supposes where there is none."""


@dataclass(frozen=True)
class Logistic:
    """A batch of problems; the last feature is the constant of the intercept.

    Parameters
    ----------
    x : array (n_items, n_features) or (n_problems, n_items, n_features)
        Shared by all problems, or of each; the last column is 1.
    own : array (n_problems, n_items)
        Class numbers of the items.
    n_classes : int
    penalties : array (n_problems, 1, 1)
    weights : array (n_problems, n_items)
        They sum to 1.
    squares : array (1 or n_problems, 1, n_features)
        Mean square of each feature.
    heights : array (n_problems, n_classes)
        Of each problem where it was last evaluated: weighted mean of p (1 - p).
    """

    x: Floats
    own: Ints
    n_classes: int
    penalties: Floats
    weights: Floats
    squares: Floats
    heights: Floats

    @classmethod
    def of(
        cls, x: Floats, labels: Ints, n_classes: int, penalties: Floats, weights: Floats
    ) -> Logistic:
        """Append the constant, and divide weights by their sum, so that values are means."""
        wide = np.concatenate([x, np.ones((*x.shape[:-1], 1), x.dtype)], axis=-1)
        share = (weights / weights.sum(axis=1, keepdims=True)).astype(x.dtype)
        if x.ndim == 2:
            squares = np.square(wide, dtype=np.float64).mean(axis=0)[None, None]
        else:
            squares = share[:, None] @ np.square(wide)
        return cls(
            wide,
            np.asarray(labels),
            n_classes,
            np.asarray(penalties, x.dtype)[:, None, None],
            share,
            squares.astype(x.dtype),
            np.zeros((len(labels), n_classes), x.dtype),
        )

    def start(self, n_items: int) -> Floats:
        """No weights, and the intercepts of the classes' shares; none is taken for 0.

        Parameters
        ----------
        n_items : int
            Of the task: where a class has no item, its share is a tenth of one of these.

        Returns
        -------
        array (n_problems, n_classes, n_features)
        """
        m, k = len(self.own), self.n_classes
        cell = (np.arange(m)[:, None] * k + self.own).ravel()
        shares = np.bincount(cell, self.weights.ravel(), m * k).reshape(m, k)
        floor = RARE / n_items
        theta = np.zeros((m, k, self.x.shape[-1]), self.x.dtype)
        theta[:, :, -1] = np.log((shares + floor) / (1 + floor * k))
        return theta

    def scale(self, problems: Ints) -> Floats:
        """Inverse of the Hessian's diagonal, as if all items were equally uncertain.

        As a probe comes to separate its items, p (1 - p) falls by orders of magnitude while the
        penalty stays: a guess from the start would be off by as much, and cost half as many
        iterations again.
        """
        heights = np.maximum(self.heights[problems], FLAT)
        squares = self.squares if len(self.squares) == 1 else self.squares[problems]
        bend = heights[:, :, None] * squares
        bend[:, :, :-1] += self.penalties[problems]
        return np.divide(1, bend, out=bend).reshape(len(bend), -1)

    def objective(self, theta: Floats, problems: Ints) -> tuple[Doubles, Floats]:
        """Values (m,) and slopes (m, n_classes * n_features) of some problems."""
        m, k, d = len(theta), self.n_classes, self.x.shape[-1]
        whole = len(problems) == len(self.own)
        part = slice(None) if whole else problems
        weights, own = self.weights[part], self.own[part]
        cube = theta.reshape(m, k, d)
        x = self.x if self.x.ndim == 2 else self.x[part]
        p = _logits(cube, x)
        n = p.shape[2]
        p -= p.max(axis=1, keepdims=True)
        # Where in the flat array each item has its own class.
        at = own * n + np.arange(n) + (np.arange(m) * (k * n))[:, None]
        logits = p.reshape(-1).take(at)
        np.exp(p, out=p)
        total = p.sum(axis=1)
        loss = np.einsum("pi,pi->p", weights, np.log(total) - logits, dtype=np.float64)
        p /= total[:, None]
        wrong = p * weights[:, None]
        self.heights[part] = wrong.sum(axis=2) - np.einsum("pki,pki->pk", wrong, p)
        flat = wrong.reshape(-1)
        flat[at] -= weights
        slope = _slope(wrong, x)
        drawn = self.penalties[part] * cube
        drawn[:, :, -1] = 0
        slope += drawn
        loss += 0.5 * np.einsum("pkd,pkd->p", drawn, cube, dtype=np.float64)
        return loss, slope.reshape(m, -1)


def _logits(weights: Floats, x: Floats) -> Floats:
    """Products with items: (m, k, n) of (m, k, d) and (n, d), or (m, n, d)."""
    if x.ndim == 3:
        return np.asarray(weights @ np.swapaxes(x, 1, 2))
    m, k, d = weights.shape
    return np.asarray((weights.reshape(m * k, d) @ x.T).reshape(m, k, -1))


def _slope(wrong: Floats, x: Floats) -> Floats:
    """Products with features: (m, k, d) of (m, k, n) and (n, d), or (m, n, d)."""
    if x.ndim == 3:
        return np.asarray(wrong @ x)
    m, k, n = wrong.shape
    return np.asarray((wrong.reshape(m * k, n) @ x).reshape(m, k, -1))
