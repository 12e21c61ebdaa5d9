"""One probe at a time: scikit-learn, and training loops in torch, as probing code has them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

EPOCHS, BATCH, RATE, WARM = 20, 64, 1e-3, 0.1
NEAR, MOST_EPOCHS = 1.01, 400


@dataclass(frozen=True)
class Fit:
    """One probe: standardised items with a weight, labels, penalty, and what ours predicts."""

    x: Any
    y: Any
    dev: Any
    dev_y: Any
    test: Any
    n_classes: int
    penalty: float
    ours: Any

    @property
    def is_class(self) -> bool:
        """Whether labels are classes, not numbers."""
        return self.n_classes > 1

    def outputs(self, x: Any, weights: Any, intercepts: Any) -> Any:
        """Logits or numbers, (n_items, n_outputs)."""
        return x.astype(np.float64) @ weights.T + intercepts

    def loss(self, weights: Any, intercepts: Any) -> float:
        """Value of what every method minimises."""
        out = self.outputs(self.x, weights, intercepts)
        if not self.is_class:
            return float(np.square(out[:, 0] - self.y).mean() + self.penalty * (weights**2).sum())
        out -= out.max(axis=1, keepdims=True)
        own = out[np.arange(len(out)), self.y]
        entropy = (np.log(np.exp(out).sum(axis=1)) - own).mean()
        return float(entropy + self.penalty / 2 * (weights**2).sum())

    def predict(self, weights: Any, intercepts: Any) -> Any:
        """Classes or numbers of the test items."""
        out = self.outputs(self.test, weights, intercepts)
        return out.argmax(axis=1) if self.is_class else out[:, 0]


Method = Callable[[Fit, float], tuple[Any, Any]]
"""Called with a fit and the value of its minimum; returns weights and intercepts."""


def scikit_learn(one: Fit, minimum: float, **options: Any) -> tuple[Any, Any]:
    """Fit with scikit-learn; a class that no item has gets no chance."""
    from sklearn.linear_model import LogisticRegression, Ridge

    if not one.is_class:
        ridge = Ridge(alpha=len(one.y) * one.penalty).fit(one.x, one.y)
        return ridge.coef_[None], np.atleast_1d(ridge.intercept_)
    weights = np.zeros((one.n_classes, one.x.shape[1]))
    intercepts = np.full(one.n_classes, -1e4)
    present = np.unique(one.y)
    if len(present) == 1:
        intercepts[present] = 0
        return weights, intercepts
    two = len(present) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=(1 + two) / (len(one.y) * one.penalty), **options)
        model.fit(one.x, one.y)
    half = [-0.5, 0.5]
    weights[present] = np.outer(half, model.coef_[0]) if two else model.coef_
    intercepts[present] = np.array(half) * model.intercept_ if two else model.intercept_
    return weights, intercepts


def exact(one: Fit) -> tuple[Any, Any]:
    """Fit with scikit-learn in float64 until nothing moves."""
    wide = Fit(**(vars(one) | {"x": one.x.astype(np.float64)}))
    return scikit_learn(wide, 0.0, tol=1e-8, max_iter=10_000)


def loop(one: Fit, minimum: float, epochs: int = EPOCHS, near: float = 0.0) -> tuple[Any, Any]:
    """Train with Adam on slices of a tensor; with ``near``, stop where the loss is near enough."""
    import torch

    x, y = torch.from_numpy(one.x), _targets(one, one.y)
    probe, loss = _probe(one)
    optimiser = torch.optim.Adam(probe.parameters(), lr=RATE)
    for _ in range(epochs):
        for rows in torch.randperm(len(y)).split(BATCH):
            optimiser.zero_grad()
            loss(x[rows], y[rows]).backward()
            optimiser.step()
        with torch.no_grad():
            if near and float(loss(x, y)) <= near * minimum:
                break
    return _numbers(probe)


def long_loop(one: Fit, minimum: float) -> tuple[Any, Any]:
    """Train until the loss is within 1 % of the minimum."""
    return loop(one, minimum, MOST_EPOCHS, NEAR)


def loader_loop(one: Fit, minimum: float) -> tuple[Any, Any]:
    """Train as probing code does, and keep the weights that were best on the dev part."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    train = TensorDataset(torch.from_numpy(one.x), _targets(one, one.y))
    known = one.dev_y < one.n_classes if one.is_class else slice(None)
    dev = TensorDataset(torch.from_numpy(one.dev[known]), _targets(one, one.dev_y[known]))
    probe, loss = _probe(one)
    optimiser = torch.optim.Adam(probe.parameters(), lr=RATE)
    loader = DataLoader(train, BATCH, shuffle=True)
    steps = EPOCHS * len(loader)

    def rate(step: int) -> float:
        return min((step + 1) / (WARM * steps), (steps - step) / ((1 - WARM) * steps))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    best, kept = float("inf"), _numbers(probe)
    for _ in range(EPOCHS):
        for x, y in loader:
            optimiser.zero_grad()
            loss(x, y).backward()
            optimiser.step()
            schedule.step()
        with torch.no_grad():
            value = sum(float(loss(x, y)) * len(y) for x, y in DataLoader(dev, 300))
        if value < best:
            best, kept = value, _numbers(probe)
    return kept


METHODS: dict[str, Method] = {
    "scikit-learn, one fit each": scikit_learn,
    f"torch loop, Adam, {EPOCHS} epochs": loop,
    f"torch loop with DataLoader, warm-up and dev loss, {EPOCHS} epochs": loader_loop,
    "torch loop until within 1 % of the minimum": long_loop,
}


def _probe(one: Fit) -> tuple[Any, Callable[[Any, Any], Any]]:
    import torch
    from torch.nn import functional

    torch.manual_seed(0)
    probe = torch.nn.Linear(one.x.shape[1], one.n_classes)

    def loss(x: Any, y: Any) -> Any:
        squares = probe.weight.square().sum()
        if one.is_class:
            return functional.cross_entropy(probe(x), y) + one.penalty / 2 * squares
        return functional.mse_loss(probe(x)[:, 0], y) + one.penalty * squares

    return probe, loss


def _targets(one: Fit, y: Any) -> Any:
    import torch

    return torch.from_numpy(y.astype(np.int64 if one.is_class else np.float32))


def _numbers(probe: Any) -> tuple[Any, Any]:
    weights, bias = probe.weight.detach().numpy(), probe.bias.detach().numpy()
    return weights.astype(np.float64), bias.astype(np.float64)
