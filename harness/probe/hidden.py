"""Probes with one hidden layer, in batches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.numeric.arrays import Doubles, Floats, Ints
from harness.probe.minimise import minimise


@dataclass(frozen=True)
class HiddenFit:
    """Weights of a batch of probes with one hidden layer.

    Parameters
    ----------
    inner : array (n_problems, n_hidden, n_features + 1)
        Into the hidden layer; the last column is the bias.
    outer : array (n_problems, n_outputs, n_hidden + 1)
    """

    inner: Floats
    outer: Floats

    def of(self, problems: slice) -> HiddenFit:
        """Return some of the batch."""
        return HiddenFit(self.inner[problems], self.outer[problems])

    def outputs(self, x: Floats) -> Floats:
        """Logits or predicted numbers, (n_problems, n_outputs, n_items)."""
        hidden = np.maximum(_affine(self.inner, x.T), 0)
        return np.asarray(self.outer[:, :, :-1] @ hidden + self.outer[:, :, -1:])


def fit_hidden(
    x: Floats,
    targets: Ints | Floats,
    n_outputs: int,
    penalties: Floats,
    weights: Floats,
    seeds: Ints,
    n_hidden: int = 32,
    tolerance: float = 1e-4,
    max_iterations: int = 200,
) -> HiddenFit:
    r"""Fit a batch of probes with one hidden layer of rectified units.

    Each minimises the weighted mean of its loss plus :math:`\tfrac{\lambda}{2} (\|A\|^2 +
    \|B\|^2)`, biases free: cross-entropy for class numbers, half the squared error for numbers.

    Parameters
    ----------
    x : array (n_items, n_features)
    targets : array (n_problems, n_items)
        Class numbers (integers), or numbers.
    n_outputs : int
        Classes; 1 for numbers.
    penalties : array (n_problems,)
    weights : array (n_problems, n_items)
    seeds : array (n_problems,)
        Of the weights at the start (the problem is not convex).
    n_hidden : int
    tolerance, max_iterations
        See :func:`harness.probe.minimise.minimise`.

    Returns
    -------
    HiddenFit
    """
    share = (weights / weights.sum(axis=1, keepdims=True)).astype(x.dtype)
    problem = _Hidden(x, targets, n_outputs, n_hidden, np.asarray(penalties, x.dtype), share)
    start = problem.start(seeds)
    found = minimise(problem.objective, start, np.ones_like(start), tolerance, max_iterations)
    return HiddenFit(*problem.parts(found.points))


@dataclass(frozen=True)
class _Hidden:
    x: Floats
    targets: Ints | Floats
    n_outputs: int
    n_hidden: int
    penalties: Floats
    weights: Floats

    def parts(self, theta: Floats) -> tuple[Floats, Floats]:
        cut = self.n_hidden * (self.x.shape[1] + 1)
        inner = theta[:, :cut].reshape(len(theta), self.n_hidden, -1)
        return inner, theta[:, cut:].reshape(len(theta), self.n_outputs, -1)

    def start(self, seeds: Ints) -> Floats:
        """He et al. (2015), scaled to the features' own size; zero biases."""
        n_features = self.x.shape[1]
        size = np.sqrt(2 / max(float(np.square(self.x).sum(axis=1).mean()), 1e-12))
        thetas = []
        for seed in seeds:
            rng = np.random.default_rng([int(seed), 71])
            inner = np.zeros((self.n_hidden, n_features + 1))
            outer = np.zeros((self.n_outputs, self.n_hidden + 1))
            inner[:, :-1] = rng.standard_normal((self.n_hidden, n_features)) * size
            outer[:, :-1] = rng.standard_normal((self.n_outputs, self.n_hidden)) * np.sqrt(
                1 / self.n_hidden
            )
            thetas.append(np.concatenate([inner.ravel(), outer.ravel()]))
        return np.asarray(np.stack(thetas), self.x.dtype)

    def objective(self, theta: Floats, problems: Ints) -> tuple[Doubles, Floats]:
        inner, outer = self.parts(theta)
        weights, penalty = self.weights[problems], self.penalties[problems][:, None, None]
        hidden = np.maximum(_affine(inner, self.x.T), 0)
        outputs = outer[:, :, :-1] @ hidden + outer[:, :, -1:]
        loss, wrong = _loss(outputs, self.targets[problems], weights)
        back = np.swapaxes(outer[:, :, :-1], 1, 2) @ wrong
        back *= hidden > 0
        drawn_inner, drawn_outer = penalty * inner, penalty * outer
        drawn_inner[:, :, -1] = drawn_outer[:, :, -1] = 0
        for drawn, part in ((drawn_inner, inner), (drawn_outer, outer)):
            loss += 0.5 * np.einsum("pij,pij->p", drawn, part, dtype=np.float64)
        drawn_inner[:, :, :-1] += back @ self.x
        drawn_inner[:, :, -1] += back.sum(axis=2)
        drawn_outer[:, :, :-1] += wrong @ np.swapaxes(hidden, 1, 2)
        drawn_outer[:, :, -1] += wrong.sum(axis=2)
        m = len(theta)
        return loss, np.concatenate([drawn_inner.reshape(m, -1), drawn_outer.reshape(m, -1)], 1)


def _affine(weights: Floats, transposed: Floats) -> Floats:
    """Products of (m, rows, features + 1) and (features, items): (m, rows, items)."""
    m, rows, _ = weights.shape
    flat = weights[:, :, :-1].reshape(m * rows, -1) @ transposed
    return np.asarray(flat.reshape(m, rows, -1) + weights[:, :, -1:])


def _loss(outputs: Floats, targets: Ints | Floats, weights: Floats) -> tuple[Doubles, Floats]:
    """Weighted mean loss (m,) and its slope in the outputs (m, n_outputs, n_items)."""
    if targets.dtype.kind == "f":
        error = outputs[:, 0] - targets
        loss = 0.5 * np.einsum("pi,pi->p", weights, np.square(error), dtype=np.float64)
        return loss, (weights * error)[:, None].astype(outputs.dtype)
    m, _, n = outputs.shape
    at = (np.arange(m)[:, None], targets, np.arange(n)[None])
    outputs = outputs - outputs.max(axis=1, keepdims=True)
    own = outputs[at]
    shares = np.exp(outputs)
    total = shares.sum(axis=1)
    loss = np.einsum("pi,pi->p", weights, np.log(total) - own, dtype=np.float64)
    shares *= (weights / total)[:, None]
    shares[at] -= weights
    return loss, shares
