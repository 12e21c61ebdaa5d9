"""RSA and CKA against loops over pairs, in float64; what they find in simulated geometries."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import xarray as xr

from harness.encode.design.features import delayed, zscore_by_run
from harness.encode.design.options import EncodingOptions, Metric
from harness.encode.score.protocol import prepare, score_responses

RUNS = np.repeat([0, 1, 2, 3], 50)
ROIS = ("a", "b", "c")


def options(metric, **more):
    return EncodingOptions(delays=(1,), n_outer=4, n_inner=2, gap=4, metric=metric, **more)


def simulated(seed=0, people=5, noise=1.0, **more):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(200, 2, 12))
    driven = delayed(zscore_by_run(features[:, 1], RUNS), RUNS, (1,)) @ rng.normal(size=(12, 3)) / 3
    values = {f"p{i}": driven + noise * rng.normal(size=driven.shape) for i in range(people)}
    recording = xr.DataArray(features, dims=("sample", "layer", "unit"), coords={"layer": [3, 9]})
    return recording, prepare(values, ROIS, RUNS, tr=2.0, cutoff=None, **more)


def loop(x, y, rows, metric, gap=4):
    """The measure of two sets of patterns, pair by pair."""
    pairs = [
        (i, j)
        for i, j in itertools.combinations(range(len(rows)), 2)
        if RUNS[rows[i]] != RUNS[rows[j]] or abs(rows[i] - rows[j]) > gap
    ]
    if metric is Metric.RSA:
        a, b = ([((z[i] - z[j]) ** 2).sum() for i, j in pairs] for z in (x, y))
        return np.corrcoef(a, b)[0, 1]
    design = np.zeros((len(pairs), len(rows)))
    for number, (i, j) in enumerate(pairs):
        design[number, [i, j]] = 1
    left = []
    for z in (x, y):
        products = np.array([z[i] @ z[j] for i, j in pairs])
        left.append(products - design @ np.linalg.lstsq(design, products, rcond=None)[0])
    return left[0] @ left[1] / np.sqrt(left[0] @ left[0] * (left[1] @ left[1]))


@pytest.mark.parametrize("metric", [Metric.RSA, Metric.CKA])
def test_held_out_rows_are_compared_pair_by_pair_without_nuisance(metric):
    rng = np.random.default_rng(7)
    bad = rng.normal(size=200)
    recording, data = simulated(nuisance={"n": bad})
    found = score_responses(recording, data, options(metric))
    # The first row of a run looks back to before it.
    test = np.flatnonzero((RUNS == 2) & (np.arange(200) % 50 >= 1))
    train = RUNS != 2
    n = delayed(zscore_by_run(bad[:, None], RUNS), RUNS, (1,))

    def residual(z):
        design = np.column_stack([np.ones(200), n])
        return z[test] - design[test] @ np.linalg.lstsq(design[train], z[train], rcond=None)[0]

    for layer, roi in itertools.product(range(2), (0, 3)):
        x = residual(delayed(zscore_by_run(recording.values[:, layer], RUNS), RUNS, (1,)))
        y = data.values[1] if roi == 3 else data.values[1][:, [roi]]
        wanted = loop(x, residual(y), test, metric)
        if layer == 1:
            assert float(found["fold_r"][2, 1, roi]) == pytest.approx(wanted, abs=1e-8)
    assert (found["layer_best"] == 9).all()
    assert found["low"] < found["value"] < found["high"]
    assert float(found["value"]) == pytest.approx(float(found["r_best"].mean()))


@pytest.mark.parametrize("metric", [Metric.RSA, Metric.CKA])
def test_noise_of_many_units_scores_nothing(metric):
    recording, data = simulated(noise=0.3)
    found = []
    for seed in range(8):
        noise = np.random.default_rng(seed).normal(size=(200, 2, 400))
        wide = xr.DataArray(noise, dims=recording.dims, coords=recording.coords)
        found.append(float(score_responses(wide, data, options(metric))["value"]))
    assert abs(np.mean(found)) < 3 * np.std(found, ddof=1) / np.sqrt(8)
    assert np.std(found) < 0.1
    assert float(score_responses(recording, data, options(metric))["value"]) > 0.2


def test_the_unbiased_measure_is_near_0_for_independent_wide_kernels():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 200, 500))
    found = loop(x[:30], y[:30], np.arange(30) * 6 % 200, Metric.CKA)
    assert abs(found) < 0.15
    h = np.eye(30) - 1 / 30
    a, b = (h @ z[:30] @ z[:30].T @ h for z in (x, y))
    assert (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()) > 0.9  # the biased one


@pytest.mark.parametrize("metric", [Metric.RSA, Metric.CKA])
def test_a_perfect_model_reaches_the_ceiling(metric):
    rng = np.random.default_rng(4)
    recording, data = simulated(noise=0.5, people=8)
    shared = data.values.mean(axis=0)
    known = xr.DataArray(
        np.stack([rng.normal(size=shared.shape), np.roll(shared, -1, axis=0)], axis=1),
        dims=recording.dims,
        coords=recording.coords,
    )
    found = score_responses(known, data, options(metric))
    # One region is a line; the model knows the pattern of all.
    assert float(found["normalised_by_roi"].sel(roi="all").mean()) > 0.9
    assert float(found["r_best"].sel(roi="a").mean()) < float(found["r_best"].sel(roi="all").mean())
    assert float(found["ceiling"]) > 0.3
