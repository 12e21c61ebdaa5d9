import dataclasses

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom
from simulated_boards import CATEGORIES, Truth, simulate

import harness
from harness.board.answers.compare import compare
from harness.board.answers.competence import competence, probed
from harness.board.answers.floors import competence_heights

TRUTH = Truth(
    {"a-1": ("a", 1e8, 0.25), "a-2": ("a", 1e9, 0.28)},
    {"rtn-int4": 0.0, "awq-int4": 0.0},
    falls={"rtn-int4": {"syntax": 0.2}},
    noise=0.008,
    linguistic=1,
)


def asked(truth=TRUTH, seed=0):
    return harness.answer(simulate(truth, seed), "dissociation", draws=200)


def test_it_is_found_where_it_is_and_nowhere_else():
    found = asked()["dissociates"].isel(benchmark=0, linguistic=0)
    assert (found.sel(category="syntax", compressor="rtn-int4") == 1).all()
    assert float(found.sum()) == 2


def test_changes_are_shares_of_the_base_above_the_best_floor():
    truth = dataclasses.replace(TRUTH, floor=0.15, untrained=0.6)
    board = simulate(truth)
    said = harness.answer(board, "dissociation").isel(benchmark=0, linguistic=0)
    cell = said.sel(model="a-1", compressor="rtn-int4", category="syntax")
    accuracy = board["linguistic/pairs-00"]["category_accuracy"].sel(category="syntax")
    base, floor = (float(accuracy.sel(variant=v)) for v in ("a-1+none", "untrained:a-1#0+none"))
    expected = (float(accuracy.sel(variant="a-1+rtn-int4")) - base) / (base - floor)
    assert float(cell["competence_change"]) == pytest.approx(expected)
    assert float(cell["competence_floor"]) == pytest.approx(floor)
    r = board["neural/brain-00"]["r_best"].mean(["participant", "roi"])
    base, floor = (float(r.sel(variant=v)) for v in ("a-1+none", "static:a-1+none"))
    share = (float(r.sel(variant="a-1+rtn-int4")) - base) / (base - floor)
    assert float(cell["alignment_change"]) == pytest.approx(share)
    assert float(cell["alignment_height"]) == pytest.approx(base - floor)
    assert float(cell["difference"]) == pytest.approx(expected - share)
    assert float(cell["low"]) < float(cell["difference"]) < float(cell["high"])
    (sentence,) = [
        str(s)
        for s, about in zip(said["sentence"].values, said["subject"].values, strict=True)
        if str(s).startswith("syntax") and str(about).startswith("rtn-int4 on a-1")
    ]
    assert "of its height above the untrained network" in sentence
    assert "of its height above static embeddings" in sentence


def test_nuisance_is_a_floor_where_it_reaches_further():
    board = simulate(TRUTH)
    node = board["neural/brain-00"].to_dataset()
    people = node["r_best"].sel(variant="a-1+none").drop_vars(["variant", "model", "compressor"])
    high = (people * 0 + people.mean() - 0.05).expand_dims(variant=node["variant"])
    board["neural/brain-00"] = xr.DataTree(node.assign(nuisance_r=high))
    said = harness.answer(board, "dissociation").isel(benchmark=0, linguistic=0)
    cell = said.sel(model="a-1", compressor="rtn-int4")
    assert float(cell["alignment_height"]) == pytest.approx(0.05)
    assert any("above the nuisance regressors" in str(s) for s in said["sentence"].values)


def test_a_height_that_is_not_above_its_floor_has_no_share_and_no_claim():
    board = simulate(dataclasses.replace(TRUTH, competence=0.5, untrained=0.5))
    said = harness.answer(board, "dissociation")
    change, known = said["competence_change"].values, said["competence_height"].values
    assert np.isnan(change[known <= 0]).all()
    assert np.abs(change[np.isfinite(change)]).max(initial=0) < 10
    assert any("itself is not above" in str(m) for m in said["missing"].values)


@pytest.mark.parametrize("floor", [0.0, 0.8])
def test_equal_shares_above_a_floor_are_seldom_called_different(floor):
    """Neither yes nor no; the margin is so wide that shares alone decide."""
    truth = Truth(
        {"a-1": ("a", 1e8, 0.135)},
        {"rtn-int4": 0.3 * 0.135 * (1 - floor)},
        falls={"rtn-int4": dict.fromkeys(CATEGORIES, 0.3 * 0.35)},
        noise=0.01,
        participants=27,
        linguistic=1,
        margin=1.0,
        floor=0.135 * floor,
    )
    verdicts = [set(asked(truth, seed)["verdict"].values) for seed in range(40)]
    assert sum(bool(v & {"yes", "no"}) for v in verdicts) <= binom.ppf(0.999, 40, 0.05)


