"""Ratios to ceilings come back from simulations in which they are known."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.signal import lfilter

from harness.encode.ceilings.cross_fit import (
    Z_REGION,
    Z_VOXEL,
    given_ratio,
    mean_ratio,
    repeated_parts,
    shared_parts,
)
from harness.encode.design.options import EncodingOptions
from harness.encode.design.sources import array_responses
from harness.encode.design.splits import held_out_run
from harness.encode.score.naturalistic import Naturalistic, Resolution, score_stories

HALF = np.sqrt(0.5)
"""r over ceiling of a model that explains half of the signal."""


def voxels(seed, shares, *, n=2000, rows=300, repeats=2, empty=0.5, smooth=0.0, blind=0.0):
    """Repeats, predictions and the true ratio of means; `empty` voxels hold nothing but noise."""
    rng = np.random.default_rng(seed)

    def noise(*shape):
        x = lfilter([1], [1, -smooth], rng.normal(size=shape), axis=-2)
        return x / x.std(axis=-2, keepdims=True)

    share = rng.uniform(*shares, size=n)
    share[rng.random(n) < empty] = 0
    explained = np.where(rng.random(n) < blind, 0, 0.5)
    signal = noise(rows, n)
    y = np.sqrt(share) * signal + np.sqrt(1 - share) * noise(repeats, rows, n)
    p = np.sqrt(explained) * signal + np.sqrt(1 - explained) * noise(rows, n)
    ceiling = np.sqrt(share)
    return y, p, (np.sqrt(explained) * ceiling).sum() / max(ceiling.sum(), 1e-9)


def ratio(y, p):
    return mean_ratio(repeated_parts(y, p), Z_VOXEL)


@pytest.mark.parametrize(
    "told",
    [
        {"shares": (0.1, 0.8)},
        {"shares": (0.2, 0.2)},
        {"shares": (0.5, 0.5)},
        {"shares": (0.8, 0.8)},
        {"shares": (0.1, 0.8), "smooth": 0.5},
        {"shares": (0.1, 0.8), "empty": 0.0},
        {"shares": (0.1, 0.8), "empty": 0.9},
        {"shares": (0.1, 0.8), "repeats": 5},
        {"shares": (0.1, 0.8), "blind": 0.5},
    ],
    ids=str,
)
def test_two_repeats_give_the_ratio_of_means_within_one_percent(told):
    found, truth = zip(
        *[(ratio(y, p).value, t) for y, p, t in (voxels(s, **told) for s in range(4))], strict=True
    )
    assert np.mean(found) == pytest.approx(np.mean(truth), rel=0.01)


def test_a_tenth_of_signal_is_within_one_percent_on_average():
    found = [ratio(*voxels(s, (0.1, 0.1), n=8000)[:2]).value for s in range(8)]
    error = np.std(found, ddof=1) / np.sqrt(8)
    assert np.mean(found) == pytest.approx(HALF, abs=0.01 * HALF + error)


def test_the_mean_of_ratios_above_a_fixed_ceiling_overstates():
    y, p, truth = voxels(0, (0.1, 0.1), n=4000)
    mean = y.mean(axis=0)
    r = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(mean.T, p.T, strict=True)])
    one = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(*y.swapaxes(1, 2), strict=True)])
    ceiling = np.sqrt(np.maximum(2 * one / (1 + one), 0))
    kept = ceiling >= 0.05
    assert abs((r[kept] / ceiling[kept]).mean() / truth - 1) > 0.05


def test_noise_has_no_ratio_but_a_reason():
    y, p, _ = voxels(1, (0.0, 0.0))
    found = ratio(y, p)
    assert np.isnan(found.value)
    assert "above their null" in found.reason
    assert found.used == pytest.approx(0.01, abs=0.006)


def test_what_does_not_vary_or_is_missing_is_left_out():
    y, p, _ = voxels(2, (0.3, 0.8), n=300)
    whole = ratio(y[:, :, 5:], p[:, 5:])
    y[0, :, 0] = 3.0
    p[:, 1:5] = np.nan
    assert ratio(y, p).value == pytest.approx(whole.value, rel=0.01)


@pytest.mark.parametrize("lengths", [None, [50] * 6])
def test_participants_give_r_over_what_they_share(lengths):
    rng = np.random.default_rng(3)
    shared = rng.normal(size=(300, 6))
    y = np.sqrt(0.3) * shared + np.sqrt(0.7) * rng.normal(size=(20, 300, 6))
    p = HALF * shared + HALF * rng.normal(size=shared.shape)
    found, truth = [], []
    for i in range(20):
        others = np.delete(y, i, axis=0).mean(axis=0)
        parts = shared_parts(y[i], others, p, lengths)
        r = [np.corrcoef(y[i][:, k], p[:, k])[0, 1] for k in range(6)]
        if lengths is None:
            np.testing.assert_allclose(parts.r.mean(axis=0), r, atol=1e-12)
        found.append(mean_ratio(parts, Z_REGION).value)
        top = [np.corrcoef(y[i][:, k], others[:, k])[0, 1] for k in range(6)]
        truth.append(np.sum(r) / np.sum(top))
    assert np.mean(found) == pytest.approx(np.mean(truth), rel=0.01)


def test_given_ceilings_are_a_ratio_of_means():
    r, top = np.array([0.3, 0.1, np.nan, 0.2]), np.array([0.6, 0.01, 0.5, 0.4])
    found = given_ratio(r, top, 0.05)
    assert found.value == pytest.approx(0.25 / 0.5)
    assert found.used == pytest.approx(2 / 3)
    assert given_ratio(r, np.full(4, 0.01), 0.05).reason == "no ceiling reaches 0.05"
    assert given_ratio(r, np.full(4, np.nan), 0.05).reason == "there are no ceilings"


def test_voxels_of_stories_come_with_it_by_participant_and_region():
    rng = np.random.default_rng(4)
    runs = np.repeat(np.arange(4), [80, 80, 80, 200])
    features = rng.normal(size=(440, 1, 6)).astype(np.float32)
    n = 300
    drive = np.roll(features[:, 0], 1, axis=0) @ rng.normal(size=(6, n))
    drive /= drive.std(axis=0)
    other = rng.normal(size=drive.shape)
    values, repeats, masks = {}, {}, {}
    test = runs == 3
    for name in "ab":
        # Half of the signal is the model's, a third of the voxels is noise.
        share = np.where(np.arange(n) < 200, 0.5, 0.0)
        signal = np.sqrt(share / 2) * (drive + other)
        noise = rng.normal(size=(3, 440, n)) * np.sqrt(1 - share)
        values[name] = (signal + noise[0])[~test]
        repeats[name] = (signal + noise[1:])[:, test]
        masks[name] = {"good": np.arange(n) < 200, "noise": np.arange(n) >= 200}
    source = array_responses(values, runs[~test], repeats)
    recording = xr.DataArray(features, dims=("sample", "layer", "unit"), coords={"layer": [0]})
    score = score_stories(
        recording,
        Naturalistic(source, 2.0, {"other": rng.normal(size=440)}, masks),
        EncodingOptions(delays=(1,), n_inner=3, penalties=6),
        resolution=Resolution.VOXEL,
        folds=held_out_run(source.runs, 3),
    )
    assert float(score["normalised"]) == pytest.approx(HALF, rel=0.06)
    assert score["normalised_participant"].dims == ("participant",)
    np.testing.assert_allclose(score["normalised"], score["normalised_participant"].mean())
    assert score["normalised_low"] <= score["normalised"] <= score["normalised_high"]
    good, noise = score["normalised_by_roi"].transpose("roi", ...).values
    np.testing.assert_allclose(good, HALF, rtol=0.08)
    assert np.isnan(noise).all()
    assert "a noise" in score.attrs["normalised_reasons"]
    # The unique part is that of the voxels, by participant and region.
    np.testing.assert_allclose(score["unique_participant"], score["unique_r2"])
    np.testing.assert_allclose(score["unique_by_roi"], score["unique_r2_roi"])
    assert score["unique_low"] <= score["unique"] <= score["unique_high"]
    owner = score["voxel_participant"].values
    own = score["voxel_unique_r2"].values[owner == 0]
    assert float(score["unique_by_roi"][0, 0]) == pytest.approx(own[:200].mean(), rel=1e-5)
