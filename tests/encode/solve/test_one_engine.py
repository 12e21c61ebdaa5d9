"""One engine: the same numbers as the first implementation, and as himalaya."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from encode_oracles.layers import encode_layers as first_layers

from harness.encode.design.options import EncodingOptions, Metric, Solver
from harness.encode.design.result import EncodingResult
from harness.encode.design.splits import held_out_run
from harness.encode.solve.layers import encode_layers

OPTIONS = EncodingOptions(
    delays=(0, 1), n_outer=3, n_inner=3, gap=2, penalties=6, nuisance_penalties=4
)
BY_TARGET = ("r", "r2", "inner_score", "penalty", "r_best", "r2_best", "fold_r", "fold_r_best")
PEOPLE = list("aabbccddeeff")


def simulated(n: int, units: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Layers, responses driven by one of them, by nuisance or by nothing, nuisance, runs."""
    rng = np.random.default_rng([n, units])
    x, beside = rng.normal(size=(n, 3, units)), rng.normal(size=(n, 3))
    y = rng.normal(size=(n, 12))
    y[:, :6] += x[:, 1] @ rng.normal(size=(units, 6)) * 2 / units**0.5
    y[:, 3:9] += beside @ rng.normal(size=(3, 6))
    return x, y, beside, np.repeat([0, 1], [n // 2, n - n // 2])


def assert_same(ours: EncodingResult, theirs: EncodingResult, tolerance: float) -> None:
    for name in BY_TARGET:
        a, b = getattr(ours, name), getattr(theirs, name)
        np.testing.assert_allclose(a, b, atol=tolerance, rtol=1e-9, err_msg=name)
    np.testing.assert_array_equal(ours.chosen, theirs.chosen)
    np.testing.assert_allclose(ours.predictions, theirs.predictions, atol=1e-5)
    assert ours.nuisance is not None
    assert theirs.nuisance is not None
    for name, values in vars(theirs.nuisance).items():
        found = getattr(ours.nuisance, name)
        np.testing.assert_allclose(found, values, atol=tolerance, rtol=0, err_msg=name)
    assert 0 < ours.nuisance.with_model.mean() < 1


@pytest.mark.parametrize("metric", [m for m in Metric if not m.compares])
@pytest.mark.parametrize(("n", "units"), [(160, 8), (160, 90), (90, 90)])
def test_the_same_as_the_first_implementation(n: int, units: int, metric: Metric) -> None:
    x, y, beside, runs = simulated(n, units)
    options = replace(OPTIONS, metric=metric)
    ours, first = (
        scored(x, y, runs, options=options, nuisance=beside, target_groups=PEOPLE)
        for scored in (encode_layers, first_layers)
    )
    assert_same(ours, first, 1e-9)
    np.testing.assert_array_equal(ours.grid_ends, first.grid_ends)
    assert ours.warnings == first.warnings


def test_prescribed_folds() -> None:
    x, y, beside, runs = simulated(160, 20)
    ours, first = (
        scored(x, y, runs, options=OPTIONS, nuisance=beside, folds=held_out_run(runs, 1))
        for scored in (encode_layers, first_layers)
    )
    assert_same(ours, first, 1e-9)


@pytest.mark.parametrize("metric", [m for m in Metric if not m.compares])
@pytest.mark.parametrize("units", [8, 40])
def test_himalaya_finds_the_same(units: int, metric: Metric) -> None:
    x, y, beside, runs = simulated(120, units)
    ours, theirs = (
        encode_layers(
            x,
            y,
            runs,
            options=replace(OPTIONS, metric=metric, solver=solver),
            nuisance=beside,
            target_groups=PEOPLE,
        )
        for solver in Solver
    )
    assert_same(ours, theirs, 1e-8)
