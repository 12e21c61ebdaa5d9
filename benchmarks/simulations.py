"""Simulated participants: whether what is true comes back, and how often nothing looks like more.

Recovery: r, unique R2, ceiling and layer of participants with drifts, motion that goes with the
stimulus, slow features and a missing run. False positives: participants whom words alone drive, and
two models that are equally good.

Run: python benchmarks/simulations.py [--simulations 500] [--recoveries 60]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from simulated_participants import recover, spurious

NAMES = (
    "unique R2 of a model that adds nothing: above 0, crossed, two-sided p < .05",
    "unique R2 of a model that adds nothing: interval over participants above 0",
    "two equally good models: crossed interval of the difference without 0",
    "two equally good models: t over participants alone, p < .05",
)


def covered(rows: np.ndarray, end: int) -> str:
    """Share of intervals, from a column on, that hold the truth in column 0."""
    if np.isnan(rows[:, end]).all():
        return ""
    truth = rows[:, 0]
    return f"{np.mean((rows[:, end] <= truth) & (truth <= rows[:, end + 1])):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=500)
    parser.add_argument("--recoveries", type=int, default=60)
    asked = parser.parse_args()
    began = time.process_time()
    print(
        "| mean over simulations | truth | found | interval over participants holds it | crossed |"
    )
    print("|---|---|---|---|---|")
    for motion in (0.0, 1.0):
        how = "with motion" if motion else "without motion"
        found = [recover(seed, motion) for seed in range(asked.recoveries)]
        for name in ("r", "unique R2", "ceiling"):
            rows = np.array([one[name] for one in found])
            truth, mean = rows[:, 0].mean(), rows[:, 1].mean()
            ends = f"{covered(rows, 2)} | {covered(rows, 4)}"
            print(f"| {name}, {how} | {truth:.3f} | {mean:.3f} | {ends} |")
        right = np.mean([one["layer"] for one in found])
        print(f"| layer, {how} | 1 | in {right:.2f} of regions | | |")
    found = np.array([spurious(seed) for seed in range(asked.simulations)])
    print(f"\n| false positives over {asked.simulations} simulations | share |\n|---|---|")
    for name, share in zip(NAMES, found.mean(axis=0), strict=True):
        error = np.sqrt(share * (1 - share) / len(found))
        print(f"| {name} | {share:.3f} ± {error:.3f} |")
    print(f"\n{time.process_time() - began:.0f} CPU s")


if __name__ == "__main__":
    main()
