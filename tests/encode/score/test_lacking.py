"""Participants who lack runs: what was simulated comes back, and nobody else's numbers move."""

import json

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from harness.encode.design.lacking import folds_of_rows, sharing
from harness.encode.design.options import EncodingOptions, Metric
from harness.encode.design.sources import PartedResponses, ResponseRows
from harness.encode.design.splits import Fold, contiguous_folds
from harness.encode.score.naturalistic import Naturalistic, Resolution, region_means, score_stories
from harness.errors import DataError

OPTIONS = EncodingOptions(n_outer=3, n_inner=2, gap=4, penalties=8)
RUNS = ("one", "two", "three")
N = 300
SIGNAL, RATE = 0.4, 0.2


def simulated(n=5, seed=0, repeats=0):
    """Runs of responses: share SIGNAL of a feature, RATE of a nuisance, both two rows late."""
    rng = np.random.default_rng(seed)
    feature, rate = rng.normal(size=(2, 3 * N))

    def late(x):
        return np.concatenate([np.r_[0, 0, part[:-2]] for part in np.split(x, 3)])

    driven = np.sqrt(SIGNAL) * late(feature) + np.sqrt(RATE) * late(rate)
    values = {}
    for i in range(n):
        noise = np.sqrt(1 - SIGNAL - RATE) * rng.normal(size=(max(repeats, 1), 3 * N, 2 + i))
        each = np.split(driven[:, None] + noise, 3, axis=1)
        values[f"p{i}"] = [each[0][0], each[1][0], each[2] if repeats else each[2][0]]
    return feature, rate, values


def data(values, rate, lacks=(), *, masks=True, **options):
    """One more voxel for every further participant; two regions."""
    parts = {
        p: [None if (p, r) in lacks else ResponseRows(v) for r, v in zip(RUNS, own, strict=True)]
        for p, own in values.items()
    }
    widths = {p: own[0].shape[1] for p, own in values.items()}
    regions = {p: {"left": np.arange(w) == 0, "right": np.arange(w) > 0} for p, w in widths.items()}
    source = PartedResponses(parts, RUNS)
    return Naturalistic(source, 2.0, {"rate": rate}, regions if masks else {}, **options)


def recording(feature, seed=9):
    noise = np.random.default_rng(seed).normal(size=(len(feature), 3))
    layers = np.stack([noise, np.column_stack([feature, noise[:, 1:]])], axis=1)
    return xr.DataArray(
        layers.astype(np.float32), dims=("sample", "layer", "unit"), coords={"layer": [0, 1]}
    )


LACKS = {("p1", "two")}


@pytest.fixture(scope="module")
def scores():
    feature, rate, values = simulated()
    heard = recording(feature)
    return {
        "whole": score_stories(heard, data(values, rate), OPTIONS),
        "lacking": score_stories(heard, data(values, rate, LACKS), OPTIONS),
        "others": score_stories(
            heard, data({p: v for p, v in values.items() if p != "p1"}, rate), OPTIONS
        ),
    }


def test_the_simulated_truth_comes_back(scores):
    score = scores["lacking"]
    np.testing.assert_allclose(score["r_best"].sel(roi="left"), np.sqrt(SIGNAL), atol=0.08)
    np.testing.assert_allclose(score["unique_r2"].sel(roi="left"), SIGNAL, atol=0.09)
    np.testing.assert_allclose(score["nuisance_r2"].sel(roi="left"), RATE, atol=0.09)
    n = 4  # the others, of whom one has region and noise like p1
    shared = SIGNAL + RATE
    wanted = shared / np.sqrt(shared + (1 - shared) / n)
    np.testing.assert_allclose(score["ceiling_loo"].sel(roi="left"), wanted, atol=0.05)
    assert float(score["value"]) == pytest.approx(float(score["r_best"].mean()))
    assert list(score["participant"].values) == ["p0", "p1", "p2", "p3", "p4"]
    assert (score["layer_best"] == 1).all()


def test_who_has_all_runs_is_scored_as_if_the_other_were_not_there(scores):
    kept = ["p0", "p2", "p3", "p4"]
    for name in ("r", "r_best", "fold_r", "unique_r2", "fold_unique_r2", "p", "layer_best"):
        np.testing.assert_allclose(
            scores["lacking"][name].sel(participant=kept), scores["others"][name], atol=1e-10
        )
    for name in ("group_r_best", "group_ceiling", "group_p", "group_unique_r2"):
        np.testing.assert_allclose(scores["lacking"][name], scores["others"][name], atol=1e-10)


