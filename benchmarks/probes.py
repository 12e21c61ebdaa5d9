"""Time probes: brainpress all at once, scikit-learn one fit each, torch one training loop each.

The work is that of `gum-probes`: for each task and layer, a fit under each penalty; for each seed,
a fit of the task, of its control task, and of each block of the online code. Ours is measured
whole, and again; of the others a sample of fits, scaled to the same work, as the table says. CPU
time of one thread, recordings made before. In one process, or in pieces that append to a file:

    python benchmarks/probes.py all --recording FILE.nc --json probes.jsonl
    python benchmarks/probes.py ours --recording FILE.nc --layers 0-9 --json probes.jsonl
    python benchmarks/probes.py others --recording FILE.nc --tasks 0-9 --json probes.jsonl
    python benchmarks/probes.py table --json probes.jsonl

Others: scikit-learn as it comes; 20 epochs of Adam over slices of a tensor; the same as probing
code has it (Waldis et al. 2024: batches from a DataLoader, a rate that warms up, the loss on the
dev part after every epoch); and Adam until the loss is within 1 % of the minimum, or for 400
epochs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from probe_fits import METHODS, Fit, exact
from threadpoolctl import threadpool_limits

from harness.probe.batch import fit_batch, penalty_batch, seed_batch
from harness.probe.features import Basis
from harness.probe.labelled import Labelled
from harness.probe.layer import probe_layer
from harness.probe.options import ProbeOptions
from harness.probe.tasks import item_rows

OPTIONS = ProbeOptions()
STRATA = ("penalty", "seed")


@dataclass(frozen=True)
class Work:
    """The tasks, and the recording that they are scored on."""

    tasks: list[Labelled]
    states: xr.DataArray

    @classmethod
    def of(cls, recording: Path) -> Work:
        """Read both."""
        from brainpress_plugins.benchmarks.linguistic.gum_probes.benchmark import GumProbes, tasks

        request = GumProbes().request
        labelled = [Labelled.of(t, item_rows(request, t), OPTIONS.seeds) for t in tasks()]
        return cls(labelled, xr.open_dataset(recording)["recording"])

    def layer(self, at: int) -> Any:
        """States of one layer, (n_rows, n_units)."""
        return np.asarray(self.states.isel(layer=at).values)


def ours(work: Work, layers: list[int], repeat: int = 0) -> Iterator[dict[str, Any]]:
    """Score every task on some layers."""
    for layer in layers:
        states = work.layer(layer)
        for task in work.tasks:
            start = time.process_time()
            result = probe_layer(task, states, OPTIONS)
            yield {
                "method": "brainpress, all at once",
                "task": task.task.name,
                "layer": layer,
                "repeat": repeat,
                "seconds": time.process_time() - start,
                "fits": sum(_sizes(task, result.penalty)),
                "train": len(task.train),
                "units": states.shape[1] * task.rows.shape[1],
            }


def others(work: Work, at: list[int], n_layers: int, n_fits: int) -> Iterator[dict[str, Any]]:
    """Sample fits of some tasks: as many of each stratum from each sampled layer."""
    warm: list[Any] = []
    for i in at:
        task, rng = work.tasks[i], np.random.default_rng(i)
        for layer in rng.choice(work.states.sizes["layer"], n_layers, replace=False):
            for stratum, size, one in _sampled(task, work.layer(int(layer)), n_fits, rng):
                if not warm:
                    warm = [method(one, 1.0) for method in METHODS.values()]  # imports
                point = exact(one)
                minimum, said = one.loss(*point), one.predict(*point)
                about = {
                    "task": task.task.name,
                    "layer": int(layer),
                    "stratum": stratum,
                    "size": size,
                    "layers": work.states.sizes["layer"],
                    "ours_agrees": _agreement(one, one.ours, said),
                }
                for name, method in METHODS.items():
                    start = time.process_time()
                    found = method(one, minimum)
                    yield about | {
                        "method": name,
                        "seconds": time.process_time() - start,
                        # Training items of one class have a minimum of 0.
                        "loss": one.loss(*found) / minimum if minimum else None,
                        "agrees": _agreement(one, one.predict(*found), said),
                    }


def _sizes(task: Labelled, penalty: float) -> list[int]:
    batches = (penalty_batch(task, OPTIONS), seed_batch(task, penalty, OPTIONS))
    return [len(batch.targets) for batch in batches]


def _sampled(
    task: Labelled, states: Any, n_fits: int, rng: np.random.Generator
) -> Iterator[tuple[str, int, Fit]]:
    penalty = probe_layer(task, states, OPTIONS).penalty
    x = states[task.rows].reshape(len(task.rows), -1)
    basis = Basis.of(x[task.train])
    standard = ((x - basis.mean) / basis.sd).astype(np.float32)
    for stratum, batch in zip(
        STRATA,
        (penalty_batch(task, OPTIONS), seed_batch(task, penalty, OPTIONS)),
        strict=True,
    ):
        z = basis.rotate(x[task.train])
        outputs = fit_batch(task, z, batch, OPTIONS).outputs(basis.rotate(x[task.test]))
        said = outputs.argmax(axis=1) if task.is_class else outputs[:, 0]
        for j in rng.choice(len(said), n_fits, replace=False):
            used = batch.weights[j] > 0
            fit = Fit(
                standard[task.train][used],
                batch.targets[j][used],
                standard[task.dev],
                task.labels[task.dev],
                standard[task.test],
                task.n_classes,
                float(batch.penalties[j]),
                said[j],
            )
            yield stratum, len(said), fit


def _agreement(one: Fit, said: Any, truth: Any) -> float:
    """Share of test items that are given the same class; Pearson r of numbers."""
    if one.is_class:
        return float((said == truth).mean())
    return float(np.corrcoef(said, truth)[0, 1])


def table(rows: list[dict[str, Any]]) -> str:
    """Return the table in Markdown, with a line on what was measured."""
    ours_all = [r for r in rows if "stratum" not in r]
    repeats = sorted({r["repeat"] for r in ours_all})
    totals = [sum(r["seconds"] for r in ours_all if r["repeat"] == i) for i in repeats]
    whole, own = [r for r in ours_all if r["repeat"] == repeats[0]], float(np.median(totals))
    n_fits, tasks = sum(r["fits"] for r in whole), {r["task"] for r in whole}
    sampled = [r for r in rows if "stratum" in r]
    one_method = [r for r in sampled if r["method"] == next(iter(METHODS))]
    lines = [
        f"{len(tasks)} tasks x {len({r['layer'] for r in whole})} layers x {OPTIONS.seeds} seeds:"
        f" {n_fits:,} fits of up to {max(r['train'] for r in whole)} items with"
        f" {min(r['units'] for r in whole)} or {max(r['units'] for r in whole)} units;"
        f" {len(one_method)} fits of every other method measured one by one and scaled."
        f" Ours: median of {', '.join(f'{t:,.1f}' for t in sorted(totals))} s.",
        "",
        "| | CPU s | times ours | loss over the minimum, median | predictions as at the minimum |",
        "|---|---|---|---|---|",
        f"| {whole[0]['method']} | {own:,.0f} | 1 | |"
        f" {np.mean([r['ours_agrees'] for r in one_method]):.3f} |",
    ]
    for method in METHODS:
        mine = [r for r in sampled if r["method"] == method]
        value, error = _scaled(mine)
        lines.append(
            f"| {method} | {value:,.0f} ± {error:,.0f} | {value / own:.1f} |"
            f" {100 * (np.median([r['loss'] for r in mine if r['loss']]) - 1):.1f} % |"
            f" {np.mean([r['agrees'] for r in mine]):.3f} |"
        )
    return "\n".join(lines)


def _scaled(rows: list[dict[str, Any]]) -> tuple[float, float]:
    """Scale a sample to all fits: the sum over tasks and strata, and its standard error."""
    value = variance = 0.0
    for key in sorted({(r["task"], r["stratum"]) for r in rows}):
        mine = [r for r in rows if (r["task"], r["stratum"]) == key]
        times = mine[0]["size"] * mine[0]["layers"]
        seconds = [r["seconds"] for r in mine]
        value += times * float(np.mean(seconds))
        variance += times**2 * float(np.var(seconds, ddof=1)) / len(mine)
    return value, variance**0.5


def main() -> None:
    """Measure a piece, or print the table."""
    options = _options()
    if options.what == "table":
        print(table([json.loads(line) for line in options.json.read_text().splitlines()]))
        return
    work = Work.of(options.recording)
    layers = options.layers or list(range(work.states.sizes["layer"]))
    at = options.tasks or list(range(len(work.tasks)))
    mine = (
        [ours(work, layers, i) for i in range(options.repeats)] if options.what != "others" else []
    )
    theirs = others(work, at, options.sampled_layers, options.fits)
    for row in chain(*mine[:1], theirs if options.what != "ours" else [], *mine[1:]):
        with options.json.open("a") as file:
            file.write(json.dumps(row) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("all", "ours", "others", "table"))
    parser.add_argument("--recording", type=Path, help="of gum-probes, from a store")
    parser.add_argument("--json", type=Path, required=True, help="append to this file; table: read")
    parser.add_argument("--layers", type=_range, help="for ours: first-last")
    parser.add_argument("--repeats", type=int, default=3, help="of ours")
    parser.add_argument("--tasks", type=_range, help="for others: first-last")
    parser.add_argument("--sampled-layers", type=int, default=3, help="of each task")
    parser.add_argument("--fits", type=int, default=2, help="of each stratum, task and layer")
    return parser.parse_args()


def _range(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


if __name__ == "__main__":
    with threadpool_limits(1):
        import torch

        torch.set_num_threads(1)
        main()
