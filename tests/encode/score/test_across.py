"""Participants predicted from fits to the others, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from sklearn.linear_model import Ridge

from harness.encode.design.features import delayed, zscore_by_run
from harness.encode.design.options import EncodingOptions
from harness.encode.design.splits import contiguous_folds
from harness.encode.score.protocol import prepare, score_responses
from harness.encode.solve.layers import encode_layers
from harness.errors import DataError

RUNS = np.repeat([0, 1, 2, 3], 60)
OPTIONS = EncodingOptions(delays=(0,), n_outer=4, n_inner=3, penalties=5, cross=True)


def simulated(people=6):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(240, 1, 8))
    drive = features[:, 0] @ rng.normal(size=(8, 2))
    values = {f"p{i}": drive / 3 + rng.normal(size=drive.shape) for i in range(people)}
    # The last one is another kind of listener: the others say nothing of him.
    values[f"p{people - 1}"] = rng.normal(size=drive.shape)
    recording = xr.DataArray(features, dims=("sample", "layer", "unit"), coords={"layer": [0]})
    return recording, values


def test_the_mean_of_the_others_is_fitted_and_who_is_left_out_is_scored():
    recording, values = simulated()
    data = prepare(values, ("a", "b"), RUNS, tr=2.0, cutoff=None)
    score = score_responses(recording, data, OPTIONS)
    others = zscore_by_run(np.delete(data.values, 2, axis=0).mean(axis=0), RUNS)
    folds = contiguous_folds(RUNS, 4, OPTIONS.gap)
    chosen = encode_layers(recording.values, others, RUNS, options=OPTIONS, folds=folds).penalty
    x = delayed(zscore_by_run(recording.values[:, 0], RUNS), RUNS, (0,))
    r = []
    for number, fold in enumerate(folds):
        fit = Ridge(chosen[number, 0, 1]).fit(x[fold.train], others[fold.train, 1])
        r.append(np.corrcoef(fit.predict(x[fold.test]), data.values[2][fold.test, 1])[0, 1])
    assert float(score["cross_r"][2, 1]) == pytest.approx(np.mean(r), abs=1e-6)
    assert score["cross_r"].dims == ("participant", "roi")
    assert float(score["cross_r"][:5].mean()) > float(score["r_best"][:5].mean())
    assert abs(float(score["cross_r"][5].mean())) < 0.15
    assert score["cross_low"] < score["cross"] < score["cross_high"]


def test_two_have_no_others_and_own_confounds_are_refused():
    recording, values = simulated(2)
    data = prepare(values, ("a", "b"), RUNS, tr=2.0, cutoff=None)
    assert "cross_r" not in score_responses(recording, data, OPTIONS)
    recording, values = simulated(4)
    motion = {p: np.random.default_rng(1).normal(size=(240, 1)) for p in values}
    moved = prepare(values, ("a", "b"), RUNS, tr=2.0, cutoff=None, confounds=motion)
    with pytest.raises(DataError, match="cross=true"):
        score_responses(recording, moved, OPTIONS)
