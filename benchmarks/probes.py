"""Time probes: brainpress all at once, scikit-learn one fit each, torch one training loop each.

The work is that of `gum-probes`: for each task and layer, a fit under each penalty; for each seed,
a fit of the task, of its control task, and of each block of the online code. Ours is measured whole
on the tasks that are named; of the others a sample of layers and fits is measured and scaled to the
same work, which the table says. CPU time of one thread. Prints a Markdown table.

    python benchmarks/probes.py                     # features made up, as wide as SmolLM2-135M's
    python benchmarks/probes.py --recording FILE.nc # a recording of gum-probes from a store
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from harness.probe.chance import code_stops
from harness.probe.code_length import prefix_weights
from harness.probe.layer import Labelled, probe_layer
from harness.probe.options import ProbeOptions
from harness.probe.tasks import item_rows
from plugins.benchmarks.linguistic.gum_probes.benchmark import GumProbes, tasks

EPOCHS, BATCH, RATE = 20, 64, 1e-3
NEAR = 1.01
"""A loop that runs until its loss is within 1 % of the minimum."""
MOST_EPOCHS = 400


@dataclass(frozen=True)
class Fit:
    """One probe: standardised training items, labels, penalty."""

    x: Any
    y: Any
    n_classes: int
    penalty: float


def main() -> None:
    """Measure, and print the table."""
    arguments = _arguments()
    wanted = arguments.tasks.split(",")
    chosen = [task for task in tasks() if task.name in wanted]
    request, options = GumProbes().request, ProbeOptions()
    labelled = [Labelled.of(task, item_rows(request, task), options.seeds) for task in chosen]
    states = _states(arguments.recording, sum(len(p.spans) for p in request.stimuli.passages))
    n_layers = states.sizes["layer"]
    start = time.process_time()
    penalties = {}
    for layer in range(n_layers):
        values = np.asarray(states.isel(layer=layer).values)
        for i, task in enumerate(labelled):
            penalties[i, layer] = probe_layer(task, values, options).penalty
    ours = time.process_time() - start
    rng = np.random.default_rng(0)
    n_fits = sum(n_layers * _n_fits(task, options) for task in labelled)
    sampled: list[Fit] = []
    for i, task in enumerate(labelled):
        layers = rng.choice(n_layers, arguments.layers, replace=False)
        for layer in layers:
            values = np.asarray(states.isel(layer=int(layer)).values)
            fits = _fits(task, values, penalties[i, int(layer)], options)
            sampled += [fits[j] for j in rng.choice(len(fits), arguments.fits, replace=False)]
    print(
        f"{len(chosen)} tasks ({', '.join(t.name for t in chosen)}), {n_layers} layers,"
        f" {options.seeds} seeds: {n_fits:,} fits; {len(sampled)} of them measured one by one.\n"
    )
    print("| | CPU s | ratio |\n|---|---|---|")
    print(f"| brainpress, all at once | {ours:.1f} | 1 |")
    methods: dict[str, Callable[[Fit], object]] = {
        "scikit-learn LogisticRegression, float32": _sklearn,
        f"torch loop, Adam, batches of {BATCH}, {EPOCHS} epochs": _loop,
        "torch loop, until within 1 % of the minimum": _long_loop,
    }
    for method, fit in methods.items():
        fit(sampled[0])  # imports
        seconds = sum(_seconds(fit, one) for one in sampled) / len(sampled) * n_fits
        print(f"| {method} (sampled, scaled) | {seconds:,.0f} | {seconds / ours:.1f} |")
    gaps = [_gap(one) for one in sampled]
    print(f"\nMedian loss after {EPOCHS} epochs, relative to the minimum: {np.median(gaps):.2f}.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", default="")
    parser.add_argument("--tasks", default="number,part-of-speech,clause-relation,causal-relation")
    parser.add_argument("--layers", type=int, default=3, help="layers sampled for the others")
    parser.add_argument("--fits", type=int, default=6, help="fits sampled of each task and layer")
    return parser.parse_args()


def _states(path: str, n_rows: int) -> xr.DataArray:
    if path:
        return xr.open_dataset(path)["recording"]
    rng = np.random.default_rng(0)
    mix = rng.standard_normal((576, 576)) * np.logspace(0, -2, 576)
    values = rng.standard_normal((n_rows, 31, 576)).astype(np.float32) @ mix.astype(np.float32)
    return xr.DataArray(values, dims=("sample", "layer", "unit"))


def _n_fits(task: Labelled, options: ProbeOptions) -> int:
    blocks = len(code_stops(len(task.train))) - 1
    return len(options.penalties) + options.seeds * (2 + blocks)


def _fits(task: Labelled, values: Any, penalty: float, options: ProbeOptions) -> list[Fit]:
    x = values[task.rows].reshape(len(task.rows), -1)[task.train]
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-12)
    y, k = task.labels[task.train], task.n_classes
    fits = [Fit(x, y, k, p) for p in options.penalties]
    for seed in range(options.seeds):
        drawn = task.weights[seed] > 0
        fits += [
            Fit(x[drawn], labels[drawn], k, penalty)
            for labels in (y, task.control[seed][task.train])
        ]
        stops = code_stops(len(y))
        for weights, stop in zip(prefix_weights(task.order, stops)[seed], stops[:-1], strict=True):
            seen = weights > 0
            fits.append(Fit(x[seen], y[seen], k, penalty * len(y) / stop))
    return fits


def _seconds(fit: Callable[[Fit], object], one: Fit) -> float:
    start = time.process_time()
    fit(one)
    return time.process_time() - start


def _sklearn(one: Fit, tolerance: float = 1e-4) -> Any:
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(one.y)) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        strength = (2 if len(np.unique(one.y)) == 2 else 1) / (len(one.y) * one.penalty)
        return LogisticRegression(C=strength, tol=tolerance, max_iter=2000).fit(one.x, one.y)


def _minimum(one: Fit) -> float:
    from harness.probe.features import Basis
    from harness.probe.linear import fit_logistic

    z = Basis.of(one.x).rotate(one.x)
    penalty, weights = np.array([one.penalty]), np.ones((1, len(one.y)))
    fitted = fit_logistic(z, one.y[None], one.n_classes, penalty, weights, 1e-7)
    logits = fitted.outputs(z)[0].astype(np.float64)
    logits -= logits.max(axis=0)
    loss = (np.log(np.exp(logits).sum(axis=0)) - logits[one.y, np.arange(len(one.y))]).mean()
    return float(loss + one.penalty / 2 * np.square(fitted.weights).sum())


def _loop(one: Fit, epochs: int = EPOCHS, goal: float = 0.0) -> float:
    """Train as probing code does; return the loss over all items at the end."""
    import torch
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, y = torch.from_numpy(one.x.astype(np.float32)), torch.from_numpy(one.y.astype(np.int64))
    probe = torch.nn.Linear(x.shape[1], one.n_classes)
    optimiser = torch.optim.Adam(probe.parameters(), lr=RATE)

    def loss(rows: Any) -> Any:
        penalty = one.penalty / 2 * probe.weight.square().sum()
        return cross_entropy(probe(x[rows]), y[rows]) + penalty

    everything = torch.arange(len(y))
    for _ in range(epochs):
        for rows in torch.randperm(len(y)).split(BATCH):
            optimiser.zero_grad()
            loss(rows).backward()
            optimiser.step()
        if goal and float(loss(everything)) <= goal:
            break
    return float(loss(everything))


def _long_loop(one: Fit) -> float:
    return _loop(one, MOST_EPOCHS, NEAR * _minimum(one))


def _gap(one: Fit) -> float:
    return _loop(one) / _minimum(one)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
