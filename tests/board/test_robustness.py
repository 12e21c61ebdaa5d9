import dataclasses

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from simulated_boards import Truth, simulate

import harness
from harness.board.answers.exceptions import find_exceptions
from harness.board.answers.front import pareto_front
from harness.errors import SelectionError

MODELS = {"a-1": ("a", 1e8, 0.25), "a-2": ("a", 1e9, 0.28)}
METHODS = ("rtn-int4", "gptq-int4", "awq-int4", "nf4-b", "gptq@other-int4")
LOSSES = {m: 0.06 if "gptq" in m else 0.0 for m in METHODS}
TRUTH = Truth(MODELS, LOSSES, noise=0.01)


def asked(truth=TRUTH, seed=0, **options):
    return harness.answer(simulate(truth, seed), "robustness", draws=100, **options)


def test_tests_are_those_of_scipy():
    board = simulate(TRUTH)
    said = harness.answer(board, "robustness").isel(benchmark=0)
    values = board["neural/brain-00"]["r_best"].mean("roi")
    for compressor in METHODS:
        a = values.sel(variant=f"a-1+{compressor}").values
        b = values.sel(variant="a-1+none").values
        cell = said.sel(model="a-1", compressor=compressor)
        assert float(cell["difference"]) == pytest.approx((a - b).mean())
        assert float(cell["p"]) == pytest.approx(scipy.stats.ttest_rel(a, b).pvalue)
        assert float(cell["dz"]) == pytest.approx((a - b).mean() / (a - b).std(ddof=1))
        ends = scipy.stats.ttest_rel(a, b).confidence_interval(0.95)
        assert float(cell["low"]) == pytest.approx(ends.low)
    ordered = np.sort(said["p"].values.ravel())
    expected = np.minimum(np.maximum.accumulate(ordered * np.arange(10, 0, -1)), 1)
    np.testing.assert_allclose(np.sort(said["p_holm"].values.ravel()), expected)


def test_the_exception_is_found_and_holds_in_its_second_implementation():
    said = asked()
    flags = said["exception"].isel(benchmark=0)
    assert dict(zip(flags["compressor"].values, flags.values, strict=True)) == {
        m: float("gptq" in m) for m in METHODS
    }
    sentences = [str(s) for s in said["sentence"].values]
    assert any("gptq-int4 loses more than its peers" in s for s in sentences)
    assert any("second implementation, too: gptq@other-int4: yes" in s for s in sentences)


def test_an_exception_of_one_implementation_alone_does_not_hold():
    said = asked(dataclasses.replace(TRUTH, losses=LOSSES | {"gptq@other-int4": 0.0}))
    flags = said["exception"].isel(benchmark=0)
    assert list(flags["compressor"].values[flags.values == 1]) == ["gptq-int4"]
    assert any("too: gptq@other-int4: no" in str(s) for s in said["sentence"].values)


def test_outcomes_are_the_truth():
    outcome = asked()["outcome"].isel(benchmark=0)
    assert (outcome.sel(compressor=["rtn-int4", "awq-int4", "nf4-b"]) == "equivalent").all()
    assert (outcome.sel(compressor="gptq-int4") == "worse").all()


def test_without_an_effect_nothing_is_claimed_beyond_the_level():
    quiet = dataclasses.replace(TRUTH, losses=dict.fromkeys(METHODS, 0.0), noise=0.03, rois=1)
    different, exceptions = 0, 0
    for seed in range(60):
        said = asked(quiet, seed)
        different += bool((said["p_holm"] < 0.05).any())
        exceptions += bool(said["exception"].any())
    limit = scipy.stats.binom.ppf(0.999, 60, 0.05)
    assert different <= limit
    assert exceptions <= limit


def test_a_loss_of_the_margin_is_seldom_called_equivalent():
    lossy = dataclasses.replace(TRUTH, losses=dict.fromkeys(METHODS, 0.02), rois=1)
    claimed = sum(bool((asked(lossy, s)["outcome"] == "equivalent").any()) for s in range(60))
    assert claimed <= scipy.stats.binom.ppf(0.999, 60, 0.05)


def test_one_failure_makes_no_exceptions_of_the_sound():
    rng = np.random.default_rng(0)
    changes = rng.normal(0, 0.005, (25, 3, 5))
    changes[:, :, 2] -= 0.3
    found = find_exceptions(changes, ["a", "b", "c", "d", "e"], 0.02)
    assert found is not None
    assert found.flagged == (2,)
    assert find_exceptions(changes[:, :, :2], ["a", "b"], 0.02) is None