def test_who_lacks_a_run_is_scored_in_the_others_alone(scores):
    """The oracle: an analysis of two runs, in the same folds."""
    feature, rate, values = simulated()
    rows = np.r_[0:N, 2 * N : 3 * N]
    folds = [
        Fold(np.arange(N, 2 * N), np.arange(N)),
        Fold(np.arange(N), np.arange(N, 2 * N)),
    ]
    parts = {"p1": [ResponseRows(values["p1"][0]), ResponseRows(values["p1"][2])]}
    regions = {"p1": {"left": np.arange(3) == 0, "right": np.arange(3) > 0}}
    two = Naturalistic(PartedResponses(parts, RUNS[:2]), 2.0, {"rate": rate[rows]}, regions)
    alone = score_stories(recording(feature).isel(sample=rows), two, OPTIONS, folds=folds)
    lacking = scores["lacking"].sel(participant="p1")
    for name in ("r", "r_best", "unique_r2", "nuisance_r", "p"):
        np.testing.assert_allclose(lacking[name], alone[name].sel(participant="p1"), atol=1e-10)
    assert np.isnan(lacking["fold_r"].values[1]).all()
    np.testing.assert_allclose(
        lacking["fold_r"].values[[0, 2]], alone["fold_r"].values[:, 0], atol=1e-10
    )
    assert json.loads(scores["lacking"].attrs["absent_runs"]) == {"p1": ["1"]}


def test_its_ceiling_is_with_the_others_in_its_rows(scores):
    _, rate, values = simulated()
    found = region_means(data(values, rate, LACKS), ("left", "right")).values
    rows = np.r_[0:N, 2 * N : 3 * N]
    others = np.delete(found, 1, axis=0).mean(axis=0)
    wanted = [stats.pearsonr(found[1][rows, k], others[rows, k])[0] for k in range(2)]
    np.testing.assert_allclose(
        scores["lacking"]["ceiling_loo"].sel(participant="p1"), wanted, atol=1e-12
    )
    middle = np.nanmean(np.delete(found, 0, axis=0), axis=0)  # of three in the second run
    wanted = [stats.pearsonr(found[0][:, k], middle[:, k])[0] for k in range(2)]
    np.testing.assert_allclose(scores["lacking"]["ceiling_loo"].sel(participant="p0"), wanted)
    whole = float(scores["whole"]["normalised"])
    assert float(scores["lacking"]["normalised"]) == pytest.approx(whole, abs=0.03)
    assert 0.6 < whole < 1.0


def test_intervals_that_cross_parts_are_of_those_who_have_all(scores):
    lacking, others = scores["lacking"], scores["others"]
    for name in ("crossed_low", "crossed_high", "unique_crossed_low", "unique_p", "unique_roi"):
        np.testing.assert_allclose(lacking[name], others[name], atol=1e-10)
    own = lacking["fold_unique_r2"].sel(participant="p1").mean("roi").values[[0, 2]]
    np.testing.assert_allclose(lacking["unique_participant"].sel(participant="p1"), own.mean())
    half = stats.t.ppf(0.975, 1) * own.std(ddof=1) / np.sqrt(2)
    high = lacking["unique_participant_high"].sel(participant="p1")
    np.testing.assert_allclose(high, own.mean() + half)


def test_everybody_lacks_another_run():
    feature, rate, values = simulated(n=3)
    lacks = {("p0", "one"), ("p1", "two"), ("p2", "three")}
    score = score_stories(recording(feature), data(values, rate, lacks), OPTIONS)
    np.testing.assert_allclose(score["r_best"].sel(roi="left"), np.sqrt(SIGNAL), atol=0.1)
    assert not [name for name in score.data_vars if str(name).startswith("group_")]
    assert np.isfinite(score["ceiling_loo"]).all()
    assert "crossed_low" not in score


@pytest.mark.parametrize("options", [{}, {"cutoff": 60.0}])
def test_voxels_agree_with_regions_of_one_voxel(options):
    feature, rate, values = simulated(n=3)
    heard, given = recording(feature), data(values, rate, LACKS, **options)
    regions = score_stories(heard, given, OPTIONS)
    voxels = score_stories(heard, given, OPTIONS, resolution=Resolution.VOXEL)
    for a, b in (("r_roi", "r_best"), ("unique_r2_roi", "unique_r2")):
        np.testing.assert_allclose(voxels[a].sel(roi="left"), regions[b].sel(roi="left"), atol=1e-5)
    np.testing.assert_allclose(
        voxels["fold_r"].sel(roi="left"), regions["fold_r"].sel(roi="left"), atol=1e-5
    )
    assert np.isnan(voxels["fold_r"].sel(participant="p1").values[1]).all()
    who = voxels["voxel_participant"].values
    assert np.isfinite(voxels["voxel_unique_p"].values[who != 1]).all()
    assert np.isnan(voxels["voxel_unique_p"].values[who == 1]).all()  # two parts are no test


def test_own_confounds_of_who_lacks_a_run():
    feature, rate, values = simulated(n=4)
    rng = np.random.default_rng(3)
    motion = {p: rng.normal(size=(3 * N, 2)) for p in values}
    moved = {
        p: [v + 2 * motion[p][k * N : (k + 1) * N, :1] for k, v in enumerate(own)]
        for p, own in values.items()
    }
    motion["p1"][N : 2 * N] = 0
    heard = recording(feature)
    for resolution, name in ((Resolution.ROI, "r_best"), (Resolution.VOXEL, "r_roi")):
        still, found = (
            score_stories(heard, data(v, rate, LACKS, **more), OPTIONS, resolution=resolution)
            for v, more in ((values, {}), (moved, {"confounds": motion}))
        )
        np.testing.assert_allclose(found[name], still[name], atol=0.03)


