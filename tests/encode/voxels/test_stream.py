"""Voxels streamed from disk: the same scores as in memory, scikit-learn's, and nothing hidden."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from encode_oracles.layers import encode_layers
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from harness.encode.design.features import delayed, zscore_by_run
from harness.encode.design.options import EncodingOptions, Metric, Precision, Speed
from harness.encode.design.sources import array_responses, npy_responses
from harness.encode.design.splits import held_out_run
from harness.encode.voxels.stream import PenaltyScope, StreamOptions, stream_layers
from harness.errors import DataError, ScoreError

RUNS = np.repeat(np.arange(5), [60, 70, 50, 60, 60])
OPTIONS = EncodingOptions(
    delays=(1, 2), n_outer=3, n_inner=3, penalties=7, precision=Precision.SINGLE
)
DOUBLE = dataclasses.replace(OPTIONS, precision=Precision.DOUBLE)


def simulated(n_voxels: int = 37, seed: int = 0) -> tuple[xr.DataArray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(len(RUNS), 3, 12)).astype(np.float32)
    drive = np.roll(features[:, 1], 1, axis=0) @ rng.normal(size=(12, n_voxels))
    y = drive * rng.uniform(0, 1, n_voxels) + 4 * rng.normal(size=drive.shape)
    return xr.DataArray(features, dims=("sample", "layer", "unit"), coords={"layer": [0, 5, 9]}), y


@pytest.mark.parametrize("metric", [m for m in Metric if not m.compares])
@pytest.mark.parametrize("n_units", [12, 200], ids=["primal", "kernel"])
def test_the_same_as_in_memory(n_units: int, metric: Metric) -> None:
    rng = np.random.default_rng(1)
    x, y = simulated()
    mixed = x.values @ rng.normal(size=(12, n_units)) + rng.normal(size=(len(RUNS), 3, n_units))
    recording = xr.DataArray(mixed, dims=x.dims, coords=x.coords)
    options = dataclasses.replace(DOUBLE, metric=metric)
    found = stream_layers(recording, array_responses({"a": y}, RUNS), options=options)["a"]
    wanted = encode_layers(recording.values, zscore_by_run(y, RUNS), RUNS, options=options)
    np.testing.assert_allclose(found["r"], wanted.r, atol=1e-6)
    np.testing.assert_allclose(found["r2"], wanted.r2, atol=1e-6)
    np.testing.assert_allclose(found["r_best"], wanted.r_best, atol=1e-6)
    np.testing.assert_allclose(found["fold_r_best"], wanted.fold_r_best, atol=1e-6)
    np.testing.assert_array_equal(found["layer_best"], np.array([0, 5, 9])[wanted.chosen])
    np.testing.assert_allclose(found["grid_ends"], wanted.grid_ends)


def test_single_precision_agrees_with_float64_scikit_learn() -> None:
    """To 1e-4 in r for every voxel but where two penalties are a near-tie."""
    x, y = simulated(60)
    test = RUNS == 4
    found = stream_layers(
        x[:, 1:2], array_responses({"a": y}, RUNS), options=OPTIONS, folds=held_out_run(RUNS, 4)
    )["a"]
    z = delayed(zscore_by_run(x.values[:, 1].astype(np.float64), RUNS), RUNS, OPTIONS.delays)
    y = zscore_by_run(y, RUNS)
    train = np.flatnonzero(~test)
    centred = z[train] - z[train].mean(axis=0)
    values = np.linalg.eigvalsh(centred @ centred.T)
    grid = np.geomspace(1e-3 * values.sum() / len(train), 10 * values.max(), 7)
    # Whole runs, longest first, each to the fold that is shortest so far.
    inner = [[1], [0, 2], [3]]
    scores = np.zeros((7, 60))
    for fold, (number, penalty) in itertools.product(inner, enumerate(grid)):
        held = np.isin(RUNS[train], fold)
        model = Ridge(penalty).fit(z[train][~held], y[train][~held])
        predicted = model.predict(z[train][held])
        scores[number] += r2_score(y[train][held], predicted, multioutput="raw_values") / 3
    ordered = np.sort(scores, axis=0)
    clear = ordered[-1] - ordered[-2] > 1e-5
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(
        found["penalty_best"].values[0, clear], scores.argmax(axis=0)[clear]
    )
    np.testing.assert_allclose(found["inner_best"].values[0], ordered[-1], atol=1e-5)
    for voxel in np.flatnonzero(clear):
        penalty = grid[scores[:, voxel].argmax()]
        model = Ridge(penalty).fit(z[train], y[train, voxel])
        r = np.corrcoef(model.predict(z[test]), y[test, voxel])[0, 1]
        assert found["r_best"].values[voxel] == pytest.approx(r, abs=1e-4)


def test_blocks_participants_and_files_change_nothing(tmp_path: Path) -> None:
    x, y = simulated(40)
    whole = stream_layers(x, array_responses({"a": y, "b": y[:, :9]}, RUNS), options=DOUBLE)
    np.save(tmp_path / "a.npy", y)
    np.save(tmp_path / "b.npy", y[:, :9])
    source = npy_responses({n: tmp_path / f"{n}.npy" for n in "ab"}, RUNS)
    n, units = len(RUNS), 24
    # What the plan takes, and room for seven voxels.
    memory = 8 * (8 * n * units + 2 * n * 12) + 7 * 32 * n
    streamed = stream_layers(x, source, options=DOUBLE, stream=StreamOptions(memory=memory))
    for name in "ab":
        xr.testing.assert_allclose(streamed[name], whole[name], atol=1e-9)
    np.testing.assert_allclose(whole["a"]["r"][:, :9], whole["b"]["r"], atol=1e-6)
    assert streamed["b"].sizes["voxel"] == 9


def test_too_little_memory_says_how_much() -> None:
    x, y = simulated(2)
    with pytest.raises(ScoreError, match="do not hold") as caught:
        stream_layers(x, array_responses({"a": y}, RUNS), stream=StreamOptions(memory=1000))
    assert "at least 0.5 GiB" in str(caught.value.hint)


def test_one_penalty_for_a_participant() -> None:
    x, y = simulated()
    stream = StreamOptions(scope=PenaltyScope.PARTICIPANT)
    source = array_responses({"a": y}, RUNS)
    found = stream_layers(x[:, 1:2], source, options=DOUBLE, stream=stream)["a"]
    assert (found["penalty_best"].std("voxel") == 0).all()
    own = stream_layers(x[:, 1:2], source, options=DOUBLE)["a"]
    assert (found["inner_best"] <= own["inner_best"] + 1e-6).all()
    assert found["inner_best"].mean() < own["inner_best"].mean()


def test_unusable_voxels_are_left_out_and_counted() -> None:
    x, y = simulated(6)
    y[17, 1], y[:, 4] = np.nan, 2.0
    y[RUNS == 4, 5] = 1.0
    found = stream_layers(
        x, array_responses({"a": y}, RUNS), options=OPTIONS, folds=held_out_run(RUNS, 4)
    )["a"]
    bad = np.isin(np.arange(6), [1, 4, 5])
    for name in ("r_best", "r2_best"):
        np.testing.assert_array_equal(np.isnan(found[name]), bad)
    assert np.isnan(found["r"].values[:, bad]).all()
    assert (found["layer_best"].values[:, bad] == -1).all()
    assert json.loads(found.attrs["unusable_reasons"]) == {
        "1 values are not finite": 1,
        "constant in all rows": 1,
        "constant in run 4": 1,
    }
    assert "3 of 6 voxels cannot be scored" in found.attrs["warnings"]


def test_ceilings_from_repeats_and_what_they_exclude() -> None:
    rng = np.random.default_rng(3)
    x, y = simulated(30)
    train, test = RUNS < 4, RUNS == 4
    y = y / y.std(axis=0)
    noise = rng.normal(size=(2, test.sum(), 30))
    signal = np.where(np.arange(30) < 20, 2.0, 0.0)
    repeats = signal * y[test] + noise
    source = array_responses({"a": y[train]}, RUNS[train], {"a": repeats})
    found = stream_layers(
        x, source, options=OPTIONS, folds=held_out_run(source.runs, 4), threshold=0.5
    )["a"]
    ceiling = found["ceiling"].values
    # Signal of variance 4 and noise of variance 1 / 2 in the mean of two.
    assert ceiling[:20].mean() == pytest.approx(np.sqrt(4 / 4.5), abs=0.02)
    # Half of what is only noise has a ceiling above .05, too; its repeats do not agree.
    kept = np.isfinite(found["normalised"].values)
    assert kept[:20].all()
    assert kept[20:].sum() <= 1
    assert (ceiling[20:] >= 0.05).mean() > 0.2
    assert (ceiling[kept] >= 0.5).all()
    np.testing.assert_allclose(
        found["normalised"].values[kept], (found["r_best"].values / ceiling)[kept], rtol=1e-5
    )
    assert np.isnan(found["normalised"].values[~kept]).all()
    assert found.attrs["excluded_share"] == pytest.approx((~kept).mean())
    assert found.attrs["ceiling_kind"] == "repeats"


def test_given_ceilings_are_taken_as_they_are() -> None:
    x, y = simulated(4)
    given = np.array([0.5, 0.01, np.nan, 0.2])
    source = array_responses({"a": y}, RUNS)
    found = stream_layers(x, source, options=OPTIONS, ceilings={"a": given})["a"]
    assert found.attrs["excluded_share"] == 0.5
    with pytest.raises(DataError, match="3 ceilings for 4 voxels"):
        stream_layers(x, source, options=OPTIONS, ceilings={"a": given[:3]})


def test_permutations_find_signal_and_little_else() -> None:
    x, y = simulated(60)
    y[:, 30:] = np.random.default_rng(5).normal(size=(len(RUNS), 30))
    found = stream_layers(
        x,
        array_responses({"a": y}, RUNS),
        options=dataclasses.replace(OPTIONS, permutations=400),
    )["a"]
    p, q = found["p"].values, found["q"].values
    assert (p >= 1 / 401).all()
    assert (q >= p - 1e-12).all()
    strong = found["r_best"].values > 0.3
    assert strong.sum() > 5
    assert (q[strong] < 0.05).all()
    assert (q[30:] < 0.05).sum() <= 2


@pytest.mark.parametrize("speed", [Speed.FLOAT32, Speed.BFLOAT16])
def test_a_less_precise_scan_ends_in_exact_predictions(speed: Speed) -> None:
    """Penalties may differ between near-ties, scores hardly."""
    x, y = simulated(80)
    source = array_responses({"a": y}, RUNS)
    exact = stream_layers(x, source, options=OPTIONS)["a"]
    quick = stream_layers(x, source, options=dataclasses.replace(OPTIONS, speed=speed))["a"]
    same = (quick["penalty_best"] == exact["penalty_best"]).all("fold")
    same &= (quick["layer_best"] == exact["layer_best"]).all("fold")
    assert same.mean() > (0.95 if speed is Speed.FLOAT32 else 0.5)
    np.testing.assert_allclose(quick["r_best"][same], exact["r_best"][same], atol=1e-6)
    assert abs(quick["r_best"] - exact["r_best"]).mean() < 0.01


def test_a_recording_of_another_length_is_refused() -> None:
    x, y = simulated(2)
    with pytest.raises(DataError, match="299"):
        stream_layers(x[:-1], array_responses({"a": y}, RUNS))


@pytest.mark.parametrize("n_units", [12, 200], ids=["primal", "kernel"])
def test_a_shared_penalty_is_that_of_every_voxels_scan(
    n_units: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From cross-products, or from the scores of all voxels: the same to 1e-6."""
    rng = np.random.default_rng(1)
    x, y = simulated()
    y[17, 1], y[:, 4] = np.nan, 2.0
    mixed = x.values @ rng.normal(size=(12, n_units)) + rng.normal(size=(len(RUNS), 3, n_units))
    recording = xr.DataArray(mixed, dims=x.dims, coords=x.coords)
    source = array_responses({"a": y, "b": y[:, 5:] ** 3}, RUNS)
    shared = StreamOptions(scope=PenaltyScope.PARTICIPANT)
    options = dataclasses.replace(DOUBLE, permutations=20)
    found = stream_layers(recording, source, options=options, stream=shared)
    monkeypatch.setattr("harness.encode.voxels.stream.is_crossed", lambda *_: False)
    wanted = stream_layers(recording, source, options=options, stream=shared)
    for name in "ab":
        xr.testing.assert_allclose(found[name], wanted[name], atol=1e-6)
        assert (found[name]["layer_best"] == wanted[name]["layer_best"]).all()
    assert (found["a"]["penalty_best"] != found["b"]["penalty_best"][:, 0]).any()


def test_a_shared_penalty_by_correlation_takes_every_voxels_scan() -> None:
    x, y = simulated()
    options = dataclasses.replace(DOUBLE, metric=Metric.CORRELATION)
    stream = StreamOptions(scope=PenaltyScope.PARTICIPANT)
    found = stream_layers(
        x[:, 1:2], array_responses({"a": y}, RUNS), options=options, stream=stream
    )
    assert (found["a"]["penalty_best"].std("voxel") == 0).all()
