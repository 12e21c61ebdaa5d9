"""The control that knows the order of rows alone: what it is, and that it predicts no noise."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage

from harness.check.guards import order_scores, smooth_noise
from harness.encode.design.options import EncodingOptions
from harness.encode.design.splits import Fold
from harness.encode.solve.layers import encode_layers
from harness.stimuli.neighbours import SMOOTHING, WIDTH, rows_in_order, smoothed_identity


@pytest.mark.parametrize("sd", SMOOTHING)
def test_rows_are_the_identity_under_a_gaussian(sd):
    made = smoothed_identity([60], sd).toarray()
    filtered = scipy.ndimage.gaussian_filter1d(np.eye(60), sd, axis=1, mode="constant", truncate=4)
    filtered /= np.linalg.norm(filtered, axis=1, keepdims=True)
    np.testing.assert_allclose(made, filtered, atol=1e-3)


def test_passages_do_not_touch():
    made = smoothed_identity([5, 1, 7], 2.0).toarray()
    assert made.shape == (13, 13)
    assert not made[:5, 5:].any()
    assert made[5].tolist() == [0] * 5 + [1] + [0] * 7
    assert not made[6:, :6].any()


def test_products_of_rows_are_kept_and_the_same_each_time():
    made = rows_in_order([40, 30])
    assert made.shape == (70, len(SMOOTHING), WIDTH)
    assert made.dtype == np.float32
    for layer, sd in enumerate(SMOOTHING):
        exact = smoothed_identity([40, 30], sd).toarray()
        error = made[:, layer] @ made[:, layer].T - exact @ exact.T
        assert np.abs(error).max() < 6 / np.sqrt(WIDTH)
    np.testing.assert_array_equal(made, rows_in_order([40, 30]))


def test_it_predicts_nothing_of_noise_under_any_splitter_that_ships():
    for rate in order_scores():
        assert rate.holds, rate
        assert abs(rate.value) < 0.02


def test_it_finds_what_a_shuffled_split_leaks():
    """Held-out volumes between training volumes: order alone is all it takes."""
    runs = np.zeros(200, np.intp)
    y = smooth_noise(np.random.default_rng(1), runs, 20)
    shuffled = np.array_split(np.random.default_rng(2).permutation(200), 4)
    folds = [Fold(np.sort(np.setdiff1d(np.arange(200), part)), np.sort(part)) for part in shuffled]
    options = EncodingOptions(delays=(0,), n_outer=4, n_inner=3, penalties=6)
    found = encode_layers(rows_in_order([200]), y, runs, options=options, folds=folds)
    assert found.r_best.mean() > 0.5
