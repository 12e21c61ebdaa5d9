"""Two implementations of every neural score, side by side: ours and himalaya's.

Scores one recording twice, on the same folds, penalties and criterion, confounds out of both sides,
and prints how far the two are apart over all participants and regions, unique R2 by region of both
(himalaya's from its banded ridge), and what both took, with and without confounds.

Run: python benchmarks/solvers.py [--model stories260k] [--benchmark brennan2016-alice]
"""

from __future__ import annotations

import argparse
import time
from unittest.mock import patch

import numpy as np
import xarray as xr

from harness.encode.score.responses import Cleaned, Responses
from harness.lm.load import load
from harness.lm.source import resolve
from harness.record.subject import LanguageSubject
from harness.spec.registry import registry
from harness.spec.settings import with_settings
from harness.spec.specs import BenchmarkSpec, target_of

SOLVERS = ("brainpress", "himalaya")
SHOWN = ("r", "r_best", "nuisance_r2", "joint_r", "joint_r2", "unique_r2")


def scored(spec: BenchmarkSpec, model: str) -> tuple[xr.Dataset, float, float]:
    """Score a model's recording; CPU and wall seconds of the score alone."""
    benchmark = target_of(spec)(**spec.options)
    chosen = registry().models.get(model)
    subject = LanguageSubject(load(resolve(chosen), chosen))
    recordings = {request: subject.record(request) for request in benchmark.requests()}
    wall, cpu = time.perf_counter(), time.process_time()
    score = benchmark.score(recordings)
    return score, time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="stories260k")
    parser.add_argument("--benchmark", default="brennan2016-alice")
    parser.add_argument("--settings", default="", help="further options: penalties=10;n_outer=4")
    chosen = parser.parse_args()
    spec = registry().benchmarks.get(chosen.benchmark)
    found = {}
    for solver in SOLVERS:
        settings = ";".join(filter(None, [chosen.settings, f"solver={solver}"]))
        score, cpu, wall = scored(with_settings(spec, settings), chosen.model)
        found[solver] = score
        print(f"{solver}: value {float(score['value']):.6f}, {cpu:.1f} CPU s, {wall:.1f} s")
        plain = _without_confounds(with_settings(spec, settings), chosen.model)
        print(f"{solver}, nothing taken out of either side: {plain:.1f} CPU s")
    ours, theirs = (found[solver] for solver in SOLVERS)
    print("| score | shape | largest difference |\n|---|---|---|")
    for name in SHOWN:
        for variable in (name, f"group_{name}"):
            if variable in ours:
                a, b = ours[variable].values, theirs[variable].values
                shape = " x ".join(map(str, a.shape))
                print(f"| {variable} | {shape} | {np.nanmax(np.abs(a - b)):.1e} |")
    if "unique_roi" in ours:
        print("\n| unique R2 | brainpress | himalaya | 95 % crossed |\n|---|---|---|---|")
        for number, roi in enumerate(ours["roi"].values):
            a, b = (float(score["unique_roi"][number]) for score in (ours, theirs))
            low, high = (float(ours[f"unique_roi_{end}"][number]) for end in ("low", "high"))
            print(f"| {roi} | {a:.5f} | {b:.5f} | {low:.4f} to {high:.4f} |")


def _without_confounds(spec: BenchmarkSpec, model: str) -> float:
    """CPU seconds of the same score where nothing is taken out of responses and features."""
    with patch("harness.encode.score.responses.Responses.cleaned", _as_they_are):
        return scored(spec, model)[1]


def _as_they_are(responses: Responses, pieces: object) -> Cleaned:
    return Cleaned(responses.values, responses.values.mean(axis=0), None, None, "")


if __name__ == "__main__":
    main()
