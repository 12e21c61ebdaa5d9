"""Stacks of layers against scipy's quadratic programme and scikit-learn's ridge."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import xarray as xr
from sklearn.linear_model import Ridge

from harness.encode.design.features import delayed, zscore_by_run
from harness.encode.design.options import EncodingOptions, Readout
from harness.encode.score.protocol import prepare, score_responses
from harness.encode.score.stacked import simplex_weights, stacked
from harness.encode.solve.layers import encode_layers


@pytest.mark.parametrize("rank", [3, 20])
def test_weights_are_those_of_a_general_solver(rank):
    rng = np.random.default_rng(rank)
    errors = rng.normal(size=(4, rank, 6)) + rng.normal(size=(4, rank, 1))
    products = errors.swapaxes(1, 2) @ errors
    found = simplex_weights(products)
    for own, weights in zip(products, found, strict=True):
        best = scipy.optimize.minimize(
            lambda w, own=own: w @ own @ w,
            np.full(6, 1 / 6),
            jac=lambda w, own=own: 2 * own @ w,
            bounds=[(0, 1)] * 6,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 1000},
        )
        assert weights.min() >= 0
        assert weights.sum() == pytest.approx(1)
        assert weights @ own @ weights <= best.fun + 1e-8 * np.trace(own)


def simulated(layers=3, seed=0):
    rng = np.random.default_rng(seed)
    runs = np.repeat([0, 1, 2, 3], 60)
    features = rng.normal(size=(240, layers, 5))
    y = features[:, 0] @ rng.normal(size=(5, 4)) + features[:, 2] @ rng.normal(size=(5, 4))
    return features, y + 3 * rng.normal(size=y.shape), runs


def test_a_stack_is_the_average_of_ridge_predictions_of_scikit_learn():
    features, y, runs = simulated()
    options = EncodingOptions(delays=(0, 1), n_outer=4, n_inner=3, penalties=4)
    alone = encode_layers(features, y, runs, options=options)
    found = stacked(alone, features, y, runs)
    fold = alone.folds[0]
    designs = [delayed(zscore_by_run(features[:, k], runs), runs, (0, 1)) for k in range(3)]

    def ridge(design, train, test, target, penalty):
        return Ridge(penalty).fit(design[train], y[train, target]).predict(design[test])

    inner = [runs[fold.train] == run for run in np.unique(runs[fold.train])]
    for target in range(4):
        pens = alone.penalty[0, :, target]
        errors = np.zeros((len(fold.train), 3))
        for held in inner:
            for k in range(3):
                train, test = fold.train[~held], fold.train[held]
                errors[held, k] = y[test, target] - ridge(designs[k], train, test, target, pens[k])
        weights = simplex_weights((errors.T @ errors)[None])[0]
        each = [ridge(designs[k], fold.train, fold.test, target, pens[k]) for k in range(3)]
        wanted = np.corrcoef(weights @ each, y[fold.test, target])[0, 1]
        assert found.fold_r_best[0, target] == pytest.approx(wanted, abs=1e-6)


def test_two_layers_that_each_hold_half_beat_the_better_one():
    features, y, runs = simulated()
    recording = xr.DataArray(
        features, dims=("sample", "layer", "unit"), coords={"layer": [0, 1, 2]}
    )
    rng = np.random.default_rng(5)
    values = {f"p{i}": y + rng.normal(size=y.shape) for i in range(3)}
    data = prepare(
        values, tuple("abcd"), runs, tr=2.0, cutoff=None, nuisance={"n": rng.normal(size=240)}
    )
    options = EncodingOptions(delays=(0,), n_outer=4, n_inner=3, penalties=6)
    best = score_responses(recording, data, options)
    every = score_responses(
        recording,
        data,
        EncodingOptions(delays=(0,), n_outer=4, n_inner=3, penalties=6, readout=Readout.STACKED),
    )
    assert float(every["value"]) > float(best["value"]) + 0.05
    assert float(every["unique"]) > float(best["unique"])
    np.testing.assert_allclose(every["r"], best["r"])  # the curve of layers is as it was
    np.testing.assert_allclose(every["nuisance_r"], best["nuisance_r"])
