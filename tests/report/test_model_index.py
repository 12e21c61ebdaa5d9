"""Results as metadata of a model card, read back by a YAML parser."""

from __future__ import annotations

import pytest
import xarray as xr
import yaml
from simulated_boards import Truth, simulate

from harness.errors import SelectionError
from harness.report.model_index import model_index

TRUTH = Truth({"a-1": ("a", 1e8, 0.25)}, {"rtn-int4": 0.0}, linguistic=1)


@pytest.fixture
def board() -> xr.DataTree:
    return simulate(TRUTH)


def test_every_score_is_a_result_with_its_interval(board: xr.DataTree) -> None:
    said = model_index(board, "a-1+rtn-int4")
    assert said.startswith("---\n")
    assert said.endswith("\n---")
    (entry,) = yaml.safe_load(said.strip("-"))["model-index"]
    assert entry["name"] == "a-1+rtn-int4"
    cells = board["cells"].to_dataset().sel(model="a-1", compressor="rtn-int4")
    assert [r["dataset"]["type"] for r in entry["results"]] == list(cells["benchmark"].values)
    for result in entry["results"]:
        cell = cells.sel(benchmark=result["dataset"]["type"])
        found = {metric["type"]: metric["value"] for metric in result["metrics"]}
        for name, value in found.items():
            assert value == pytest.approx(float(cell[name]), rel=1e-5)
        assert "value" in found
        assert result["source"]["url"] == f"brainpress:{cell['key'].item()}"


def test_a_name_from_a_stranger_is_a_string(board: xr.DataTree) -> None:
    hostile = 'x: {"a": !!python/object:os.system}\n- name: other'
    groups = {path: node.to_dataset() for path, node in board.subtree_with_keys}
    names = groups["benchmarks"]["benchmark"].values
    renamed = [hostile, *names[1:]]
    for path, group in groups.items():
        if "benchmark" in group.dims:
            groups[path] = group.assign_coords(benchmark=("benchmark", renamed))
    said = model_index(xr.DataTree.from_dict(groups), "a-1")
    (entry,) = yaml.safe_load(said.strip("-"))["model-index"]
    assert entry["results"][0]["dataset"]["type"] == hostile


def test_a_variant_that_is_not_there(board: xr.DataTree) -> None:
    with pytest.raises(SelectionError, match="no model on the board is called 'a-2'"):
        model_index(board, "a-2")
    with pytest.raises(SelectionError, match="did you mean rtn-int4"):
        model_index(board, "a-1+rtn-int5")
