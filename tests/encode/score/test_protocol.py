import numpy as np
import pytest
import xarray as xr
from scipy import stats

from harness.encode.design.options import EncodingOptions
from harness.encode.score.protocol import Responses, prepare, score_responses
from harness.errors import DataError, ScoreError

ROIS = ("left", "right")
OPTIONS = EncodingOptions(n_outer=3, n_inner=2, gap=4, penalties=8)


def people(n=5, samples=240, seed=0, signal=1.0):
    """Responses that share a signal of two delays of a feature; and that feature."""
    rng = np.random.default_rng(seed)
    feature = rng.normal(size=samples)
    driven = np.convolve(feature, [0, 0, 1, 0.5])[:samples]
    values = {f"p{i}": signal * driven[:, None] + rng.normal(size=(samples, 2)) for i in range(n)}
    return feature, values


def recording(*features):
    layers = np.stack([f[:, None] for f in features], axis=1).astype(np.float32)
    return xr.DataArray(
        layers, dims=("sample", "layer", "unit"), coords={"layer": np.arange(len(features))}
    )


def prepared(values, samples=240, **options):
    runs = np.repeat([0, 1], samples // 2)
    return prepare(values, ROIS, runs, tr=2.0, cutoff=None, **options)


def test_the_layer_that_drives_the_responses_is_found_and_scored():
    feature, values = people()
    noise = np.random.default_rng(9).normal(size=240)
    score = score_responses(recording(noise, feature), prepared(values), OPTIONS)
    assert (score["layer_best"] == 1).all()
    expected = np.sqrt(1.25 / 2.25)  # share of variance that is signal
    np.testing.assert_allclose(score["r_best"].mean(), expected, atol=0.05)
    assert score["low"] < score["value"] < score["high"]
    assert score["group_r_best"].mean() > score["r_best"].mean()
    assert abs(score["r"].sel(layer=0).mean()) < 0.1


def test_ceilings_are_the_correlations_they_say():
    feature, values = people()
    data = prepared(values)
    score = score_responses(recording(feature), data, OPTIONS)
    for i, name in enumerate(data.participants):
        others = np.delete(data.values, i, axis=0).mean(axis=0)
        wanted = [stats.pearsonr(data.values[i][:, k], others[:, k])[0] for k in range(2)]
        np.testing.assert_allclose(score["ceiling_loo"].sel(participant=name), wanted)
    assert float(score["ceiling"]) == pytest.approx(float(score["ceiling_loo"].mean()))
    # the mean of five: reliability is 5 s / (5 s + n)
    np.testing.assert_allclose(score["group_reliability"], 5 * 1.25 / (5 * 1.25 + 1), atol=0.04)


def test_a_nuisance_takes_the_unique_part_and_motion_is_taken_out():
    feature, values = people(n=4)
    rng = np.random.default_rng(1)
    motion = {name: rng.normal(size=(240, 3)) for name in values}
    moved = {name: v + 2 * motion[name][:, :1] for name, v in values.items()}
    data = prepared(moved, confounds=motion, nuisance={"rate": feature})
    score = score_responses(recording(feature), data, OPTIONS)
    np.testing.assert_allclose(score["unique_r2"].mean(), 0, atol=0.01)
    still = score_responses(
        recording(feature), prepared(values, nuisance={"rate": feature}), OPTIONS
    )
    np.testing.assert_allclose(score["nuisance_r"].mean(), still["nuisance_r"].mean(), atol=0.03)
    np.testing.assert_allclose(score["r_best"].mean(), still["r_best"].mean(), atol=0.03)
    np.testing.assert_allclose(score["ceiling"], still["ceiling"], atol=0.03)


@pytest.mark.parametrize("fill", [0.0, -9999.0])
def test_a_run_of_one_value_is_a_run_that_is_missing(fill):
    feature, values = people()
    values["p2"][120:, 1] = fill
    data = prepared(values)
    assert data.participants == ("p0", "p1", "p3", "p4")
    assert data.left_out["p2"] == f"right is constant ({fill:g}) in run 1"
    del values["p2"]
    alone = score_responses(recording(feature), prepared(values), OPTIONS)
    score = score_responses(recording(feature), data, OPTIONS)
    for name in ("value", "ceiling", "group_r_best"):
        np.testing.assert_array_equal(score[name], alone[name])


@pytest.mark.parametrize(
    ("damage", "words"), [(0.0, "constant"), (np.nan, "not finite"), (np.inf, "not finite")]
)
def test_a_participant_that_cannot_be_used_is_left_out_and_named(damage, words):
    feature, values = people()
    values["p2"][:, 1] = damage
    data = prepared(values)
    assert data.participants == ("p0", "p1", "p3", "p4")
    assert "right" in data.left_out["p2"]
    assert words in data.left_out["p2"]
    score = score_responses(recording(feature), data, OPTIONS)
    assert score.attrs["participants"] == 4
    assert "p2" in score.attrs["left_out"]


def test_nobody_left_is_an_error():
    with pytest.raises(DataError, match="no participant is left"):
        prepared({"p0": np.zeros((240, 2))})


def test_lengths_that_do_not_fit_are_errors():
    feature, values = people()
    with pytest.raises(DataError, match="p0"):
        prepared({"p0": values["p0"][:-1]})
    with pytest.raises(ScoreError, match="239 samples"):
        score_responses(recording(feature[:-1]), prepared(values), OPTIONS)
    with pytest.raises(DataError, match="shape"):
        Responses(np.zeros((1, 5, 2)), ("p",), ("a",), np.zeros(5, int))


def test_two_participants_have_no_ceiling_and_no_claim():
    feature, values = people(n=2)
    score = score_responses(recording(feature), prepared(values), OPTIONS)
    assert np.isnan(score["ceiling"])
    assert np.isnan(score["normalised"])
    assert np.isfinite(score["value"])
