"""What taking confounds out of both sides costs: CPU seconds with and without, in one process.

    python benchmarks/confounds_cost.py [--runs 3]

The same regions (27 participants, six regions, 1,200 rows in four runs) and voxels (streamed) are
scored from the same random features without confounds, without slow periods (what all participants
share, 128 s), and, for regions, without six regressors of each participant besides. Median CPU
seconds of all threads, and the ratio to what nothing is taken out of.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from harness.encode.design.confounds import Drift
from harness.encode.design.options import EncodingOptions
from harness.encode.design.sources import array_responses
from harness.encode.score.protocol import prepare, score_responses
from harness.encode.voxels.stream import stream_layers

TR, CUTOFF, RUNS = 2.0, 128.0, 4
PEOPLE, REGIONS, REGRESSORS = 27, 6, 6


def recording(n_rows: int, n_layers: int, n_units: int) -> xr.DataArray:
    """Random features, (sample, layer, unit)."""
    values = np.random.default_rng(0).normal(size=(n_rows, n_layers, n_units)).astype(np.float32)
    coords = {"layer": np.arange(n_layers)}
    return xr.DataArray(values, dims=("sample", "layer", "unit"), coords=coords)


def region_ways(n_rows: int, features: xr.DataArray) -> dict[str, Callable[[], Any]]:
    """The ways of regions."""
    rng = np.random.default_rng(1)
    names = [f"{i:02d}" for i in range(PEOPLE)]
    labels = np.repeat(np.arange(RUNS), n_rows // RUNS)
    values = {n: rng.normal(size=(n_rows, REGIONS)) for n in names}
    own = {n: rng.normal(size=(n_rows, REGRESSORS)) for n in names}
    nuisance = {f"n{i}": rng.normal(size=n_rows) for i in range(4)}
    rois = tuple(f"r{i}" for i in range(REGIONS))

    def way(cutoff: float | None, confounds: Any) -> Callable[[], Any]:
        def score() -> None:
            data = prepare(
                values,
                rois,
                labels,
                tr=TR,
                cutoff=cutoff,
                confounds=confounds,
                nuisance=nuisance,
            )
            score_responses(features, data, EncodingOptions(n_outer=4))

        return score

    return {
        "nothing": way(None, None),
        "slow periods": way(CUTOFF, None),
        "and six of each participant": way(CUTOFF, own),
    }


def voxel_ways(n_rows: int, n_voxels: int, features: xr.DataArray) -> dict[str, Callable[[], Any]]:
    """The ways of voxels."""
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(RUNS), n_rows // RUNS)
    source = array_responses({"01": rng.normal(size=(n_rows, n_voxels)).astype("f4")}, labels)
    nuisance = rng.normal(size=(n_rows, 4))

    def way(drift: Drift | None) -> Callable[[], Any]:
        options = EncodingOptions(n_outer=4)
        return lambda: stream_layers(
            features, source, options=options, nuisance=nuisance, drift=drift
        )

    return {"nothing": way(None), "slow periods": way(Drift(TR, CUTOFF))}


def spent(ways: dict[str, Callable[[], Any]], n_runs: int) -> dict[str, float]:
    """Median CPU seconds of each way, taken in turn; the first turn is not counted."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(n_runs + 1):
        for name, way in ways.items():
            start = time.process_time()
            way()
            if turn:
                found[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1200)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--units", type=int, default=576)
    parser.add_argument("--voxels", type=int, default=4000)
    parser.add_argument("--runs", type=int, default=3)
    said = parser.parse_args()
    features = recording(said.rows, said.layers, said.units)
    print("| scored | taken out | CPU s | ratio |\n|---|---|---|---|")
    for what, ways in (
        (f"{PEOPLE} x {REGIONS} regions", region_ways(said.rows, features)),
        (f"{said.voxels:,} voxels", voxel_ways(said.rows, said.voxels, features)),
    ):
        seconds = spent(ways, said.runs)
        least = seconds["nothing"]
        for name, took in seconds.items():
            print(f"| {what} | {name} | {took:.1f} | {took / least:.2f} |", flush=True)


if __name__ == "__main__":
    main()
