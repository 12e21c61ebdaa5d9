"""Projected layers: seeded, of one width, and as good as before where nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from harness.encode.design.narrowed import narrowed
from harness.encode.design.options import EncodingOptions
from harness.encode.design.sources import array_responses
from harness.encode.score.protocol import prepare, score_responses
from harness.encode.voxels.stream import stream_layers
from harness.errors import DataError

RUNS = np.repeat([0, 1, 2, 3], 60)


def recording(units, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(240, 2, units)).astype(np.float32)
    values[..., 0] *= 1000  # a unit that has nearly all of the variance
    return xr.DataArray(values, dims=("sample", "layer", "unit"), coords={"layer": [0, 7]})


def test_a_layer_is_z_scored_and_multiplied_by_the_same_normal_numbers_every_time():
    wide = recording(50)
    found = narrowed(wide, RUNS, 8)
    assert found.shape == (240, 2, 8)
    np.testing.assert_array_equal(found, narrowed(wide, RUNS, 8))
    np.testing.assert_array_equal(found["layer"], [0, 7])
    onto = np.random.default_rng([20260, 50, 8]).standard_normal((50, 8)) / np.sqrt(8)
    for run in range(4):
        rows = run == RUNS
        part = wide.values[rows, 1].astype(np.float64)
        z = (part - part.mean(axis=0)) / part.std(axis=0)
        np.testing.assert_allclose(found[rows, 1], z @ onto, atol=1e-4)
    assert narrowed(wide, RUNS, 0) is wide


def test_regions_and_voxels_take_it():
    wide, rng = recording(40), np.random.default_rng(3)
    y = wide.values[:, 1, 1:4] @ rng.normal(size=(3, 2)) + rng.normal(size=(240, 2))
    narrow = EncodingOptions(delays=(0,), n_outer=4, n_inner=3, penalties=5, projected=6)
    whole = EncodingOptions(delays=(0,), n_outer=4, n_inner=3, penalties=5)
    given = narrowed(wide, RUNS, 6)
    data = prepare(
        {f"p{i}": y + rng.normal(size=y.shape) for i in range(3)},
        ("a", "b"),
        RUNS,
        tr=2.0,
        cutoff=None,
    )
    found = score_responses(wide, data, narrow)
    np.testing.assert_allclose(found["r"], score_responses(given, data, whole)["r"], atol=1e-12)
    source = array_responses({"p": y}, RUNS)
    np.testing.assert_allclose(
        stream_layers(wide, source, options=narrow)["p"]["r"],
        stream_layers(given, source, options=whole)["p"]["r"],
        atol=1e-6,
    )


def test_no_width_below_nothing():
    with pytest.raises(DataError, match="a width of -1"):
        EncodingOptions(projected=-1)
