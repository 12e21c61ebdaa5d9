"""RSA and CKA against loops over pairs, in float64; what they find in simulated geometries."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter1d

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


def loop(x, y, rows, metric, mapped, gap=4, furthest=48):
    """The measure of two sets of patterns, pair by pair, beyond what noise of any lag has.

    ``mapped`` is what made the patterns of the rows from those of all.
    """
    pairs = [
        (i, j)
        for i, j in itertools.combinations(range(len(rows)), 2)
        if RUNS[rows[i]] != RUNS[rows[j]] or abs(rows[i] - rows[j]) > gap
    ]

    def geometry(k):
        if metric is Metric.RSA:
            return np.array([k[i, i] + k[j, j] - 2 * k[i, j] for i, j in pairs])
        return np.array([k[i, j] for i, j in pairs])

    columns = [np.ones(len(pairs))]
    if metric is Metric.CKA:
        columns = [np.array([(i == n) + (j == n) for i, j in pairs]) for n in range(len(rows))]
    for lag in range(furthest + 1):
        noise = np.array(
            [[RUNS[i] == RUNS[j] and abs(i - j) == lag for j in range(200)] for i in range(200)]
        )
        columns.append(geometry((mapped @ noise @ mapped.T)[: len(rows), : len(rows)]))
    design = np.stack(columns, axis=1).astype(float)
    left = []
    for z in (x, y):
        own = geometry(z @ z.T)
        left.append(own - design @ np.linalg.lstsq(design, own, rcond=1e-9)[0])
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

    mapped = residual(np.eye(200))
    for layer, roi in itertools.product(range(2), (0, 3)):
        x = residual(delayed(zscore_by_run(recording.values[:, layer], RUNS), RUNS, (1,)))
        y = data.values[1] if roi == 3 else data.values[1][:, [roi]]
        wanted = loop(x, residual(y), test, metric, mapped)
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
    rows = np.arange(30) * 6 % 200
    found = loop(x[:30], y[:30], rows, Metric.CKA, np.eye(200)[rows])
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


@pytest.mark.parametrize("kind", ["white", "smooth"])
@pytest.mark.parametrize("metric", [Metric.RSA, Metric.CKA])
def test_what_leaves_both_sides_and_autocorrelation_make_nothing_alike(metric, kind):
    """Slow periods and nuisance leave their mark on both sides: noise scored .06 on *Alice*."""
    rng = np.random.default_rng(3)
    runs = np.repeat([0, 1], 160)

    def noise(*shape):
        white = rng.normal(size=(320, *shape))
        return white if kind == "white" else gaussian_filter1d(white, 3, axis=0)

    values = {f"p{i}": gaussian_filter1d(rng.normal(size=(320, 3)), 1.5, axis=0) for i in range(8)}
    data = prepare(values, ROIS, runs, tr=2.0, cutoff=128.0, nuisance={"n": noise()})
    chosen = EncodingOptions(delays=(1, 2, 3), n_outer=6, n_inner=2, gap=6, metric=metric)
    found = []
    for _ in range(6):
        wide = xr.DataArray(noise(1, 300), dims=("sample", "layer", "unit"), coords={"layer": [0]})
        found.append(float(score_responses(wide, data, chosen)["value"]))
    assert abs(np.mean(found)) < 0.015
