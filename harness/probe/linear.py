"""Linear probes in batches: multinomial logistic regression and ridge regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg

from harness.probe.minimise import Minimum, minimise

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


FLAT = 1e-6
"""Least p (1 - p) that a class is taken to have."""


@dataclass(frozen=True)
class LinearFit:
    """Weights of a batch of linear probes.

    Parameters
    ----------
    weights : array (n_problems, n_outputs, n_features)
    intercepts : array (n_problems, n_outputs)
    """

    weights: Floats
    intercepts: Floats

    def outputs(self, x: Floats) -> Floats:
        """Logits or predicted numbers of items.

        Parameters
        ----------
        x : array (n_items, n_features)

        Returns
        -------
        array (n_problems, n_outputs, n_items)
        """
        n_problems, n_outputs, n_features = self.weights.shape
        flat = self.weights.reshape(-1, n_features) @ x.T
        return flat.reshape(n_problems, n_outputs, -1) + self.intercepts[:, :, None]


def fit_logistic(
    x: Floats,
    labels: Ints,
    n_classes: int,
    penalties: Floats,
    weights: Floats,
    tolerance: float = 1e-6,
    max_iterations: int = 500,
) -> LinearFit:
    r"""Fit a batch of multinomial logistic regressions that share their features.

    Each minimises

    .. math:: \sum_i \omega_i \mathrm{CE}_i / \sum_i \omega_i + \tfrac{\lambda}{2} \|W\|^2,

    with one row of W a class and free intercepts. scikit-learn's ``LogisticRegression`` has the
    same minimum at ``C = 1 / (n lambda)``; for two classes it has one vector for our two, and its
    ``C = 2 / (n lambda)``.

    Parameters
    ----------
    x : array (n_items, n_features)
        Float32 or float64, in which all is computed. Quick in the coordinates of
        :class:`harness.probe.features.Basis`; correct in any.
    labels : array (n_problems, n_items)
        Class numbers.
    n_classes : int
    penalties : array (n_problems,)
        Positive.
    weights : array (n_problems, n_items)
        Not negative; 0 leaves an item out.
    tolerance, max_iterations
        See :func:`harness.probe.minimise.minimise`.

    Returns
    -------
    LinearFit
    """
    problem = _Logistic(x, labels, n_classes, penalties, weights)
    found: Minimum = minimise(
        problem.objective, problem.start(), problem.scale, tolerance, max_iterations
    )
    theta = found.points.reshape(len(labels), n_classes, -1)
    return LinearFit(np.ascontiguousarray(theta[:, :, :-1]), theta[:, :, -1])


class _Logistic:
    """Value and gradient of a batch; the last feature is the constant of the intercept."""

    def __init__(
        self, x: Floats, labels: Ints, n_classes: int, penalties: Floats, weights: Floats
    ) -> None:
        self.x = np.concatenate([x, np.ones((len(x), 1), x.dtype)], axis=1)
        self.transposed = np.ascontiguousarray(self.x.T)
        self.labels, self.n_classes = labels, n_classes
        # Divided by their sum here, so that values are means.
        self.weights = (weights / weights.sum(axis=1, keepdims=True)).astype(x.dtype)
        self.inverse = 1 / np.where(self.weights > 0, self.weights, np.inf)
        n_features = self.x.shape[1]
        self.penalties = np.tile(np.asarray(penalties, x.dtype)[:, None], (1, n_features))
        self.penalties[:, -1] = 0
        self.items = np.arange(len(x))
        self.squares = np.square(self.x, dtype=np.float64).mean(axis=0).astype(x.dtype)
        # Of each problem where it was last evaluated: weighted mean of p (1 - p) by class.
        self.heights = np.zeros((len(labels), n_classes), x.dtype)

    def shares(self) -> Floats:
        """Weighted share of each class, (n_problems, n_classes); none is taken for 0."""
        out = np.zeros((len(self.labels), self.n_classes))
        rows = np.repeat(np.arange(len(self.labels)), self.labels.shape[1])
        np.add.at(out, (rows, self.labels.ravel()), self.weights.ravel())
        floor = 0.1 / self.labels.shape[1]
        return np.asarray((out + floor) / (1 + floor * self.n_classes))

    def start(self) -> Floats:
        theta = np.zeros((len(self.labels), self.n_classes, self.x.shape[1]), self.x.dtype)
        theta[:, :, -1] = np.log(self.shares())
        return theta.reshape(len(theta), -1)

    def scale(self, problems: Ints) -> Floats:
        """Inverse of the Hessian's diagonal, as if all items were equally uncertain.

        As a probe comes to separate its items, p (1 - p) falls by orders of magnitude while the
        penalty stays: a guess from the start would be off by as much, and cost half as many
        iterations again.
        """
        heights = np.maximum(self.heights[problems], FLAT)
        bend = heights[:, :, None] * self.squares + self.penalties[problems][:, None]
        return np.asarray((1 / bend).reshape(len(bend), -1))

    def objective(self, theta: Floats, problems: Ints) -> tuple[Doubles, Floats]:
        m, k, d = len(theta), self.n_classes, self.x.shape[1]
        weights, labels = self.weights[problems], self.labels[problems]
        logits = (theta.reshape(m * k, d) @ self.transposed).reshape(m, k, -1)
        logits -= logits.max(axis=1, keepdims=True)
        at = (np.arange(m)[:, None], labels, self.items[None])
        own = logits[at]
        np.exp(logits, out=logits)
        total = logits.sum(axis=1)
        loss = np.einsum("pi,pi->p", weights, np.log(total) - own, dtype=np.float64)
        logits *= (weights / total)[:, None]
        self.heights[problems] = logits.sum(axis=2) - np.einsum(
            "pki,pki,pi->pk", logits, logits, self.inverse[problems]
        )
        logits[at] -= weights
        slope = (logits.reshape(m * k, -1) @ self.x).reshape(m, k, d)
        cube = theta.reshape(m, k, d)
        drawn = self.penalties[problems][:, None] * cube
        slope += drawn
        loss += 0.5 * np.einsum("pkd,pkd->p", drawn, cube, dtype=np.float64)
        return loss, slope.reshape(m, -1)


def fit_ridge(x: Floats, targets: Floats, penalties: Floats, weights: Floats) -> LinearFit:
    r"""Fit a batch of ridge regressions that share their features, in closed form.

    Each minimises :math:`\sum_i \omega_i (y_i - w \cdot x_i - b)^2 / \sum_i \omega_i +
    \lambda \|w\|^2`; scikit-learn's ``Ridge`` has the same minimum at ``alpha = n lambda``.

    Parameters
    ----------
    x : array (n_items, n_features)
    targets : array (n_problems, n_items)
    penalties : array (n_problems,)
    weights : array (n_problems, n_items)

    Returns
    -------
    LinearFit
        With one output.

    Notes
    -----
    Computed in float64 (a Gram matrix squares the condition number). Problems of the same weights
    share their Gram matrix, those that also share the penalty its factor.
    """
    wide, goals = np.asarray(x, np.float64), np.asarray(targets, np.float64)
    share = np.asarray(weights, np.float64) / np.sum(weights, axis=1, keepdims=True)
    out = np.empty((len(goals), 1, x.shape[1]), x.dtype)
    intercepts = np.empty((len(goals), 1), x.dtype)
    _, alike = np.unique(share, axis=0, return_inverse=True)
    for group in np.unique(alike):
        members = np.flatnonzero(alike == group)
        omega = share[members[0]]
        centre, level = omega @ wide, goals[members] @ omega
        kept = omega > 0
        root = np.sqrt(omega[kept])[:, None]
        a, y = (wide[kept] - centre) * root, (goals[members][:, kept] - level[:, None]) * root.T
        found = _ridge_weights(a, y, np.asarray(penalties, np.float64)[members])
        out[members, 0] = found
        intercepts[members, 0] = level - found @ centre
    return LinearFit(out, intercepts)


def _ridge_weights(a: Doubles, y: Doubles, penalties: Doubles) -> Doubles:
    """Weights (n_problems, n_features) of centred, weighted items."""
    dual = len(a) < a.shape[1]
    gram = a @ a.T if dual else a.T @ a
    right = y if dual else y @ a
    found = np.empty_like(right)
    for penalty in np.unique(penalties):
        rows = penalties == penalty
        factor = scipy.linalg.cho_factor(gram + penalty * np.eye(len(gram)), check_finite=False)
        found[rows] = scipy.linalg.cho_solve(factor, right[rows].T, check_finite=False).T
    return np.asarray(found @ a if dual else found)
