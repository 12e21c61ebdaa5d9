"""Answers about the value, its share of the ceiling and the unique part; parts, draws crossed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from simulated_boards import CATEGORIES, Truth, simulate

import harness
from harness.board.answers.alignment import alignments
from harness.errors import SelectionError
from harness.spec.measures import ScoreMeasure
from harness.stats.crossed import crossed, crossed_covariance

MODELS = {"a-1": ("a", 1e8, 0.25), "a-2": ("a", 1e9, 0.25)}
UNIQUE = Truth(
    MODELS,
    {"rtn-int4": 0.0},
    noise=0.004,
    parts=8,
    text=0.002,
    unique={"a-1": 0.01, "a-2": 0.05},
    unique_margin=0.02,
)


def sentences(said):
    return [str(s) for s in said["sentence"].values]


def changed(board, path, **variables):
    groups = {node.path: node.to_dataset(inherit=False) for node in board.subtree}
    groups[path] = groups[path].assign(variables)
    return xr.DataTree.from_dict(groups)


def test_the_headline_decides_and_a_measure_overrules_it():
    board = simulate(UNIQUE)
    by_headline = harness.answer(board, "saturation", draws=100)
    assert any("unique R2" in str(s) for s in by_headline["subject"].values)
    # In r the two are alike, in what they add they are not.
    difference = by_headline["difference"].sel(family="a", roi="mean").isel(benchmark=0)
    assert float(difference.sel(model="a-1")) == pytest.approx(-0.04, abs=0.01)
    by_value = harness.answer(board, "saturation", measure="value", draws=100)
    difference = by_value["difference"].sel(family="a", roi="mean").isel(benchmark=0)
    assert float(difference.sel(model="a-1")) == pytest.approx(0, abs=0.01)
    assert not any("unique" in str(s) for s in by_value["subject"].values)


def test_without_the_headline_on_the_board_the_value_answers_and_says_so():
    board = simulate(UNIQUE)
    groups = {node.path: node.to_dataset(inherit=False) for node in board.subtree}
    groups["/neural/brain-00"] = groups["/neural/brain-00"].drop_vars(
        ["unique_r2", "fold_unique_r2"]
    )
    older = xr.DataTree.from_dict(groups)
    said = harness.answer(older, "robustness", draws=50)
    lacking = "brain-00: the board has no unique R2 by participant"
    assert f"{lacking}, its headline: answered by its value" in said["missing"].values
    assert said.sizes["claim"]
    asked = harness.answer(older, "robustness", measure="unique", draws=50)
    assert lacking in asked["missing"].values
    assert not asked.sizes["claim"]


def test_a_margin_of_one_measure_is_none_of_another():
    board = simulate(dataclasses.replace(UNIQUE, unique_margin=np.nan))
    for question in ("saturation", "robustness", "controls"):
        said = harness.answer(board, question, draws=50)
        assert not any("equivalent within" in s for s in sentences(said)), question
        assert any("no margin of unique R2" in str(m) for m in said["missing"].values)
        # A difference is tested all the same.
        assert any("p " in s and "95 % CI" in s for s in sentences(said)), question
    same = harness.answer(board, "robustness", measure="value", draws=50)
    assert any("equivalent within .02" in s for s in sentences(same))


def test_a_share_of_the_ceiling_is_tested_where_it_is_known():
    board = simulate(UNIQUE)
    known = board["neural/brain-00"].to_dataset()
    share = known["r_best"].mean("roi") / 0.5
    board = changed(board, "/neural/brain-00", normalised_participant=share)
    (found,), _ = alignments(board, None, "normalised")
    np.testing.assert_allclose(found.means.T, share.transpose("variant", "participant"))
    np.testing.assert_allclose(found.sampled.mean(axis=1), found.means)
    of_value = alignments(board, None, "value")[0][0]
    np.testing.assert_allclose(found.sampled, of_value.sampled / 0.5)
    assert np.isnan(found.margin)


def test_a_mistyped_measure_is_answered_with_the_nearest():
    board = simulate(UNIQUE)
    with pytest.raises(SelectionError, match="no measure") as raised:
        harness.answer(board, "robustness", measure="uniqe")
    assert "unique" in raised.value.hint
    with pytest.raises(SelectionError, match="profile takes no measure"):
        harness.answer(board, "profile", measure="value")


def test_intervals_cross_participants_and_parts():
    board = simulate(UNIQUE)
    said = harness.answer(board, "robustness", draws=50).isel(benchmark=0)
    parts = board["neural/brain-00"]["fold_unique_r2"].mean("roi")
    for model in MODELS:
        own = (parts.sel(variant=f"{model}+rtn-int4") - parts.sel(variant=f"{model}+none")).T
        wanted = crossed(own.transpose("participant", "fold").values)
        cell = said.sel(model=model, compressor="rtn-int4")
        assert float(cell["difference"]) == pytest.approx(float(wanted.estimate))
        ends = float(cell["low"]), float(cell["high"])
        assert ends == pytest.approx(tuple(map(float, wanted.interval())))
        assert float(cell["p"]) == pytest.approx(float(wanted.p()))
        assert float(cell["p_equivalence"]) == pytest.approx(float(wanted.p_equivalent(0.02)))
    assert any("n = 20 x 8 parts of the stimulus" in s for s in sentences(said))
    alone = harness.answer(simulate(dataclasses.replace(UNIQUE, parts=0)), "robustness", draws=50)
    assert any("n = 20, for these stimuli alone" in s for s in sentences(alone))


def test_a_participant_without_a_part_is_left_out_of_what_crosses():
    board = simulate(UNIQUE)
    folds = board["neural/brain-00"]["fold_unique_r2"].copy(deep=True)
    folds[:, 2, 4] = np.nan
    said = harness.answer(changed(board, "/neural/brain-00", fold_unique_r2=folds), "robustness")
    assert (said["n"] == 19).all()
    assert np.isfinite(said["low"]).all()


@pytest.mark.parametrize("question", ["robustness", "controls"])
def test_equal_variants_differ_at_the_nominal_rate_where_texts_are_drawn_too(question):
    """A text's own deviation is no participant's: over participants alone it looks like a find."""
    truth = Truth(
        {"a-1": ("a", 1e8, 0.25)}, {"rtn-int4": 0.0}, noise=0.01, rois=1, parts=8, text=0.02,
        floor=0.25,
    )  # fmt: skip
    crossing = alone = 0
    for seed in range(40):
        board = simulate(truth, seed)
        for parts in (True, False):
            if not parts:
                groups = {n.path: n.to_dataset(inherit=False) for n in board.subtree}
                groups["/neural/brain-00"] = groups["/neural/brain-00"].drop_vars("fold_r")
                board = xr.DataTree.from_dict(groups)
            said = harness.answer(board, question, draws=20)
            p = said["p"].sel(control="static") if question == "controls" else said["p"]
            found = bool((p < 0.05).any())
            crossing, alone = crossing + (found and parts), alone + (found and not parts)
    assert crossing <= scipy.stats.binom.ppf(0.999, 40, 0.05)
    assert alone > 2 * crossing


def test_draws_of_a_compressor_are_a_random_effect():
    """True loss as large as the margin, scatter over calibration texts: equivalence is an error."""
    errors = alone = 0
    rng = np.random.default_rng(0)
    for seed in range(40):
        losses = {f"gptq-int4#{i}": 0.02 + rng.normal(0, 0.01) for i in range(5)}
        truth = Truth({"a-1": ("a", 1e8, 0.25)}, losses, noise=0.005, rois=1)
        said = harness.answer(simulate(truth, seed), "robustness", draws=20).isel(benchmark=0)
        assert list(said["compressor"].values) == ["gptq-int4"]
        errors += float(said["p_equivalence"].squeeze()) < 0.05
        one = dataclasses.replace(truth, losses={"gptq-int4": losses["gptq-int4#0"]})
        single = harness.answer(simulate(one, seed), "robustness", draws=20)
        alone += float(single["p_equivalence"].squeeze()) < 0.05
    assert (said["draws"] == 5).all()
    assert errors <= scipy.stats.binom.ppf(0.999, 40, 0.05)
    assert alone > 8  # one draw is taken for the compressor: half of them lie within
    assert any("5 draws of the compressor" in s for s in sentences(said))


def test_one_draw_of_a_calibrated_compressor_is_named():
    board = simulate(dataclasses.replace(UNIQUE, losses={"gptq-int4": 0.0, "rtn-int4": 0.0}))
    board = changed(board, "/compressors", calibrated=("compressor", [0, 1, 0]))
    gaps = harness.answer(board, "robustness", draws=20)["missing"].values
    assert any("one draw of the calibration text: gptq-int4;" in str(gap) for gap in gaps)


def test_what_a_model_adds_is_asked_with_its_controls():
    truth = dataclasses.replace(UNIQUE, unique={"a-1": 0.0, "a-2": 0.05})
    said = harness.answer(simulate(truth), "controls", measure="value")
    adds = {
        str(subject): str(text)
        for subject, text in zip(said["subject"].values, said["sentence"].values, strict=True)
        if "adds to the nuisance" in str(text)
    }
    assert len(adds) == 2
    none = next(text for subject, text in adds.items() if subject.startswith("a-1"))
    assert "nothing is shown of it here" in none
    assert "smallest detectable difference" in none
    assert "nuisance regressors: yes, unique R2 .0" in next(
        text for subject, text in adds.items() if subject.startswith("a-2")
    )
    assert float(said["unique"].isel(benchmark=0).sel(model="a-2")) == pytest.approx(0.05, abs=0.01)
    without = harness.answer(simulate(dataclasses.replace(UNIQUE, unique={})), "controls")
    assert not any("adds to the nuisance" in s for s in sentences(without))


def test_a_control_without_a_model_is_a_control_of_every_model():
    board = simulate(Truth(MODELS, {"rtn-int4": 0.03}, linguistic=1, floor=0.1))
    names = board["models"]["model"].values
    kinds = np.where(names == "static:a-1", "autocorrelation", board["models"]["control"].values)
    bases = np.where(names == "static:a-1", "", board["models"]["base"].values)
    board = changed(board, "/models", control=("model", kinds), base=("model", bases))
    said = harness.answer(board, "controls").isel(benchmark=0)
    assert np.isfinite(said["difference"].sel(control="autocorrelation")).all()
    shares = harness.answer(board, "dissociation", draws=50)
    assert any("above autocorrelation alone" in s for s in sentences(shares))


def test_dissociation_of_the_unique_part_stands_on_nuisance():
    truth = dataclasses.replace(
        UNIQUE, linguistic=1, pairs=60, falls={"rtn-int4": dict.fromkeys(CATEGORIES, 0.2)}
    )
    said = harness.answer(simulate(truth), "dissociation", draws=100)
    own = [s for s in sentences(said) if "of its height above the nuisance regressors" in s]
    assert own
    assert any("smallest detectable difference" in s for s in own)
    assert any("x 8 parts of the stimulus" in s for s in own)


def test_a_crossed_covariance_of_a_score_with_itself_is_its_variance():
    x, y = np.random.default_rng(2).normal(size=(2, 12, 6))
    x += np.random.default_rng(3).normal(size=(12, 1)) + np.random.default_rng(4).normal(size=6)
    y += x
    assert crossed_covariance(x, x) == pytest.approx(float(crossed(x).error) ** 2)
    # Var(x + y) = Var(x) + Var(y) + 2 Cov(x, y)
    whole = crossed_covariance(x + y, x + y)
    parts = crossed_covariance(x, x) + crossed_covariance(y, y) + 2 * crossed_covariance(x, y)
    assert whole == pytest.approx(parts)


def test_every_undecided_and_equivalent_says_what_could_have_been_shown():
    """Over participants, and over the items of pairs."""
    board = simulate(dataclasses.replace(UNIQUE, linguistic=1))
    for question, names in (("saturation", ()), ("robustness", ()), ("compare", ("a-1", "a-2"))):
        said = harness.answer(board, question, *names, draws=100)
        for text, verdict in zip(said["sentence"].values, said["verdict"].values, strict=True):
            if "90 % CI" in str(text) and "equivalent within" in str(text) and verdict != "no":
                assert "smallest detectable difference" in str(text), text


@pytest.mark.parametrize("measure", list(ScoreMeasure))
def test_each_measure_has_a_name_and_a_margin(measure):
    assert measure.named
    assert measure.margin_field.startswith("margin")


def test_a_compressor_that_is_one_of_its_draws_counts_once():
    losses = {"gptq-int4": 0.0, "gptq-int4#0": 0.0, "gptq-int4#1": 0.0}
    board = simulate(Truth({"a-1": ("a", 1e8, 0.25)}, losses))
    seeds = np.array(["", "seed=0", "seed=0", "seed=1"], object)
    twice = changed(board, "/compressors", options=("compressor", seeds))
    assert harness.answer(twice, "robustness", draws=20)["draws"].item() == 2
    seeds[1] = "another text"
    third = changed(board, "/compressors", options=("compressor", seeds))
    assert harness.answer(third, "robustness", draws=20)["draws"].item() == 3


def test_what_lacks_a_measure_is_said_when_two_are_compared():
    board = simulate(dataclasses.replace(UNIQUE, unique={}))
    said = harness.answer(board, "compare", "a-1", "a-2", measure="unique")
    assert list(said["missing"].values) == ["brain-00: the board has no unique R2 by participant"]


def test_a_share_of_nearly_nothing_does_not_blow_up_its_parts():
    """A participant's r near 0 makes a wild ratio; the ceiling behind it is the same for all."""
    board = simulate(UNIQUE)
    known = board["neural/brain-00"].to_dataset()
    r = known["r_best"].copy(deep=True)
    r[0, 3] = 1e-6
    share = r.mean("roi") / 0.5 + 0.01  # cross-fitted: not to the digit what r over ceiling is
    board = changed(board, "/neural/brain-00", normalised_participant=share, r_best=r)
    (found,), _ = alignments(board, None, "normalised")
    assert np.abs(found.sampled).max() < 2
    np.testing.assert_allclose(found.sampled.mean(axis=1), found.means)
