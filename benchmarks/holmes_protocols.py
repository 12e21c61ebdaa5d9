"""Two protocols on the same tasks and states: ours, and the one that Holmes was published with.

Twenty tasks of GUM (Holmes's own are not part of brainpress), the last layer: linear probes at
their optimum, whose penalty the dev part chooses, beside Adam as in Waldis et al. (2024),
``holmes@waldis2024``. Both: five seeds, the published splits, macro-F1.

    python benchmarks/holmes_protocols.py --model smollm2-135m
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from brainpress_plugins.benchmarks.linguistic.gum_probes.benchmark import prepared
from scipy.stats import pearsonr, spearmanr

from harness.lm.load import load
from harness.lm.source import resolve
from harness.probe.options import Probe, ProbeOptions
from harness.probe.score import score_probes
from harness.probe.tasks import Target, probe_request
from harness.record.subject import LanguageSubject
from harness.spec.registry import registry


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--tasks", type=int, default=20)
    chosen = parser.parse_args()
    spec = registry().models.get(chosen.model)
    speaker = load(resolve(spec), spec)
    every = prepared()
    tasks = [t for t in every.tasks if t.target is Target.CLASS][: chosen.tasks]
    read = {place.text for task in tasks for item in task.items for place in item.places}
    texts = {name: text for name, text in every.texts.items() if name in read}
    request = probe_request("gum, some", texts, tasks)
    recorded = LanguageSubject(speaker).record(request).isel(layer=[-1])
    found, seconds = {}, {}
    for probe in (Probe.LINEAR, Probe.ADAM):
        begun = time.process_time()
        score = score_probes(tasks, request, recorded, ProbeOptions(probe=probe))
        found[probe] = score
        seconds[probe] = time.process_time() - begun
    ours, theirs = found[Probe.LINEAR], found[Probe.ADAM]
    print(f"| task | majority | ours | waldis2024 | difference |\n|{'---|' * 5}")
    for task in ours["task"].values:
        values = [float(x["score"].sel(task=task)) for x in (ours, theirs)]
        cells = [float(ours["majority"].sel(task=task)), *values, values[1] - values[0]]
        print(f"| {task} | " + " | ".join(f"{v:.3f}" for v in cells) + " |")
    a, b = ours["score"].values, theirs["score"].values
    change = b - a
    print(
        f"\nmean difference {change.mean():+.4f} (sd {change.std(ddof=1):.4f}), mean absolute"
        f" {np.abs(change).mean():.4f}, Pearson r {pearsonr(a, b)[0]:.3f}, Spearman"
        f" {spearmanr(a, b)[0]:.3f}; CPU s {seconds[Probe.LINEAR]:.0f} and"
        f" {seconds[Probe.ADAM]:.0f}"
    )


if __name__ == "__main__":
    main()
