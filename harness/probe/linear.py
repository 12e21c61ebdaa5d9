"""Linear probes in batches: multinomial logistic regression and ridge regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from harness.numeric.arrays import Doubles, Floats, Ints
from harness.probe.gram import lower_gram
from harness.probe.logistic import Logistic
from harness.probe.minimise import minimise
from harness.probe.span import own_spans

FEW = 3
"""A problem with fewer than one item for so many axes is solved in the span of its items."""


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

    def of(self, problems: slice) -> LinearFit:
        """Return some of the batch."""
        return LinearFit(self.weights[problems], self.intercepts[problems])

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

    Notes
    -----
    Problems of many items are minimised together; those of few are too, in the spans of their
    items (:mod:`harness.probe.span`).
    """
    few = np.count_nonzero(weights, axis=1) * FEW <= x.shape[1]
    settings = (tolerance, max_iterations)
    theta = np.empty((len(labels), n_classes, x.shape[1] + 1), x.dtype)
    if not few.all():
        many = ~few
        problem = Logistic.of(x, labels[many], n_classes, penalties[many], weights[many])
        theta[many] = _minimum(problem, problem.start(len(x)), *settings)
    for members, spans in own_spans(x, weights, np.flatnonzero(few)):
        problem = Logistic.of(
            spans.coordinates,
            np.take_along_axis(labels[members], spans.items, 1),
            n_classes,
            penalties[members],
            np.take_along_axis(weights[members], spans.items, 1) * spans.real,
        )
        found = _minimum(problem, problem.start(len(x)), *settings)
        theta[members, :, :-1] = spans.weights(x, found[:, :, :-1])
        theta[members, :, -1] = found[:, :, -1]
    return LinearFit(np.ascontiguousarray(theta[:, :, :-1]), theta[:, :, -1])


def _minimum(problem: Logistic, start: Floats, tolerance: float, max_iterations: int) -> Floats:
    """Weights and, last, intercepts: (n_problems, n_classes, n_features + 1)."""
    flat = start.reshape(len(start), -1)
    found = minimise(problem.objective, flat, problem.scale, tolerance, max_iterations)
    return found.points.reshape(start.shape)


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
    gram = lower_gram(a if dual else a.T)
    right = y if dual else y @ a
    found = np.empty_like(right)
    for penalty in np.unique(penalties):
        rows = penalties == penalty
        ridged = gram.copy(order="F")
        np.einsum("ii->i", ridged)[:] += penalty
        factor = scipy.linalg.cho_factor(ridged, lower=True, overwrite_a=True, check_finite=False)
        found[rows] = scipy.linalg.cho_solve(factor, right[rows].T, check_finite=False).T
    return np.asarray(found @ a if dual else found)
