"""The smallest model and the fewest bytes, on boards whose truth is known."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.stats
from simulated_boards import Truth, simulate

import harness

TRUTH = Truth(
    {"small": ("a", 1e8, 0.245), "big": ("a", 1e9, 0.25), "tiny": ("b", 1e6, 0.10)},
    {"rtn-int4": 0.0, "magnitude-50": 0.08},
    falls={"rtn-int4": {"syntax": 0.3}},
    linguistic=1,
    noise=0.01,
)


def asked(truth=TRUTH, seed=0, **options):
    return harness.answer(simulate(truth, seed), "smallest", draws=100, **options)


def sentences(said):
    return {
        str(s): (str(v), str(w))
        for w, s, v in zip(
            said["subject"].values, said["sentence"].values, said["verdict"].values, strict=True
        )
    }


def test_the_smallest_model_and_the_fewest_bytes_are_named():
    said = asked().sel(benchmark="brain-00")
    assert said["best"].item() in ("small+none", "big+none")
    assert said["smallest_model"].item() == "small+none"
    assert said["fewest_bytes"].item() == "small+rtn-int4"
    standing = said["standing"]
    assert standing.sel(model="tiny", compressor="none").item() == "worse"
    assert standing.sel(model="small", compressor="magnitude-50").item() == "worse"
    found = " ".join(asked()["sentence"].values)
    assert "smallest model: small (100 M, 191 MiB)" in found
    assert "equals big (1 B" in found
    assert "smallest detectable difference" in found


def test_its_tests_are_t_tests_on_participants():
    board = simulate(TRUTH)
    said = harness.answer(board, "smallest", draws=10).isel(benchmark=0)
    model, compressor = said["best"].item().split("+")
    known = board["neural/brain-00"].to_dataset()
    scores = known["r_best"].mean("roi")
    names = list(zip(known["model"].values, known["compressor"].values, strict=True))

    def each(m, c):
        values = scores.isel(variant=names.index((m, c)))
        return np.asarray(values.values, np.float64).ravel()

    best = each(model, compressor)
    other = "small" if model == "big" else "big"
    change = each(other, "none") - best
    row = said.sel(model=other, compressor="none")
    assert float(row["difference"]) == pytest.approx(change.mean())
    t = (change.mean() + np.array([0.02, -0.02])) / scipy.stats.sem(change)
    p = max(scipy.stats.t.sf(t[0], 19), scipy.stats.t.cdf(t[1], 19))
    # Of the smaller model nothing is adjusted; a larger one is no part of the row.
    assert float(row["p_equivalence"]) == pytest.approx(p, rel=1e-9)
    half = scipy.stats.t.ppf(0.95, 19) * scipy.stats.sem(change)
    assert float(row["high90"]) == pytest.approx(change.mean() + half)


def test_a_broken_row_names_no_model_below_it():
    truth = dataclasses.replace(
        TRUTH,
        models={"a": ("a", 1e9, 0.3), "b": ("a", 1e8, 0.1), "c": ("a", 1e7, 0.3)},
        losses={},
    )
    for seed in range(3):
        said = asked(truth, seed).isel(benchmark=0)
        if said["best"].item() == "a+none":
            assert said["smallest_model"].item() == "a+none"
            assert said["standing"].sel(model="c", compressor="none").item() == "undecided"


def test_what_is_lost_of_language_is_told():
    found = sentences(asked())
    lost = [
        s
        for s in found
        if s.startswith("loses language against the best on 1 of 1 benchmarks: pairs-00")
    ]
    assert lost
    assert found[lost[0]][0] == "yes"
    keeps = dataclasses.replace(TRUTH, falls={})
    assert any("nothing is shown" in s for s in sentences(asked(keeps)))


def test_controls_and_nuisance_stand_beside_it():
    unique = dataclasses.replace(TRUTH, unique={"small": 0.0, "big": 0.0, "tiny": 0.0})
    found = sentences(asked(unique, measure="value"))
    assert any(s.startswith("beats its controls: ") for s in found)
    told = [s for s in found if s.startswith("adds to the nuisance regressors: ")]
    assert told
    assert all("unique R2" in s for s in told)


def test_without_a_margin_it_says_so():
    said = asked(dataclasses.replace(TRUTH, margin=math.nan))
    assert said["smallest_model"].item() == ""
    assert any("no margin is stated" in s for s in said["sentence"].values)
    assert set(said["verdict"].values[:1]) == {"undecided"}


def test_a_board_of_one_variant_says_what_is_missing():
    said = asked(Truth({"a": ("a", 1e8, 0.2)}))
    assert any("two variants" in gap for gap in said["missing"].values)
    few = asked()["missing"].values
    assert any("3 models; how small is enough needs more sizes" in gap for gap in few)


def test_too_small_a_model_is_seldom_named():
    """Where the smaller loses as much as the margin, it is called equal in 5 % of boards."""
    truth = Truth({"small": ("a", 1e8, 0.23), "big": ("a", 1e9, 0.25)}, noise=0.02, controls=False)
    named = [asked(truth, seed)["smallest_model"].item() == "small+none" for seed in range(60)]
    assert np.mean(named) <= 0.12


def test_what_the_data_cannot_tell_names_no_smallest_model():
    """Much noise: a smaller model is neither equal nor worse, and the best is no answer."""
    truth = dataclasses.replace(
        TRUTH, models={"a": ("a", 1e9, 0.3), "b": ("a", 1e8, 0.28)}, losses={}, noise=0.15
    )
    said = asked(truth)
    own = said.isel(benchmark=0)
    assert set(own["standing"].values.ravel()) - {""} == {"best", "undecided"}
    assert own["smallest_model"].item() == own["fewest_bytes"].item() == ""
    sentence = str(said["sentence"].values[0])
    assert "not told by these data: 1 variant is below the best, a (1 B, 1,907 MiB)" in sentence
    assert "neither shown to equal it nor to differ; nearest: b" in sentence
    assert str(said["verdict"].values[0]) == "undecided"
