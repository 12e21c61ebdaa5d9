"""Linear probes as Holmes trains them: Adam over batches, with dropout, stopped by the dev loss.

For figures that stand beside published ones. The optimum that :mod:`harness.probe.linear` finds is
the same whatever the seed, the scale of the features and the number of steps; this is not.

References
----------
Waldis, Perlitz, Choshen, Hou & Gurevych (2024), Holmes, TACL 12, 1616-1647, appendix; its code,
https://github.com/Holmes-Benchmark/holmes-evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.numeric.arrays import Doubles, Floats, Ints
from harness.probe.linear import LinearFit

RATE = 1e-3
BATCH = 64
DROPOUT = 0.2
WARM_UP = 0.1
"""Share of all steps in which the rate grows; it falls to 0 over the others."""
EPOCHS = 20
PATIENCE = 10
"""Epochs without a lower dev loss after which a fit stops."""
MOMENTS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(frozen=True)
class Schooling:
    """Items that probes are trained on, and those that say when to stop.

    Parameters
    ----------
    x : array (n_items, n_features)
        As they are: not standardised.
    targets : array (n_items,)
        Class numbers (integers), or numbers.
    dev_x, dev_targets : array
        Likewise.
    n_outputs : int
        Classes; 1 for numbers.
    """

    x: Floats
    targets: Ints | Doubles
    dev_x: Floats
    dev_targets: Ints | Doubles
    n_outputs: int


def fit_adam(items: Schooling, seeds: Ints) -> LinearFit:
    """Train a linear probe for each seed.

    Cross-entropy of a softmax of a softmax (the published code applies it twice), or the smooth L1
    loss of numbers. A seed draws the first weights, the batches and what drops out.

    Parameters
    ----------
    items : Schooling
    seeds : array (n_problems,)

    Returns
    -------
    LinearFit
        Of the epoch with the lowest dev loss.
    """
    fits = [_one(items, int(seed)) for seed in seeds]
    return LinearFit(np.stack([f[:, :-1] for f in fits]), np.stack([f[:, -1] for f in fits]))


def _one(items: Schooling, seed: int) -> Floats:
    rng = np.random.default_rng([seed, 73])
    n, n_features = items.x.shape
    bound = 1 / math.sqrt(n_features)
    shape = (items.n_outputs, n_features + 1)
    adam = _Adam(
        rng.uniform(-bound, bound, shape).astype(np.float32), EPOCHS * math.ceil(n / BATCH)
    )
    best, lowest, waited = adam.weights, math.inf, 0
    for _ in range(EPOCHS):
        for batch in _batches(rng.permutation(n)):
            kept = rng.random((len(batch), n_features)) >= DROPOUT
            x = items.x[batch] * kept / np.float32(1 - DROPOUT)
            _, slope = loss_and_slope(_outputs(adam.weights, x), items.targets[batch])
            adam.step(np.hstack([slope.T @ x, slope.sum(axis=0)[:, None]]))
        loss, _ = loss_and_slope(_outputs(adam.weights, items.dev_x), items.dev_targets)
        if loss < lowest:
            best, lowest, waited = adam.weights, loss, 0
        else:
            waited += 1
            if waited >= PATIENCE:
                break
    return best


def _batches(order: Ints) -> Iterator[Ints]:
    for start in range(0, len(order), BATCH):
        yield order[start : start + BATCH]


def _outputs(weights: Floats, x: Floats) -> Floats:
    return np.asarray(x @ weights[:, :-1].T + weights[:, -1])


def loss_and_slope(outputs: Floats, targets: npt.NDArray[Any]) -> tuple[float, Floats]:
    """Mean loss of a batch, and its slope in the outputs.

    Parameters
    ----------
    outputs : array (n_items, n_outputs)
    targets : array (n_items,)
        Class numbers (integers) or numbers.

    Returns
    -------
    float
    array (n_items, n_outputs)
    """
    n = len(outputs)
    if targets.dtype.kind == "f":
        error = outputs[:, 0] - targets
        near = np.abs(error) < 1
        loss = np.where(near, 0.5 * error**2, np.abs(error) - 0.5)
        slope = np.where(near, error, np.sign(error)) / n
        return float(np.mean(loss)), np.asarray(slope[:, None], outputs.dtype)
    p = _softmax(outputs)
    q = _softmax(p)
    at = (np.arange(n), targets)
    found = float(-np.mean(np.log(q[at])))
    inner = q.copy()
    inner[at] -= 1
    slope = p * (inner - (inner * p).sum(axis=1, keepdims=True)) / n
    return found, np.asarray(slope, outputs.dtype)


def _softmax(values: Floats) -> Floats:
    shares = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


@dataclass
class _Adam:
    """Weights under Adam (Kingma & Ba 2015) with a rate that warms up and falls linearly."""

    weights: Floats
    n_steps: int
    taken: int = 0
    first: Floats = field(init=False)
    second: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.first, self.second = np.zeros_like(self.weights), np.zeros_like(self.weights)

    def step(self, slope: Floats) -> None:
        a, b = MOMENTS
        warm = WARM_UP * self.n_steps
        share = self.taken / max(warm, 1)
        if self.taken >= warm:
            share = max(0.0, (self.n_steps - self.taken) / max(self.n_steps - warm, 1))
        self.taken += 1
        self.first = a * self.first + (1 - a) * slope
        self.second = b * self.second + (1 - b) * slope**2
        mean = self.first / (1 - a**self.taken)
        spread = np.sqrt(self.second / (1 - b**self.taken)) + EPSILON
        self.weights = np.asarray(self.weights - RATE * share * mean / spread, np.float32)
