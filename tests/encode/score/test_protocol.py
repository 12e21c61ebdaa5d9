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


def two_regions(n=3, samples=240, seed=4):
    """People whose left region follows one feature and whose right region another."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(2, samples))
    driven = np.stack([np.r_[np.zeros(2), f[:-2]] for f in features], axis=1)
    weight = np.linspace(0.6, 1.6, n)
    values = {
        f"p{i}": weight[i] * driven * [1.0, 0.5] + rng.normal(size=(samples, 2)) for i in range(n)
    }
    return features, values


def test_each_region_takes_its_own_layer_and_its_own_score():
    features, values = two_regions()
    score = score_responses(recording(*features), prepared(values), OPTIONS)
    assert (score["layer_best"].sel(roi="left") == 0).all()
    assert (score["layer_best"].sel(roi="right") == 1).all()
    assert score["group_layer_best"].values.tolist() == [0, 1]
    for i, (name, own) in enumerate(values.items()):
        alone = score_responses(recording(*features), prepared({name: own}), OPTIONS)
        both = score["r"].sel(participant=name)
        np.testing.assert_allclose(both, alone["r"][0], atol=1e-9)
        assert (score["r_best"][i, 0] > score["r_best"][i, 1]) or i == 0
        np.testing.assert_allclose(score["fold_r"].mean("fold")[i], score["r_best"][i], atol=1e-9)
    # whose signal is stronger scores higher, in the left region, the more strongly driven one
    assert (np.diff(score["r_best"].sel(roi="left")) > 0).all()


def test_p_values_are_adjusted_over_the_regions_of_a_participant():
    features, values = two_regions(n=4)
    values["p1"] = np.random.default_rng(8).normal(size=(240, 2))
    score = score_responses(recording(*features), prepared(values), OPTIONS)
    for name in values:
        p, q = (score[k].sel(participant=name).values for k in ("p", "q"))
        np.testing.assert_allclose(q, stats.false_discovery_control(p))
    assert not np.allclose(score["p"], score["q"])


def test_the_unique_part_by_fold_is_joint_minus_nuisance():
    features, values = two_regions()
    nuisance = {"rate": features[1]}
    score = score_responses(recording(features[0]), prepared(values, nuisance=nuisance), OPTIONS)
    left, right = score["unique_r2"].mean("participant").values
    assert left > 0.1 > abs(right)
    np.testing.assert_allclose(score["fold_unique_r2"].mean("fold"), score["unique_r2"], atol=1e-9)
    ceiling = score["ceiling_loo"]
    share = float((np.sign(ceiling) * ceiling**2).mean())
    assert float(score["unique_of_ceiling"]) == pytest.approx(float(score["unique"]) / share)
    by_fold = score["fold_unique_r2"].mean("roi").sel(participant="p2").values
    low, high = stats.t.interval(0.95, len(by_fold) - 1, by_fold.mean(), stats.sem(by_fold))
    own = score.sel(participant="p2")
    assert float(own["unique_participant_low"]) == pytest.approx(low)
    assert float(own["unique_participant_high"]) == pytest.approx(high)


def test_each_participant_loses_its_own_confounds():
    _, values = two_regions(n=3)
    rng = np.random.default_rng(5)
    motion = {name: rng.normal(size=(240, 2)) for name in values}
    moved = {name: v + 3 * motion[name][:, :1] for name, v in values.items()}
    data = prepared(moved, confounds=motion)
    clean = data.cleaned(np.repeat([0, 1], 120))
    for number, name in enumerate(values):
        for run in range(2):
            rows = slice(120 * run, 120 * run + 120)
            design = np.column_stack([np.ones(120), motion[name][rows]])
            rest = moved[name][rows] - design @ np.linalg.lstsq(design, moved[name][rows])[0]
            expected = rest / rest.std(axis=0)
            np.testing.assert_allclose(clean.values[number][rows], expected, atol=1e-9)
