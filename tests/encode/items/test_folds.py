"""Scores of items on each held-out stretch: what crossed intervals of answers are made of."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from harness.board.answers.measured import measured as read_measure
from harness.encode.design.options import EncodingOptions
from harness.encode.items.assembly import Assembly, score_assembly
from harness.spec.layout import REPLICATES
from harness.spec.measures import ScoreMeasure

ITEMS, FOLDS = 140, 5
OPTIONS = EncodingOptions(delays=(0,), n_outer=FOLDS, n_inner=3, gap=2, penalties=6)


@pytest.fixture
def problem() -> tuple[xr.DataArray, Assembly, np.ndarray]:
    """Two people of three and two neuroids, which follow the first unit of the model."""
    rng = np.random.default_rng(0)
    states = rng.normal(size=(ITEMS, 1, 3))
    length = rng.normal(size=ITEMS)
    values = states[:, 0, :1] + length[:, None] + 0.8 * rng.normal(size=(ITEMS, 5))
    names = np.array([f"item {i}" for i in range(ITEMS)], object)
    whole = np.full(ITEMS, "all", object)
    people = np.array(["b", "b", "b", "a", "a"], object)
    data = Assembly(values, names, names, whole, people, names)
    recording = xr.DataArray(states, dims=("sample", "layer", "unit"), coords={"layer": [0]})
    return recording, data, length


def test_their_mean_is_the_score_of_each_participant(problem) -> None:
    recording, data, length = problem
    score = score_assembly(recording, data, {"length": length}, OPTIONS)
    assert score["fold_r"].dims == ("fold", "participant")
    assert score["fold_r"].shape == (FOLDS, 2)
    for whole, parts in (("r_best", "fold_r"), ("unique_r2", "fold_unique_r2")):
        expected = score[whole].isel(part=0)
        np.testing.assert_allclose(score[parts].mean("fold"), expected, rtol=1e-12)
    assert (score["fold_r"].std("fold") > 0.01).all()


@pytest.mark.parametrize("measure", [ScoreMeasure.VALUE, ScoreMeasure.UNIQUE])
def test_answers_find_them(problem, measure: ScoreMeasure) -> None:
    recording, data, length = problem
    score = score_assembly(recording, data, {"length": length}, OPTIONS).expand_dims("variant")
    found = read_measure(score, REPLICATES[0], measure)
    assert found is not None
    assert found.folds is not None
    assert found.folds.sizes["fold"] == FOLDS


def test_several_experiments_have_none(problem) -> None:
    recording, data, length = problem
    half = np.repeat(np.array(["one", "two"], object), ITEMS // 2)
    two = Assembly(data.values, data.items, data.groups, half, data.participants, data.passages)
    score = score_assembly(recording, two, {"length": length}, OPTIONS)
    assert "fold_r" not in score
    assert "fold_unique_r2" not in score
