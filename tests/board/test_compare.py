import numpy as np
import pytest
import scipy.stats
from simulated_boards import Truth, simulate

import harness
from harness.errors import SelectionError

TRUTH = Truth(
    {"a-1": ("a", 1e8, 0.25), "a-2": ("a", 1e9, 0.35)},
    {"rtn-int4": 0.0},
    falls={"rtn-int4": {"syntax": 0.2}},
    noise=0.01,
    linguistic=1,
)


def test_both_kinds_of_benchmark_are_compared():
    board = simulate(TRUTH)
    said = harness.answer(board, "compare", "a-1", "a-2+none")
    assert list(said["benchmark"].values) == ["brain-00", "pairs-00"]
    assert list(said["unit"].values) == ["participants", "pairs"]
    values = board["neural/brain-00"]["r_best"].mean("roi")
    test = scipy.stats.ttest_rel(
        values.sel(variant="a-1+none").values, values.sel(variant="a-2+none").values
    )
    row = said.sel(benchmark="brain-00")
    assert float(row["p"]) == pytest.approx(test.pvalue)
    assert float(row["p_holm"]) == pytest.approx(min(1, 2 * test.pvalue))
    assert float(row["first"]) - float(row["second"]) == pytest.approx(float(row["difference"]))
    assert list(said["verdict"].values[:2]) == ["yes", "no"]  # better; and not equivalent
    better, alike = map(str, said["sentence"].values[:2])
    assert better.startswith("a-2+none is better: yes, a-1 minus a-2+none: -.")
    assert alike.startswith("equivalent within .02 r: no, 90 % CI [-")


def test_pairs_are_compared_pair_by_pair():
    said = harness.answer(simulate(TRUTH), "compare", "a-1", "a-1+rtn-int4")
    row = said.sel(benchmark="pairs-00")
    assert float(row["low"]) < 0.04 < float(row["high"])  # .2 of one category in five
    assert float(row["p"]) < 0.01
    assert int(row["n"]) == 1500


def test_swapping_turns_every_sign():
    board = simulate(TRUTH)
    one = harness.answer(board, "compare", "a-1", "a-2")
    other = harness.answer(board, "compare", "a-2", "a-1")
    np.testing.assert_allclose(one["difference"], -other["difference"])
    np.testing.assert_allclose(one["low"], -other["high"], atol=1e-12)
    np.testing.assert_allclose(one["p"], other["p"])


def test_a_variant_equals_itself():
    said = harness.answer(simulate(TRUTH), "compare", "a-1", "a-1")
    assert (said["difference"] == 0).all()
    assert (said["p"] == 1).all()
    assert list(said["verdict"].values[:2]) == ["undecided", "yes"]
    assert str(said["sentence"].values[0]).startswith("neither is shown to be better, ")


def test_wrong_names_are_told():
    board = simulate(TRUTH)
    with pytest.raises(SelectionError, match="did you mean"):
        harness.answer(board, "compare", "a-1", "a-2+rtn-int3")
    with pytest.raises(SelectionError, match="two variants"):
        harness.answer(board, "compare", "a-1")
    # A control is on the board for no compressor but none.
    said = harness.answer(board, "compare", "a-1", "untrained:a-1#0+rtn-int4")
    assert "the two variants share no benchmark" in said["missing"].values
