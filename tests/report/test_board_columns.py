"""Categories of a board in the terminal, whatever kind of benchmark has them."""

import io

import numpy as np
import pytest
import xarray as xr
from rich.console import Console
from simulated_boards import Truth, simulate

from harness.report.board_view import board_view
from harness.runner.status import NOT_ASKED

TRUTH = Truth({"a-1": ("a", 1e8, 0.25)}, {"rtn-int4": 0.0}, linguistic=1)


def shown(board, width=200):
    console = Console(width=width, record=True, file=None)
    with console.capture() as capture:
        console.print(board_view(board, width))
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


def test_what_nobody_has_scored_is_counted_and_not_listed():
    board = simulate(TRUTH)
    cells = board["cells"].to_dataset()
    cells["status"].loc[{"model": "a-1", "compressor": "rtn-int4", "benchmark": "pairs-00"}] = (
        "to do"
    )
    before, after = shown(board).split("pairs-00")
    row = "a-1              rtn-int4"
    assert "no result yet" not in before
    assert f"\n{row}" in before
    assert f"\n{row}" not in after
    assert "no result yet: 1 of" in after
    cells["reason"].loc[{"model": "a-1", "compressor": "rtn-int4", "benchmark": "pairs-00"}] = (
        NOT_ASKED
    )
    _, unasked = shown(board).split("pairs-00")
    assert f"\n{row}" not in unasked
    assert "no result yet" not in unasked


def test_a_title_is_not_broken_at_the_width_of_its_table():
    board = simulate(TRUTH)
    metric = "what the value of this benchmark is, in rather many words, all on one line"
    about = board["benchmarks"].to_dataset()
    board["benchmarks"].dataset = about.assign(
        metric=("benchmark", [metric] * about.sizes["benchmark"])
    )
    assert sum(metric in line for line in shown(board, 120).splitlines()) == 2


def test_speed_and_verification_are_columns_where_they_are_known():
    board = simulate(TRUTH)
    assert "tokens/s" not in shown(board)
    assert "verified" not in shown(board)
    sizes, cells = board["compression"].to_dataset(), board["cells"].to_dataset()
    speed = sizes["bits_per_weight"] * 0 + 1234
    board["compression"].dataset = sizes.assign(tokens_per_second=speed)
    board["cells"].dataset = cells.assign(
        verified=cells["status"].copy(data=np.full(cells["status"].shape, "unverified", object))
    )
    assert "1234" in shown(board)
    assert "unverified" in shown(board)


@pytest.mark.parametrize("width", [24, 40, 60])
def test_a_narrow_terminal_shows_the_value(width):
    """Names go over several lines before the value is left out."""
    truth = Truth({"a-model-of-thirty-two-characters": ("a", 1e8, 0.2)}, {"rtn-int4": 0.0})
    board = simulate(truth)
    stream = io.StringIO()
    Console(file=stream, width=width).print(board_view(board, width))
    said = stream.getvalue()
    values = board["cells"]["value"].values.ravel()
    for value in values[np.isfinite(values)]:
        assert f"{value:.3f}" in said
    assert max(map(len, said.splitlines())) <= width