def test_no_is_adjusted_with_yes():
    """Alignment is lost, competence is not: refuted, in the same family of tests."""
    lost = dataclasses.replace(TRUTH, losses={"rtn-int4": 0.12, "awq-int4": 0.0}, falls={})
    said = asked(lost)
    p, p_no = said["p"], said["p_no"]
    assert float(p_no.sel(compressor="rtn-int4").max()) < 0.05
    none = [
        set(asked(dataclasses.replace(TRUTH, falls={}), seed)["verdict"].values)
        for seed in range(30)
    ]
    assert sum("no" in v or "yes" in v for v in none) <= binom.ppf(0.999, 30, 0.05)
    assert ((p >= 0.05) | np.isnan(p)).all()


def test_lost_alignment_is_no_dissociation():
    lost = dataclasses.replace(TRUTH, losses={"rtn-int4": 0.08, "awq-int4": 0.0})
    assert float((asked(lost)["dissociates"] == 1).sum()) == 0


def test_equal_shares_are_seldom_called_dissociated():
    truth = Truth(
        {"a-1": ("a", 1e8, 0.1)},
        {"rtn-int4": 0.01},
        falls={"rtn-int4": dict.fromkeys(CATEGORIES, 0.035)},
        noise=0.005,
        linguistic=1,
    )
    claimed = sum(bool((asked(truth, seed)["dissociates"] == 1).any()) for seed in range(40))
    assert claimed <= binom.ppf(0.999, 40, 0.05)


def test_resampled_accuracies_have_the_spread_of_their_formula():
    known = simulate(TRUTH)["linguistic/pairs-00"].to_dataset()
    read = competence(known, "pairs-00", 0.5, 4000, 0)
    assert read is not None
    np.testing.assert_allclose(
        read.accuracy.T, known["category_accuracy"].values, rtol=0, atol=1e-12
    )
    right = (np.sign(known["margin"].values[0]) + 1) / 2
    inside = [right[known["pair_task"].values == t] for t in (0, 1)]
    variance = sum(part.var() / len(part) for part in inside) / 4
    assert read.draws[:, 0, 0].std() == pytest.approx(np.sqrt(variance), rel=0.05)
    assert read.draws[:, 0, 0].mean() == pytest.approx(read.accuracy[0, 0], abs=0.005)


def test_what_is_missing_is_said():
    said = asked(dataclasses.replace(TRUTH, linguistic=0))
    assert any("no linguistic benchmark with categories" in str(m) for m in said["missing"].values)
    at_chance = {"a-1": ("a", 1e8, -0.1), "a-2": ("a", 1e9, 0.28)}
    said = asked(dataclasses.replace(TRUTH, models=at_chance))
    assert any("brain-00: a-1 itself is not above" in str(m) for m in said["missing"].values)
    only = said["p"].isel(benchmark=0, linguistic=0)
    assert np.isnan(only.sel(model="a-1")).all()
    assert np.isfinite(only.sel(model="a-2")).all()


def test_items_that_pass_or_fail_count_like_pairs():
    board = simulate(TRUTH)
    known = board["linguistic/pairs-00"].to_dataset()
    right = (known["margin"] > 0).astype(np.int8).rename(pair="item")
    items = known.drop_vars(["margin", "pair_task"]).assign(passed=right)
    items = items.assign_coords(item_task=("item", known["pair_task"].values))
    one = competence(known, "pairs", 0.5, 50, seed=3)
    other = competence(items, "items", 0.5, 50, seed=3)
    assert (one.unit, other.unit) == ("pairs", "items")
    np.testing.assert_array_equal(one.accuracy, other.accuracy)
    np.testing.assert_array_equal(one.draws, other.draws)


@pytest.fixture
def probes():
    names = ["m+none", "m+rtn-int4"]
    dims = ("variant", "category")
    score = np.array([[0.8, 0.6], [0.7, 0.6]])
    half = np.array([[0.02, 0.04], [0.03, 0.05]])
    return xr.Dataset(
        {
            "category_score": (dims, score),
            "category_low": (dims, score - half),
            "category_high": (dims, score + half),
            "category_majority": (dims, np.full((2, 2), [0.3, 0.5])),
            "category_tasks": (dims, np.full((2, 2), [4, 6])),
        },
        coords={
            "variant": names,
            "category": ["syntax", "semantics"],
            "model": ("variant", ["m", "m"]),
            "compressor": ("variant", ["none", "rtn-int4"]),
            "seed": range(5),
        },
    )


