"""Categories of a board in the terminal, whatever kind of benchmark has them."""

import numpy as np
import pytest
import xarray as xr
from rich.console import Console
from simulated_boards import Truth, simulate

from harness.report.board_view import board_view

TRUTH = Truth({"a-1": ("a", 1e8, 0.25)}, {"rtn-int4": 0.0}, linguistic=1)


def shown(board):
    console = Console(width=200, record=True, file=None)
    with console.capture() as capture:
        console.print(board_view(board, 200))
    return capture.get()


@pytest.mark.parametrize("variable", ["category_accuracy", "category_score"])
def test_categories_of_pairs_and_of_probes_are_columns(variable):
    board = simulate(TRUTH)
    detail = board["linguistic/pairs-00"].to_dataset()
    numbers = np.linspace(0.111, 0.888, detail["category_accuracy"].size)
    values = numbers.reshape(detail["category_accuracy"].shape)
    changed = detail.drop_vars("category_accuracy").assign(
        {variable: (detail["category_accuracy"].dims, values)}
    )
    groups = {path: node.to_dataset() for path, node in board.subtree_with_keys}
    said = shown(xr.DataTree.from_dict(groups | {"linguistic/pairs-00": changed}))
    for category in detail["category"].values:
        assert str(category) in said
    assert all(f"{number:.3f}" in said for number in numbers)