def test_repeats_give_regions_their_ceilings():
    feature, rate, values = simulated(n=2, repeats=4)
    given = data(values, rate, repeat_ceilings=True)
    score = score_stories(recording(feature), given, OPTIONS)
    share = SIGNAL + RATE
    wanted = np.sqrt(share / (share + (1 - share) / 4))
    np.testing.assert_allclose(score["ceiling_repeats"].sel(roi="left"), wanted, atol=0.04)
    assert "repeats" in score.attrs["ceiling_kind"]
    assert float(score["ceiling"]) == pytest.approx(float(score["ceiling_repeats"].mean()))
    # both r and ceiling of a single repeat: the model has SIGNAL of SIGNAL + RATE
    known = float(score["normalised_by_roi"].sel(roi="left").mean())
    assert known == pytest.approx(np.sqrt(SIGNAL / share), abs=0.09)
    unasked = score_stories(recording(feature), data(values, rate), OPTIONS)
    assert "ceiling_repeats" not in unasked


def test_repeats_and_a_lacking_run():
    feature, rate, values = simulated(n=3, repeats=3)
    lacks = {("p1", "two"), ("p2", "three")}
    heard = recording(feature)
    given = data(values, rate, lacks, repeat_ceilings=True)
    score = score_stories(heard, given, OPTIONS)
    share = SIGNAL + RATE
    wanted = np.sqrt(share / (share + (1 - share) / 3))
    ceilings = score["ceiling_repeats"].sel(roi="left")
    np.testing.assert_allclose(ceilings[:2], wanted, atol=0.05)
    assert np.isnan(ceilings[2])
    assert np.isfinite(score["normalised"])
    voxels = score_stories(heard, given, OPTIONS, resolution=Resolution.VOXEL)
    np.testing.assert_allclose(voxels["ceiling_roi"].sel(roi="left")[:2], wanted, atol=0.05)
    assert np.isnan(voxels["ceiling_roi"].values[2]).all()


class TestParts:
    def test_groups(self):
        runs = np.repeat([0, 1, 2], 4)
        groups = sharing({"b": (1,), "c": (1,)}, ("a", "b", "c", "d"), runs)
        assert [g.participants for g in groups] == [("a", "d"), ("b", "c")]
        assert [g.whole for g in groups] == [True, False]
        assert groups[1].rows.tolist() == [0, 1, 2, 3, 8, 9, 10, 11]

    def test_folds_hold_the_same_rows(self):
        runs = np.repeat([0, 1, 2], 40)
        folds = contiguous_folds(runs, 5, 4)
        rows = np.flatnonzero(runs != 1)
        found, numbers = folds_of_rows(folds, rows, ("p",))
        for number, fold in zip(numbers, found, strict=True):
            assert set(rows[fold.test]) == set(folds[number].test) & set(rows)
            assert set(rows[fold.train]) == set(folds[number].train) & set(rows)
        assert set(np.concatenate([rows[f.test] for f in found])) == set(rows)

    def test_nothing_is_held_out(self):
        fold = Fold(np.arange(40), np.arange(40, 80))
        with pytest.raises(DataError, match="runs that p have, none is held out"):
            folds_of_rows([fold], np.arange(40), ("p",))

    def test_sources_refuse_what_cannot_be(self):
        rows = ResponseRows(np.ones((5, 2)))
        with pytest.raises(DataError, match="nobody has run two"):
            PartedResponses({"a": [rows, None], "b": [rows, None]}, ("one", "two"))
        with pytest.raises(DataError, match="participant b has 0 parts"):
            PartedResponses({"a": [rows, rows], "b": [None, None]}, ("one", "two"))
        with pytest.raises(DataError, match="b has 4 rows in run two, others have 5"):
            short = ResponseRows(np.ones((4, 2)))
            PartedResponses({"a": [None, rows], "b": [rows, short]}, ("one", "two"))
        source = PartedResponses({"a": [None, rows], "b": [rows, rows]}, ("one", "two"))
        assert source.runs.tolist() == [0] * 5 + [1] * 5
        assert np.isnan(source.block("a", 0, 2)[:5]).all()
        assert source.absent("a") == (0,)

    def test_what_needs_the_same_rows_of_everybody(self):
        feature, rate, values = simulated(n=3)
        for option in ({"cross": True}, {"metric": Metric.RSA}):
            with pytest.raises(DataError, match="lack runs"):
                score_stories(
                    recording(feature),
                    data(values, rate, LACKS),
                    EncodingOptions(n_outer=3, n_inner=2, gap=4, **option),
                )
