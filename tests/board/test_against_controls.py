import numpy as np
import pytest
import scipy.stats
import xarray as xr
from simulated_boards import Truth, simulate

import harness

TRUTH = Truth({"a-1": ("a", 1e8, 0.2), "a-2": ("a", 1e9, 0.25)}, noise=0.02)


def with_seeds(board, models, change=0.0):
    """Add three untrained networks and a static control of each model: models' scores, changed."""
    groups = {node.path: node.to_dataset(inherit=False) for node in board.subtree}
    detail, about = groups["/neural/brain-00"], groups["/models"]
    rng = np.random.default_rng(5)
    copies, facts = [], []
    for model in models:
        own = detail.sel(variant=[f"{model}+none"])
        for name in (*(f"untrained:{model}#{i}" for i in range(1, 4)), f"static:{model}"):
            noise = rng.normal(0, 0.02, own["r_best"].shape)
            coords = {
                "variant": np.array([f"{name}+none"], object),
                "model": ("variant", np.array([name], object)),
            }
            scores = own["r_best"].copy(data=own["r_best"].values - change + noise)
            copies.append(own.assign(r_best=scores).assign_coords(coords))
            row = about.sel(model=[model]).assign_coords(model=np.array([name], object))
            row["control"][0], row["base"][0] = name.split(":")[0], model
            facts.append(row)
    groups["/neural/brain-00"] = xr.concat([detail, *copies], "variant")
    groups["/models"] = xr.concat([about, *facts], "model")
    return xr.DataTree.from_dict(groups)


def asked(board, **options):
    return harness.answer(board, "controls", **options)


def test_seeds_are_one_control_and_tests_are_those_of_scipy():
    board = with_seeds(simulate(Truth(TRUTH.models, noise=0.02, controls=False)), ["a-1"], 0.05)
    said = asked(board).isel(benchmark=0)
    assert list(said["control"].values) == ["static", "untrained"]
    scores = board["neural/brain-00"]["r_best"].mean("roi")
    model = scores.sel(variant="a-1+none").values
    seeds = [scores.sel(variant=f"untrained:a-1#{i}+none").values for i in (1, 2, 3)]
    row = said.sel(model="a-1", control="untrained")
    found = scipy.stats.ttest_rel(model, np.mean(seeds, axis=0))
    assert float(row["p"]) == pytest.approx(found.pvalue)
    ends = found.confidence_interval()
    assert (float(row["low"]), float(row["high"])) == pytest.approx((ends.low, ends.high))
    signed = scipy.stats.wilcoxon(model - np.mean(seeds, axis=0)).pvalue
    assert float(row["wilcoxon_p"]) == pytest.approx(signed)
    assert (int(row["seeds"]), int(row["n"])) == (3, 20)
    both = np.sort(said["p"].sel(model="a-1").values)
    np.testing.assert_allclose(
        np.sort(said["p_holm"].sel(model="a-1").values), [2 * both[0], max(2 * both[0], both[1])]
    )
    assert str(row["outcome"].item()) == "yes"
    sentence = next(s for s in said["sentence"].values if "untrained" in s)
    assert "beats its untrained control (mean of 3 seeds): yes, difference .0" in sentence
    assert "n = 20" in sentence
    assert "brain-00: a-2 has no control: run `-m untrained:a-2`" in said["missing"].values


def test_a_model_that_is_no_better_is_said_not_to_be():
    board = with_seeds(simulate(TRUTH), ["a-2"])
    said = asked(board).isel(benchmark=0)
    assert str(said["outcome"].sel(model="a-2", control="untrained").item()) == "no"
    assert any("equivalent within .02" in s for s in said["sentence"].values)
    assert str(said["outcome"].sel(model="a-1", control="untrained").item()) == "yes"
    worse = asked(with_seeds(simulate(TRUTH), ["a-2"], -0.1)).isel(benchmark=0)
    assert float(worse["difference"].sel(model="a-2", control="static")) < 0
    assert str(worse["outcome"].sel(model="a-2", control="static").item()) == "no"


def test_without_an_effect_it_is_claimed_at_most_at_the_level():
    wrong = sum(
        (
            asked(with_seeds(simulate(TRUTH, seed), ["a-2"]))["outcome"].sel(model="a-2") == "yes"
        ).any()
        for seed in range(200)
    )
    assert wrong <= scipy.stats.binom.ppf(0.999, 200, 0.05)


def test_what_is_missing_is_said():
    said = asked(simulate(Truth(TRUTH.models, controls=False)))
    assert "claim" not in said.dims or not said.sizes["claim"]
    assert any("no control" in str(text) for text in said["missing"].values)


def test_a_board_of_controls_alone_says_whose_they_are():
    board = with_seeds(simulate(Truth(TRUTH.models, noise=0.02, controls=False)), ["a-1"])
    groups = {node.path: node.to_dataset(inherit=False) for node in board.subtree}
    detail = groups["/neural/brain-00"]
    own = [v for v in detail["variant"].values if ":a-1" in v]
    groups["/neural/brain-00"] = detail.sel(variant=own)
    alone = xr.DataTree.from_dict(groups)
    assert list(asked(alone)["missing"].values) == [
        "brain-00: only controls are there: run `-m a-1`"
    ]
    assert "brain-00: no uncompressed model is on the board that is not a control" in list(
        harness.answer(alone, "saturation")["missing"].values
    )
