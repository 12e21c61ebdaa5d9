"""p of unique R2 by voxel: found where something is unique, and nowhere else."""

from __future__ import annotations

import dataclasses

import numpy as np
import xarray as xr

from harness.encode.design.options import EncodingOptions, Precision
from harness.encode.design.sources import array_responses
from harness.encode.voxels.stream import stream_layers

RUNS = np.repeat(np.arange(4), 70)
OPTIONS = EncodingOptions(
    delays=(0,), n_outer=4, n_inner=3, penalties=6, permutations=499, precision=Precision.DOUBLE
)


def simulated(n=120, seed=0):
    rng = np.random.default_rng(seed)
    features, rate = rng.normal(size=(280, 1, 4)), rng.normal(size=(280, 1))
    y = rate @ np.ones((1, n)) + 2 * rng.normal(size=(280, n))
    some = min(40, n)
    y[:, :some] += 1.5 * features[:, 0] @ rng.normal(size=(4, some))
    recording = xr.DataArray(features, dims=("sample", "layer", "unit"), coords={"layer": [0]})
    return recording, rate, y


def test_voxels_that_a_model_adds_to_are_found_and_others_are_not():
    recording, rate, y = simulated()
    y[3, 119] = np.nan
    found = stream_layers(
        recording, array_responses({"a": y}, RUNS), options=OPTIONS, nuisance=rate
    )["a"]
    p, unique = found["unique_p"].values, found["unique_r2"].values
    assert np.median(p[:40]) < 0.01
    assert np.isnan(p[119])
    assert (p[40:119] < 0.05).mean() < 0.12
    assert (found["unique_q"].values[40:119] < 0.05).sum() <= 4
    # A voxel that leaves the model out in every fold has gained nothing.
    none = found["with_model"].values == 0
    np.testing.assert_array_equal(p[none], 1)
    np.testing.assert_array_equal(unique[none], 0)
    np.testing.assert_allclose(found["fold_unique_r2"].mean("fold"), unique, atol=1e-6)


def test_without_permutations_there_is_no_p():
    recording, rate, y = simulated(8)
    options = dataclasses.replace(OPTIONS, permutations=0)
    found = stream_layers(
        recording, array_responses({"a": y}, RUNS), options=options, nuisance=rate
    )["a"]
    assert "unique_p" not in found
