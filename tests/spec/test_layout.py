"""The layout of a score: what is found, what is refused, and that the documentation agrees."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from simulated_boards import Truth, simulate

from harness.probe.minimal_pairs import Pair, score_pairs
from harness.spec.layout import (
    COUNTED,
    MEANS,
    REPLICATES,
    VARIABLES,
    faults,
    found_by_answers,
    headline,
    mean_of,
    table,
    variable,
)

NUMBERS = {"value": 0.2, "low": 0.1, "high": 0.3}


def test_the_documentation_holds_the_layout_as_it_is():
    page = Path(__file__).parents[2] / "docs" / "your-data.md"
    assert table() in page.read_text(encoding="utf-8")


def test_every_name_that_is_tested_or_averaged_stands_in_the_layout():
    names = {*MEANS, *(r.variable for r in REPLICATES), *(c.variable for c in COUNTED)}
    assert {name for name in names if variable(name) is None} == set()
    assert len({v.name for v in VARIABLES}) == len(VARIABLES)


def test_means_weigh_participants_alike_and_leave_nan_out():
    score = xr.Dataset({"r_best": (("part", "participant"), [[0.1, np.nan], [0.3, 0.6]])})
    assert mean_of(score, headline(score)) == pytest.approx((0.2 + 0.6) / 2)


@pytest.mark.parametrize(
    ("arrays", "kind", "said"),
    [
        ({}, "neural", ""),
        ({"r_best": ("participant", [0.1, 0.3])}, "neural", ""),
        ({"r_best": ("participant", [0.1, 0.3]), "mine": ("hour", [1.0])}, "neural", ""),
        ({"gain": ("participant", [0.1, 0.3])}, "behavioural", "gain is over"),
        ({"mine": ("hour", [0.1, 0.3])}, "behavioural", "no answer would find"),
        ({"bits": ("document", [0.1, 0.3])}, "linguistic", ""),
        ({"mine": ("item", [0.1, 0.3])}, "linguistic", "no answer would find"),
        ({"accuracy": ("task", [0.3, 0.3])}, "linguistic", "not the mean of accuracy"),
        ({"low": 0.5}, "neural", "does not contain"),
        ({"value": np.nan}, "neural", "does not contain"),
        ({"value": ("hour", [0.2])}, "neural", "no single number 'value'"),
    ],
)
def test_faults(arrays, kind, said):
    found = [what for what, _ in faults(xr.Dataset(NUMBERS | arrays), kind)]
    assert bool(found) == bool(said), found
    assert said in " ".join(found)


def test_scores_of_boards_and_engines_keep_to_the_layout():
    pairs = [Pair("a b", "b a", "order", "syntax", str(i)) for i in range(4)]
    recording = xr.DataArray(np.arange(8.0).reshape(8, 1, 1), dims=("sample", "layer", "unit"))
    score = score_pairs(pairs, recording)
    assert list(faults(score, "linguistic")) == []
    assert found_by_answers(score) == "margin"
    board = simulate(Truth({"a-1": ("a", 1e8, 0.2)}, linguistic=1))
    assert found_by_answers(board["neural/brain-00"].to_dataset()) == "r_best"
    assert headline(board["linguistic/pairs-00"].to_dataset()).name == "accuracy"
