"""What a page and a board show of the unique part, and of controls that reach the models."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr
from rich.console import Console
from simulated_boards import Truth, simulate

from harness.board.answers.alignment import detail
from harness.board.columns import beside_value
from harness.report.board_view import board_view
from harness.report.page_data import page_data
from harness.report.page_sections import benchmarks_html
from harness.report.unique_tables import unique_tables

TRUTH = Truth(
    {"a-1": ("a", 1e8, 0.25), "a-2": ("a", 1e9, 0.3)},
    {"rtn-int4": 0.01},
    parts=6,
    unique={"a-1": 0.02, "a-2": 0.06, "static:a-1": 0.01},
    unique_margin=0.01,
)


def shown(board, width=240):
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(board_view(board, width))
    return captured.get()


def test_columns_are_means_of_what_is_known_best():
    known = detail(simulate(TRUTH), "brain-00")
    beside = beside_value(known)
    wanted = known["unique_r2"].mean(["participant", "roi"])
    assert beside["unique"]["a-2+none"] == pytest.approx(float(wanted.sel(variant="a-2+none")))
    assert "unique_low" not in beside
    scalars = known.assign(unique=("variant", np.arange(known.sizes["variant"]) / 10.0))
    assert beside_value(scalars)["unique"]["a-2+none"] == pytest.approx(0.2)
    crossed = scalars.assign(
        unique_low=("variant", np.zeros(known.sizes["variant"])),
        unique_crossed_low=("variant", np.full(known.sizes["variant"], -1.0)),
    )
    assert set(beside_value(crossed)["unique_low"].values()) == {-1.0}
    assert beside_value(None) == {}


def test_the_board_is_headed_by_what_it_is_read_by_and_never_drops_it():
    board = simulate(TRUTH)
    assert "Pearson r; read by its unique R2" in shown(board).replace("\n", " ")
    assert "unique R2" in shown(board, 60).splitlines()[1]
    value = shown(simulate(dataclasses.replace(TRUTH, unique={})))
    assert "read by" not in value


def test_the_page_has_the_unique_part_in_its_data():
    data = page_data(simulate(TRUTH), draws=50)
    frame = data.tables["cells"]["brain-00"].set_index("variant")
    assert np.isfinite(frame["unique"]).all()
    assert data.headlines["brain-00"].label == "unique R2"
    assert {"difference", "unique"} <= set(data.answers["controls"].data_vars)


def test_a_table_by_region_marks_what_is_above_chance():
    known = detail(simulate(TRUTH), "brain-00")
    q = np.tile([0.01, 0.2, 0.04], (known.sizes["variant"], 1))
    html = unique_tables(known.assign(unique_roi_q=(("variant", "roi"), q)))
    row = html.split("<tr><td>a-2</td>")[1].split("</tr>")[0]
    assert row.count(" *") == 2
    assert "rtn-int4" not in html
    below = html.split("<tr><td>untrained:a-1#0</td>")[1].split("</tr>")[0]
    means = known["unique_r2"].sel(variant="untrained:a-1#0+none").mean("participant").values
    assert below.count(" *") == int((means[[0, 2]] > 0).sum())  # below 0 is no find
    assert unique_tables(known.drop_vars(["unique_r2", "fold_unique_r2"])) == ""
    assert unique_tables(None) == ""


def test_voxels_and_bands_have_tables_where_they_are_known():
    known = detail(simulate(TRUTH), "brain-00")
    n, people = known.sizes["variant"], known.sizes["participant"]
    owner = np.repeat(np.arange(people), 4)
    q = np.tile([0.01, 0.01, 0.2, 0.01], people)
    r2 = np.tile([0.1, 0.1, 0.1, -0.1], people)
    over = ("variant", "voxel")
    partition = np.broadcast_to(np.arange(2)[:, None, None], (n, 2, people, 3))
    known = known.assign(
        voxel_participant=("voxel", owner),
        voxel_unique_q=(over, np.tile(q, (n, 1))),
        voxel_unique_r2=(over, np.tile(r2, (n, 1))),
        partition=(("variant", "band", "participant", "roi"), partition / 100),
    ).assign_coords(band=["model", "<static>"])
    html = unique_tables(known)
    assert "50.0%" in html
    assert "&lt;static&gt;" in html
    assert "0.0100" in html


def test_a_control_that_reaches_the_headline_is_named_in_the_section():
    """In r the model is above its control; in what both add, it is not."""
    truth = dataclasses.replace(TRUTH, unique={"a-1": 0.02, "a-2": 0.02, "static:a-1": 0.02})
    board = simulate(truth)
    html = benchmarks_html(board, page_data(board, draws=50), {})
    section = html.split('id="benchmark-brain-00"')[1]
    assert "A CONTROL REACHES THE MODELS: static:a-1+none scores" in section
    assert "of unique R2, the best model" in section
    assert "read by" in section
    assert "0.02 of the value, 0.01 of the unique R2" in section
    apart = simulate(TRUTH)
    html = benchmarks_html(apart, page_data(apart, draws=50), {})
    assert "A CONTROL REACHES" not in html.split('id="benchmark-brain-00"')[1]


def test_an_older_board_has_none_of_it():
    board = simulate(dataclasses.replace(TRUTH, unique={}, parts=0))
    groups = {node.path: node.to_dataset(inherit=False) for node in board.subtree}
    groups["/benchmarks"] = groups["/benchmarks"].drop_vars(
        ["headline", "headline_reason", "margin_unique", "margin_normalised"]
    )
    older = xr.DataTree.from_dict(groups)
    data = page_data(older, draws=50)
    assert "its value" in benchmarks_html(older, data, {})
    assert "unique" not in data.tables["cells"]["brain-00"]
