"""Size and width: where they differ together, a projected benchmark has to stand beside."""

from __future__ import annotations

import dataclasses

import numpy as np
import xarray as xr
from simulated_boards import Truth, simulate

import harness

TRUTH = Truth(
    {"a-1": ("a", 1e8, 0.25), "a-2": ("a", 1e9, 0.3)}, widths={"a-1": 576.0, "a-2": 2048.0}
)


def gaps(board, benchmarks=None):
    said = harness.answer(board, "saturation", benchmarks=benchmarks, draws=50)
    return [str(gap) for gap in said["missing"].values if "wide" in str(gap)]


def renamed(board, names):
    """Give the neural benchmarks of a board other names."""
    groups = {}
    for node in board.subtree:
        dataset, path = node.to_dataset(inherit=False), node.path
        for old, new in names.items():
            path = path.replace(f"/neural/{old}", f"/neural/{new}")
            if "benchmark" in dataset.coords:
                kept = [new if n == old else n for n in map(str, dataset["benchmark"].values)]
                dataset = dataset.assign_coords(benchmark=np.array(kept, object))
        groups[path] = dataset
    return xr.DataTree.from_dict(groups)


def test_widths_that_differ_are_told():
    (gap,) = gaps(simulate(TRUTH))
    assert "models of a are 576 to 2,048 units wide" in gap
    assert "brain-00:projected=576, which is not on the board" in gap


def test_a_projected_benchmark_beside_is_enough():
    two = simulate(dataclasses.replace(TRUTH, neural=2))
    assert len(gaps(two)) == 2
    beside = renamed(two, {"brain-01": "brain-00:delays=1-6;projected=576"})
    assert not gaps(beside)
    assert not gaps(beside, ["brain-00"])  # on the board, asked for or not
    without = renamed(two, {"brain-01": "brain-00:delays=1-6;projected=none"})
    assert len(gaps(without)) == 2


def test_models_as_wide_as_each_other_need_none_and_unknown_widths_are_told():
    assert not gaps(simulate(dataclasses.replace(TRUTH, widths={"a-1": 576.0, "a-2": 576.0})))
    (gap,) = gaps(simulate(dataclasses.replace(TRUTH, widths={})))
    assert "how wide models of a are is not on the board" in gap