def test_probes_are_drawn_from_their_intervals(probes):
    half = (probes["category_high"] - probes["category_score"]).values
    read = probed(probes, "probes", 20_000, seed=1)
    assert read.categories == ("syntax", "semantics")
    np.testing.assert_array_equal(read.pairs, [20, 30])
    # Without layer 0, the floor is the majority: heights of .5 and .1.
    heights = competence_heights(read, {})
    assert heights.names == [("m", "rtn-int4")]
    share, _, _ = heights.side.share()
    np.testing.assert_allclose(share[:, 0], [-0.1 / 0.5, 0.0], atol=1e-12)
    error = np.sqrt(heights.side.change_variance[0, 0])
    assert error == pytest.approx(np.hypot(half[0, 0], half[1, 0]) / 1.96, rel=0.05)
    assert probed(probes.drop_vars("category_low"), "probes", 10, seed=1) is None


def test_layer_0_is_the_floor_of_probes(probes):
    lexical = (("variant", "category"), np.array([[0.7, 0.4], [0.7, 0.4]]))
    known = probes.assign(category_lexical=lexical)
    heights = competence_heights(probed(known, "probes", 20_000, seed=1), {})
    np.testing.assert_allclose(heights.floor[:, 0], [0.7, 0.5])
    np.testing.assert_array_equal(heights.labels[:, 0], ["the lexical baseline", "chance"])
    half = (probes["category_high"] - probes["category_score"]).values[0]
    # Unknown, the floor's error is the score's own, and independent of it.
    spread = np.sqrt(heights.side.height_variance[:, 0])
    np.testing.assert_allclose(spread, half / 1.96 * [np.sqrt(2), 1], rtol=0.05)
    rng = np.random.default_rng(3)
    shared = rng.normal(0, 0.01, (1, 2, 500))
    draws = probes["category_score"].values[..., None] + shared
    low = known["category_lexical"].values[..., None] + shared
    dims = ("variant", "category", "draw")
    known = known.assign(category_draws=(dims, draws), category_lexical_draws=(dims, low))
    paired = competence_heights(probed(known, "probes", 500, seed=1), {}).side
    assert paired.height_variance[0, 0] == pytest.approx(0, abs=1e-12)


def test_probes_whose_resamples_are_kept_are_drawn_together(probes):
    rng = np.random.default_rng(2)
    draws = probes["category_score"].values[..., None] + rng.normal(0, 0.02, (1, 2, 400))
    known = probes.assign(category_draws=(("variant", "category", "draw"), draws))
    drawn = probed(known, "probes", 1000, seed=1).draws
    assert drawn.shape == (1000, 2, 2)
    # Both variants moved alike in every resample: nothing is left of the difference's error.
    assert (drawn[..., 1] - drawn[..., 0]).std(axis=0) == pytest.approx([0, 0], abs=1e-12)
    assert drawn[..., 0].std(axis=0) == pytest.approx(draws[0].std(axis=1), rel=0.05)
    # One without: its draws are its interval's, and independent.
    draws[1] = np.nan
    half = probes.assign(category_draws=(("variant", "category", "draw"), draws))
    apart = probed(half, "probes", 1000, seed=1).draws
    np.testing.assert_array_equal(apart[..., 0], drawn[..., 0])
    assert abs(np.corrcoef(apart[:, 0, 0], apart[:, 0, 1])[0, 1]) < 0.15


def test_probes_are_compared(probes):
    about = xr.Dataset(
        {"kind": ("benchmark", ["linguistic"]), "margin": ("benchmark", [np.nan]),
         "chance": ("benchmark", [0.0]), "simulated": ("benchmark", [0])},
        coords={"benchmark": ["gum"]},
    )  # fmt: skip
    value = probes["category_score"].values @ [0.4, 0.6]
    cells = xr.Dataset(
        {"value": (("model", "compressor", "benchmark"), value[None, :, None])},
        coords={"model": ["m"], "compressor": ["none", "rtn-int4"], "benchmark": ["gum"]},
    )
    board = xr.DataTree.from_dict(
        {"/benchmarks": about, "/cells": cells, "/linguistic/gum": probes}
    )
    said = compare(board, ["m", "m+rtn-int4"]).sel(benchmark="gum")
    assert str(said["unit"].item()) == "probes"
    assert int(said["n"]) == 50
    assert float(said["difference"]) == pytest.approx(0.4 * 0.1)
    error = np.hypot(0.4 * np.hypot(0.02, 0.03), 0.6 * np.hypot(0.04, 0.05)) / 1.96
    assert float(said["high"] - said["low"]) == pytest.approx(2 * 1.96 * error, rel=0.1)
