"""The profile by category: levels, changes and their errors, against loops and known truths."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom
from simulated_boards import CATEGORIES, Truth, simulate

import harness
from harness.api import carry_out
from harness.board.files import open_board, save_board
from harness.board.profile import ITEMS, SEEDS, category_profile, profile_of, with_profile
from harness.report.page_data import page_data
from harness.report.page_sections import claims_html
from harness.spec.specs import BenchmarkSpec

TRUTH = Truth(
    {"a-1": ("a", 1e8, 0.25), "a-2": ("a", 1e9, 0.28)},
    {"rtn-int4": 0.0, "awq-int4": 0.0},
    falls={"rtn-int4": {"syntax": 0.2}},
    linguistic=1,
)
NAMES = [("m", "none"), ("m", "rtn-int4"), ("lonely", "rtn-int4"), ("other", "none")]


def of_variants(data):
    """Detail of a board with the variants above."""
    return xr.Dataset(
        data,
        coords={
            "variant": [f"{m}+{c}" for m, c in NAMES],
            "model": ("variant", [m for m, _ in NAMES]),
            "compressor": ("variant", [c for _, c in NAMES]),
        },
    )


@pytest.fixture
def items():
    """Two tasks of syntax, of 4 and 10 items, one of semantics."""
    rng = np.random.default_rng(0)
    task = np.repeat([2, 0, 1], [6, 4, 10])
    return of_variants(
        {"passed": (("variant", "item"), rng.integers(0, 2, (4, 20)))}
    ).assign_coords(
        item_task=("item", task),
        task_category=("task", ["syntax", "syntax", "semantics"]),
    )


@pytest.fixture
def probes():
    dims = ("variant", "category")
    score = np.array([[0.6, 0.8], [0.6, 0.7], [0.5, 0.5], [0.4, 0.9]])
    return of_variants(
        {
            "category_score": (dims, score),
            "category_low": (dims, score - [[0.04, 0.02]] * 4),
            "category_high": (dims, score + [[0.04, 0.02]] * 4),
            "category_sd": (dims, np.array([[0.01, 0.02], [9, 9], [9, 9], [9, 9]])),
        }
    ).assign_coords(category=["semantics", "syntax"])


def on_board(**details):
    names = list(details)
    about = xr.Dataset(
        {"kind": ("benchmark", ["linguistic"] * len(names))}, coords={"benchmark": names}
    )
    groups = {f"/linguistic/{name}": known for name, known in details.items()}
    return xr.DataTree.from_dict({"/benchmarks": about} | groups)


def test_errors_of_items_are_those_of_a_plain_loop(items):
    found = profile_of(items)
    right, task = items["passed"].values.astype(float), items["item_task"].values
    assert (found.categories, found.standard) == (("syntax", "semantics"), ITEMS)

    def plain(values, tasks):
        means = [values[task == t].mean() for t in tasks]
        variances = [values[task == t].var(ddof=1) / (task == t).sum() for t in tasks]
        return np.mean(means), np.sqrt(np.sum(variances)) / len(tasks)

    for i, tasks in enumerate(([0, 1], [2])):
        for v in range(4):
            expected = plain(right[v], tasks)
            assert (found.score[i, v], found.spread[i, v]) == pytest.approx(expected)
        expected = plain(right[1] - right[0], tasks)
        assert (found.change[i, 1], found.error[i, 1]) == pytest.approx(expected)
    assert np.isnan(found.change[:, [0, 2, 3]]).all()


def test_probes_are_standardised_by_the_error_of_the_base(probes):
    cell = category_profile(on_board(gum=probes)).sel(linguistic="gum", model="m")
    assert str(cell["standard"].item()) == SEEDS
    compressed = cell.sel(compressor="rtn-int4")
    np.testing.assert_allclose(compressed["change"], [-0.1, 0.0], atol=1e-12)
    # Over documents and seeds: its interval, not its spread over seeds (.02 and .01).
    unit = np.array([0.02, 0.04]) / 1.959963984540054
    np.testing.assert_allclose(compressed["spread"], unit)
    np.testing.assert_allclose(compressed["standardised"], [-0.1 / unit[0], 0.0], atol=1e-9)
    half = np.sqrt(2) * np.array([0.02, 0.04])
    np.testing.assert_allclose(compressed["change_high"] - compressed["change"], half)
    np.testing.assert_allclose(compressed["standardised_low"], (compressed["change"] - half) / unit)
    assert np.isnan(cell.sel(compressor="none")["change"]).all()


def test_kept_resamples_pair_a_change(probes):
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 0.02, (2, 500))
    own = rng.normal(0, 0.003, (4, 2, 500))
    draws = probes["category_score"].values[..., None] + shared + own
    known = probes.assign(category_draws=(("variant", "category", "draw"), draws))
    found = profile_of(known)
    at = [v for v, _ in enumerate(found.names) if np.isfinite(found.error[0, v])]
    assert at == [1]
    np.testing.assert_allclose(found.error[:, 1], (own[1] - own[0]).std(axis=1))
    assert (found.error[:, 1] < 0.4 * profile_of(probes).error[:, 1]).all()
    # A base that was scored before resamples were kept has none to subtract.
    draws[0] = np.nan
    known = probes.assign(category_draws=(("variant", "category", "draw"), draws))
    np.testing.assert_array_equal(profile_of(known).error, profile_of(probes).error)


def test_winning_rates_are_among_the_variants_of_the_board(probes):
    by_task = np.array([[0.9, 0.5, 0.1], [0.8, 0.5, 0.2], [0.1, 0.1, 0.3], [0.7, np.nan, 0.4]])
    known = probes.assign(score=(("variant", "task"), by_task)).assign_coords(
        task_category=("task", ["syntax", "syntax", "semantics"])
    )
    rate = category_profile(on_board(gum=known))["winning_rate"].sel(linguistic="gum")
    of = {(m, c): rate.sel(model=m, compressor=c) for m, c in NAMES}
    # three rivals in the first task, two and a tie in the second
    expected = {("m", "none"): (1 + 0.75) / 2, ("m", "rtn-int4"): (2 / 3 + 0.75) / 2}
    expected |= {("lonely", "rtn-int4"): 0.0, ("other", "none"): 1 / 3}
    for name, value in expected.items():
        assert float(of[name].sel(category="syntax")) == pytest.approx(value)
    ranks = [float(of[name].sel(category="semantics")) for name in NAMES]
    assert ranks == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert np.isnan(category_profile(on_board(gum=probes))["winning_rate"]).all()


def test_a_base_that_nothing_moves_gives_no_unit(probes):
    score = probes["category_score"]
    still = probes.assign(category_low=score, category_high=score)
    cell = category_profile(on_board(gum=still)).sel(model="m", compressor="rtn-int4")
    assert np.isnan(cell["standardised"]).all()
    assert np.isfinite(cell["change"]).all()


def test_a_variant_without_its_base_has_a_level_and_no_change(probes):
    cell = category_profile(on_board(gum=probes)).sel(model="lonely", compressor="rtn-int4")
    assert np.isfinite(cell["score"]).all()
    assert np.isnan(cell["change"]).all()


def test_benchmarks_stand_side_by_side_in_the_order_of_the_field(items, probes):
    discourse = probes.isel(category=[0]).assign_coords(category=["discourse"])
    found = category_profile(on_board(items=items, gum=probes, more=discourse))
    assert found["category"].values.tolist() == ["syntax", "semantics", "discourse"]
    assert found["linguistic"].values.tolist() == ["items", "gum", "more"]
    lacks = np.isnan(found["score"].sel(model="m", compressor="none"))
    assert lacks.values.tolist() == [
        [False, False, True],
        [False, False, True],
        [True, True, False],
    ]


def test_intervals_are_the_boards_own_where_it_has_them(items):
    dims = ("variant", "category")
    ends = {"category_low": np.full((4, 2), 0.1), "category_high": np.full((4, 2), 0.7)}
    stated = items.assign({n: (dims, v) for n, v in ends.items()}).assign_coords(
        category=["syntax", "semantics"]
    )
    found = profile_of(stated)
    assert (found.low == 0.1).all()
    assert (found.high == 0.7).all()


def test_what_falls_is_claimed_and_nothing_else():
    board = simulate(TRUTH)
    said = harness.answer(board, "profile")
    yes = [str(s) for s in said["subject"].values[said["verdict"].values == "yes"]]
    assert sorted(yes) == [f"rtn-int4 on {m}, pairs-00" for m in ("a-1", "a-2")]
    held = said["sentence"].values[said["verdict"].values == "yes"]
    assert all(str(s).startswith("syntax falls: yes") for s in held)
    assert said.sizes["claim"] == 2 * 2 * len(CATEGORIES)
    accuracy = board["linguistic/pairs-00"]["category_accuracy"].sel(category="syntax")
    change = float(accuracy.sel(variant="a-1+rtn-int4") - accuracy.sel(variant="a-1+none"))
    cell = said.sel(linguistic="pairs-00", model="a-1", compressor="rtn-int4", category="syntax")
    assert float(cell["change"]) == pytest.approx(change)
    assert float(cell["change_low"]) < change < float(cell["change_high"]) < 0


def test_where_nothing_falls_little_is_claimed():
    truth = dataclasses.replace(TRUTH, falls={})
    claimed = 0
    for seed in range(60):
        said = harness.answer(simulate(truth, seed), "profile")
        claimed += bool((said["verdict"] != "undecided").any())
    # Holm over 20 changes: at most one board in twenty.
    assert claimed <= binom.ppf(0.999, 60, 0.05)


def test_equal_answers_have_nothing_to_test(items):
    alike = np.tile(items["passed"].values[:1], (4, 1))
    same = items.assign(passed=(("variant", "item"), alike))
    said = harness.answer(on_board(items=same), "profile")
    assert said.sizes["claim"] == 0
    assert float(said["change"].sel(model="m", compressor="rtn-int4").max()) == 0


def test_what_is_missing_is_said():
    none = harness.answer(simulate(dataclasses.replace(TRUTH, linguistic=0)), "profile")
    assert none.sizes["claim"] == 0
    assert "no linguistic benchmark with categories" in str(none["missing"].values[0])
    board = on_board(bits=of_variants({"value": ("variant", np.ones(4))}))
    said = harness.answer(board, "profile")
    assert any("bits: the board has no categories" in str(m) for m in said["missing"].values)
    bases = simulate(dataclasses.replace(TRUTH, losses={}, falls={}))
    said = harness.answer(bases, "profile")
    assert any("no compressed variant beside its base" in str(m) for m in said["missing"].values)


def test_a_board_keeps_its_profile(tmp_path):
    board = with_profile(simulate(TRUTH))
    back = open_board(save_board(board, tmp_path / "board.nc"))
    xr.testing.assert_equal(back["profile"].to_dataset(), category_profile(board))
    without = simulate(dataclasses.replace(TRUTH, linguistic=0))
    assert "profile" not in with_profile(without).children


def test_a_run_puts_the_profile_on_its_board(planning, store):
    spec = BenchmarkSpec("pairs", target=f"{__name__}:Pairs", kind="linguistic", chance=0.5)
    board = carry_out(planning([spec]))[1]
    profile = board["profile"].to_dataset()
    assert profile["category"].values.tolist() == ["syntax"]
    assert profile["score"].sel(linguistic="pairs", compressor="none").item() in (0.0, 0.5, 1.0)


def test_the_page_asks_what_falls():
    html = claims_html(page_data(simulate(TRUTH), draws=50))
    assert 'id="answer-profile"' in html
    assert "syntax falls: yes" in html


class Pairs:
    """Two minimal pairs for any model."""

    def __new__(cls):
        from harness.probe.minimal_pairs import Pair
        from harness.probe.pair_benchmark import PairBenchmark

        class Two(PairBenchmark):
            stimuli = "two"
            pairs = (
                Pair("the dog runs", "the dog run", "agreement", "syntax", "1"),
                Pair("the dogs run", "the dogs runs", "agreement", "syntax", "2"),
            )

        return Two()