def test_the_front_is_that_of_a_loop():
    rng = np.random.default_rng(0)
    cost = rng.integers(1, 6, 30).astype(float)
    cost[3] = np.nan
    value = rng.integers(0, 8, (4, 30)).astype(float)
    value[1, 7] = np.nan
    found = pareto_front(cost, value)
    for draw in range(4):
        for i in range(30):
            v = value[draw]
            beaten = any(
                (cost[j] <= cost[i] and v[j] > v[i]) or (cost[j] < cost[i] and v[j] >= v[i])
                for j in range(30)
            )
            known = np.isfinite(cost[i]) and np.isfinite(v[i])
            assert found[draw, i] == (known and not beaten)


def test_costs_and_their_rank_correlation():
    said = asked()
    cell = said.isel(benchmark=0).sel(model="a-1", compressor="gptq-int4")
    assert float(cell["bits_per_weight_model"]) == 4.25
    assert float(cell["peak_memory"]) == 1e9
    flat = said.isel(benchmark=0)
    expected = scipy.stats.spearmanr(
        flat["difference"].values.ravel(), flat["bits_per_weight_model"].values.ravel()
    ).statistic
    found = flat.sel(cost="bits_per_weight_model")
    assert float(found["rank_correlation"]) == pytest.approx(expected)
    assert "tokens per second is not on the board" in said["missing"].values


def test_what_is_missing_is_said():
    board = simulate(dataclasses.replace(TRUTH, losses={}))
    missing = harness.answer(board, "robustness")["missing"].values
    assert any("no compressed model" in str(m) for m in missing)
    few = asked(dataclasses.replace(TRUTH, participants=3, noise=0.2))
    assert any("too few participants" in str(m) for m in few["missing"].values)
    board = simulate(TRUTH)
    node = board["neural/brain-00"].to_dataset()
    board["neural/brain-00"] = board["neural/brain-00"].copy()
    board["neural/brain-00"].dataset = node.isel(variant=node["variant"].values != "a-1+none")
    said = harness.answer(board, "robustness")
    assert any("a-1 has no base" in str(m) for m in said["missing"].values)


def test_unknown_names_are_refused():
    board = simulate(TRUTH)
    with pytest.raises(SelectionError, match="no answer is called 'robust'"):
        harness.answer(board, "robust")
    with pytest.raises(SelectionError, match="no benchmark on the board matches 'brian'"):
        harness.answer(board, "robustness", benchmarks="brian")
    with pytest.raises(SelectionError, match="takes no variants"):
        harness.answer(board, "robustness", "a-1")


def test_reading_times_are_compared_story_by_story():
    board = simulate(TRUTH)
    groups = {node.path: node.to_dataset(inherit=False) for node in board.subtree}
    detail = groups.pop("/neural/brain-00")
    gain = detail["r_best"].mean("roi").rename(participant="story")
    groups["/behavioural/brain-00"] = gain.rename("gain").to_dataset()
    groups["/benchmarks"]["kind"][0] = "behavioural"
    said = harness.answer(xr.DataTree.from_dict(groups), "robustness")
    cell = said.sel(model="a-1", compressor="gptq-int4").isel(benchmark=0)
    a, b = (gain.sel(variant=f"a-1+{c}").values for c in ("gptq-int4", "none"))
    assert float(cell["p"]) == pytest.approx(scipy.stats.ttest_rel(a, b).pvalue)
    assert any("n = 20 stories" in str(s) for s in said["sentence"].values)
    assert not any("no scores by" in str(s) for s in said["missing"].values)


def test_a_model_of_which_little_was_compressed_is_no_row_unless_asked_for():
    board = simulate(TRUTH)
    at = {"model": "a-1", "compressor": "rtn-int4"}
    sizes = board["compression"].to_dataset()
    coverage = sizes["coverage"].copy()
    coverage.loc[at] = 0.11
    board["compression"] = xr.DataTree(sizes.assign(coverage=coverage))
    said = harness.answer(board, "robustness", draws=100)
    left_out = "a-1+rtn-int4 is left out: 11% of its blocks' weights are compressed"
    assert any(left_out in str(gap) for gap in said["missing"].values)
    assert np.isnan(said["difference"].sel(at)).all()
    whole = harness.answer(board, "robustness", draws=100, partly=True)
    assert np.isfinite(whole["difference"].sel(at)).all()
    assert float(whole["coverage"].sel(at)[0]) == 0.11
