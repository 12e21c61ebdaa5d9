"""What features that know nothing score on *Alice*, by how slow periods leave both sides.

White noise, smoothed noise and random walks in as many units as a model has: slow periods taken out
of each held-out part on its own, as scores are made, and out of the whole run that folds cut, which
leaks. With options, other measures of the same benchmark: what they make of noise.

Run: python benchmarks/confounds.py [--units 576] [--draws 3] [--options metric=rsa]
"""

from __future__ import annotations

import argparse
from unittest.mock import patch

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter1d

from harness.runner.select import Suite, select
from harness.spec.registry import registry
from harness.spec.specs import load_target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=576)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--options", default="", help="of the benchmark, as typed behind its name")
    asked = parser.parse_args()
    name = f"brennan2016-alice:{asked.options}".rstrip(":")
    (spec,) = select(Suite(models=("gpt2",), benchmarks=(name,)), registry()).benchmarks
    benchmark = load_target(spec)
    (request,) = benchmark.requests()

    def scores(kind: str) -> str:
        found = []
        for seed in range(asked.draws):
            features = np.random.default_rng(seed).normal(size=(362, 1, asked.units))
            if kind == "smoothed noise":
                features = gaussian_filter1d(features, 4, axis=0)
            elif kind == "random walks":
                features = np.cumsum(features, axis=0)
            recording = xr.DataArray(
                features, dims=("sample", "layer", "unit"), coords={"layer": [0]}
            )
            found.append(float(benchmark.score({request: recording})["value"]))
        return ", ".join(f"{value:.3f}" for value in found)

    room = "similarity" if "metric=rsa" in name or "metric=cka" in name else "protocol"
    whole = patch(f"harness.encode.score.{room}.held_out_pieces", lambda runs, folds: runs)
    for kind in ("white noise", "smoothed noise", "random walks"):
        said = f"{name}, {kind}, {asked.units} units"
        print(f"{said}, each held-out part apart: {scores(kind)}", flush=True)
        with whole:
            print(f"{said}, the whole run (leaks): {scores(kind)}", flush=True)


if __name__ == "__main__":
    main()
