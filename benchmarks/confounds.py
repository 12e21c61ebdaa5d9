"""What features that know nothing score on *Alice*, by how slow periods leave both sides.

White noise and random walks in as many units as a model has: taken out of each held-out part on its
own, as scores are made, and out of the whole run that folds cut, which leaks.

Run: python benchmarks/confounds.py [--units 576] [--draws 3]
"""

from __future__ import annotations

import argparse
from unittest.mock import patch

import numpy as np
import xarray as xr

from harness.spec.registry import registry
from harness.spec.specs import load_target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=576)
    parser.add_argument("--draws", type=int, default=3)
    asked = parser.parse_args()
    benchmark = load_target(registry().benchmarks.get("brennan2016-alice"))
    (request,) = benchmark.requests()

    def scores(walk: bool) -> str:
        found = []
        for seed in range(asked.draws):
            noise = np.random.default_rng(seed).normal(size=(362, 1, asked.units))
            features = np.cumsum(noise, axis=0) if walk else noise
            recording = xr.DataArray(
                features, dims=("sample", "layer", "unit"), coords={"layer": [0]}
            )
            found.append(float(benchmark.score({request: recording})["value"]))
        return ", ".join(f"{value:.3f}" for value in found)

    whole = patch("harness.encode.score.protocol.held_out_pieces", lambda runs, folds: runs)
    for walk in (False, True):
        name = "random walks" if walk else "white noise"
        print(f"{name}, {asked.units} units, each held-out part apart: r = {scores(walk)}")
        with whole:
            print(f"{name}, {asked.units} units, the whole run (leaks): r = {scores(walk)}")


if __name__ == "__main__":
    main()
