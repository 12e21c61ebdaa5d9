"""The page's text; what a browser makes of it is in test_page_browser.py."""

import itertools
import json
import re
from html import escape

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from simulated_boards import Truth, simulate

pytest.importorskip("altair", reason="needs the extra `report`")
pytest.importorskip("vl_convert", reason="needs the extra `report`")

import harness
from harness.board.files import save_board
from harness.errors import SelectionError
from harness.report.charts import FIGURES, taken
from harness.report.front_table import front_table
from harness.report.page import page_html, write_page
from harness.report.page_data import page_data
from harness.report.page_files import figure_rows, safe_name, write_figures
from harness.report.page_frame import Page
from harness.spec.measures import ScoreMeasure

EVIL = "<img src=x onerror=alert(1)></script><script>alert(2)</script>&\"'"
TRUTH = Truth(
    {"a-1": ("a", 1e8, 0.2), "a-2": ("a", 1e9, 0.25), EVIL: (EVIL, 2e9, 0.25)},
    {"rtn-int4": 0.0, "awq-int4": 0.05},
    falls={"rtn-int4": {"syntax": 0.2}},
    linguistic=1,
    noise=0.01,
)


@pytest.fixture(scope="module")
def board():
    board = simulate(TRUTH)
    benchmarks = board["benchmarks"].to_dataset()
    notes = np.array([EVIL, "fine"], object)
    board["benchmarks"].dataset = benchmarks.assign(notes=("benchmark", notes))
    return board


@pytest.fixture(scope="module")
def data(board):
    return page_data(board, draws=100)


@pytest.fixture(scope="module")
def html(board, data):
    return page_html(board, data, Page(title=EVIL))


def parsed(html, name):
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', html, re.S)
    return json.loads(found.group(1))


def test_the_page_opens_on_brains(board):
    """By name the first would be another kind, or simulated."""
    groups = {path: node.to_dataset() for path, node in board.subtree_with_keys}
    about = groups["benchmarks"]
    names = {"brain-00": "z-brain", "pairs-00": "a-pairs"}
    fresh = [names[str(n)] for n in about["benchmark"].values]
    for group in ("benchmarks", "cells"):
        groups[group] = groups[group].assign_coords(benchmark=np.array(fresh, object))
    groups["neural/z-brain"] = groups.pop("neural/brain-00")
    groups["linguistic/a-pairs"] = groups.pop("linguistic/pairs-00")
    renamed = xr.DataTree.from_dict(groups)
    assert page_data(renamed, draws=10).benchmarks == ("z-brain", "a-pairs")


def test_regions_of_voxel_scores_are_drawn_with_their_ceilings(board, data):
    groups = {path: node.to_dataset() for path, node in board.subtree_with_keys}
    regions = groups["neural/brain-00"]
    groups["neural/brain-00"] = regions.drop_vars(["r_best", "ceiling_loo"]).assign(
        participant_value=regions["r_best"].mean("roi"),
        r_roi=regions["r_best"],
        ceiling_roi=regions["ceiling_loo"],
    )
    found = page_data(xr.DataTree.from_dict(groups), draws=10).tables["rois"]["brain-00"]
    pd.testing.assert_frame_equal(found, data.tables["rois"]["brain-00"])
    np.testing.assert_allclose(found["ceiling"], 0.3)


def test_ceilings_of_regions_are_of_repeats_where_there_are_any(board):
    groups = {path: node.to_dataset() for path, node in board.subtree_with_keys}
    regions = groups["neural/brain-00"]
    repeats = regions["ceiling_loo"] + 0.1
    repeats.loc[{"roi": regions["roi"][0]}] = np.nan
    groups["neural/brain-00"] = regions.assign(ceiling_repeats=repeats)
    found = page_data(xr.DataTree.from_dict(groups), draws=10).tables["rois"]["brain-00"]
    lacks = found["roi"] == str(regions["roi"].values[0])
    np.testing.assert_allclose(found["ceiling"][~lacks], 0.4)
    np.testing.assert_allclose(found["ceiling"][lacks], 0.3)


def test_controls_are_not_counted_as_models(html, board):
    control = board["models"]["control"].values
    n, others = int((control == "").sum()), int((control != "").sum())
    assert n > 0 < others
    said = f"{n} models and {others} control{'s' * (others > 1)},\n2 compressors"
    assert said in html


def test_nothing_is_asked_of_the_network(html):
    outside = re.sub(r"<script>.*?</script>", "", html, flags=re.S)
    # A link is followed by whoever clicks it; nothing else names an address.
    links = re.sub(r'<a href="https://[^"]*" rel="nofollow noopener noreferrer">', "", outside)
    assert not re.search(r"(src|href)=[\"'](https?:)?//", links)
    assert "default-src &#x27;none&#x27;" in html
    assert "unsafe-eval" not in html
    assert "script-src &#x27;unsafe-inline" not in html


def test_texts_are_escaped(html):
    assert "<img src=x" not in html
    assert "<script>alert" not in html
    assert parsed(html, "about")["families"] == [EVIL, "a"]


def test_the_data_are_the_boards(html, board):
    table = parsed(html, "data-cells-0")
    at = [
        (table["model"]["levels"][m], table["compressor"]["levels"][c])
        for m, c in zip(table["model"]["codes"], table["compressor"]["codes"], strict=True)
    ]
    values = dict(zip(at, table["value"], strict=True))
    cells = board["cells"]["value"].sel(benchmark="brain-00")
    for (model, compressor), value in values.items():
        assert value == pytest.approx(float(cells.sel(model=model, compressor=compressor)), 1e-3)
    assert len(values) == int(np.isfinite(cells).sum())
    assert table["value"] == sorted(table["value"], reverse=True)


def test_sections_say_what_is_known(html):
    for text in ("<dt>notes</dt>", "CC0-1.0", "B. Author (2026)", "simulated data", "MIT"):
        assert text in html
    assert "the best model" in html
    assert "A CONTROL REACHES" not in html


def test_a_control_that_reaches_the_models_is_told(board):
    flat = simulate(Truth({"a-1": ("a", 1e8, 0.0)}, noise=0.02))
    assert "A CONTROL REACHES THE MODELS" in page_html(flat, page_data(flat, draws=50), Page())


def test_brain_maps_are_in_the_page(board, data, tmp_path):
    (tmp_path / "r2-left.png").write_bytes(b"\x89PNG not really")
    html = page_html(board, data, Page(maps={"brain-00": [tmp_path / "r2-left.png"]}))
    assert 'src="data:image/png;base64,iVBORyBub3QgcmVhbGx5"' in html or "data:image/png" in html
    assert "brain map: r2 left, brain-00" in html


def test_the_same_board_gives_the_same_page(board, html):
    assert page_html(board, page_data(board, draws=100), Page(title=EVIL)) == html


def test_figures_are_files_of_each_format(data, tmp_path):
    written = list(write_figures(data, tmp_path, ("svg", "png", "pdf")))
    assert len(written) == len(set(written))
    for figure in ("ranking", "size", "robustness", "dissociation", "layers", "rois"):
        place = tmp_path / "brain-00" / figure
        assert place.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
        assert place.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        svg = place.with_suffix(".svg").read_text()
        marks = re.findall(r'aria-roledescription="[^"]*mark container"|class="mark-', svg)
        assert marks, figure
        assert len(place.with_suffix(".csv").read_text().splitlines()) > 2


def test_names_cannot_leave_the_folder():
    assert "/" not in safe_name("../../etc")
    assert ".." not in safe_name("..")


def test_a_board_that_supports_nothing_still_has_a_page(tmp_path):
    bare = simulate(Truth({"a-1": ("a", 1e8, 0.2)}, controls=False, participants=1))
    html = write_page(bare, tmp_path / "page.html", page_data(bare, draws=20)).read_text()
    assert "Cannot be told." in html
    assert "one participant" in html
    with pytest.raises(SelectionError):
        page_data(bare, ["nothing"])


def test_a_board_from_disk_gives_the_same_tables(board, data, tmp_path):
    from harness.board.files import open_board

    back = page_data(open_board(save_board(board, tmp_path / "board.nc")), draws=100)
    for name, tables in data.tables.items():
        assert set(tables) == set(back.tables[name])
        for benchmark, frame in tables.items():
            for column in frame.columns:
                left, right = frame[column].to_numpy(), back.tables[name][benchmark][column]
                assert list(left.astype(str)) == list(right.to_numpy().astype(str))


def test_figures_that_cannot_hold_all_take_the_best_of_each_kind():
    groups = {
        "base": ["b1", "b2", "b3"],
        "compressed": ["c1", "c2", "c3", "c4", "c5", "c6"],
        "untrained": ["u1", "u2"],
        "static": ["s1"],
    }
    assert taken(groups, 8) == ["b1", "c1", "u1", "c2", "s1", "c3", "b2", "c4"]
    assert taken(groups, 3) == ["b1", "c1", "u1"]
    assert sorted(taken(groups, 40)) == sorted(itertools.chain(*groups.values()))
    assert taken({"base": ["b1"]}, 8) == ["b1"]
    assert taken({}, 8) == []


def test_regions_and_layers_are_drawn_with_controls(data):
    for name in ("rois", "layers"):
        (figure,) = [f for f in FIGURES if f.name == name]
        for benchmark in data.benchmarks:
            rows = figure_rows(data, figure, benchmark)
            if not len(rows):
                continue
            cells = data.tables["cells"][benchmark].set_index("variant")
            drawn = cells.loc[cells.index.isin(rows["variant"])]
            assert len(drawn) <= figure.most
            assert set(drawn["group"]) == set(cells["group"])
            assert cells["value"].idxmax() in drawn.index


def test_categories_are_drawn_of_linguistic_benchmarks(data, tmp_path):
    table = data.tables["categories"]["pairs-00"]
    assert "brain-00" not in data.tables["categories"]
    base = table[table["compressor"] == "none"]
    assert base["change"].isna().all()
    taken_away = table[table["variant"] == "a-1+rtn-int4"].set_index("category")["change"]
    assert taken_away["syntax"] < -0.1
    means = table.groupby("variant", sort=False)["score"].mean()
    assert means.is_monotonic_decreasing
    assert (tmp_path / "pairs-00" / "categories.svg") in list(
        write_figures(data, tmp_path, ("svg",))
    )


def test_what_was_not_weighed_has_sixteen_bits_a_weight(board, data):
    bytes_packed = board["compression"].to_dataset()["bytes_packed"]
    for row in data.tables["cells"]["brain-00"].itertuples():
        known = float(bytes_packed.sel(model=row.model, compressor=row.compressor))
        expected = known if np.isfinite(known) else 2 * row.parameters
        assert row.mebibytes == pytest.approx(expected / 2**20)


@pytest.mark.parametrize("lower", [True, False])
def test_the_best_comes_first_whichever_end_is_better(board, lower):
    groups = {path: node.to_dataset() for path, node in board.subtree_with_keys}
    metric = np.array(["bits per byte, lower is better" if lower else "r", "accuracy"], object)
    groups["benchmarks"] = groups["benchmarks"].assign(metric=("benchmark", metric))
    turned = xr.DataTree.from_dict(groups)
    found = page_data(turned, draws=10)
    values = found.tables["cells"]["brain-00"]["value"].tolist()
    assert values == sorted(values, reverse=not lower)
    assert parsed(page_html(turned, found, Page()), "about")["benchmarks"][0]["lower"] is lower
    # Alignment of controls is near 0: where that is the better end, they reach the models.
    assert ("A CONTROL REACHES" in page_html(turned, found, Page())) is lower


def test_most_claims_wait_for_a_click(html):
    shown = re.split(r"<details><summary>\d+ more", html.split('id="answer-profile"')[1])[0]
    assert 0 < shown.count("<li>") <= 12


def test_a_ceiling_far_above_is_told_and_leaves_room_for_the_values(board, data):
    """Values of a seventh of their ceiling would stand on the axis."""
    about = board["benchmarks"].to_dataset().sel(benchmark="brain-00")
    cells = data.tables["cells"]["brain-00"]

    def ceilings(height):
        found = front_table(
            cells.assign(ceiling=height), ScoreMeasure.VALUE, about, None, lower=False
        )
        return found[found["label"].str.startswith("ceiling")]["kind"].tolist()

    assert ceilings(0.3) == ["line"]
    assert ceilings(3.0) == ["above"]


def test_the_front_is_of_models_and_its_lines_are_of_controls(data):
    found = data.tables["front"]["brain-00"]
    variants = found[found["variant"] != ""]
    assert not variants["variant"].str.startswith(("static:", "untrained:")).any()
    on = variants[variants["front"] == 1]
    for row in variants.itertuples():
        at_most = variants[variants["mebibytes"] <= row.mebibytes]
        assert (row.score >= at_most["score"].max()) == (row.variant in set(on["variant"]))
    lines = found[(found["kind"] == "line") & found["score"].notna()]
    cells = data.tables["cells"]["brain-00"].groupby("group")["value"].mean()
    for kind in ("static", "untrained"):
        (own,) = lines[lines["label"].str.startswith(kind)]["score"]
        assert own == pytest.approx(cells[kind])


def test_the_answer_on_top_is_that_of_the_command(html, board, data):
    said = harness.answer(board, "smallest", draws=100)
    top = html.split('<h2 id="table">')[0]
    for sentence in said["sentence"].values:
        assert escape(str(sentence)) in top
    for question, answer in data.answers.items():
        again = harness.answer(board, question, draws=100)
        assert list(again["sentence"].values) == list(answer["sentence"].values)


def test_every_claim_is_the_commands_on_the_real_board():
    """Whatever the board holds: sentence, verdict and subject."""
    from pathlib import Path

    from harness.board.files import open_board

    board = open_board(Path(__file__).parents[2] / "leaderboard" / "board.nc")
    data = page_data(board)
    html = page_html(board, data, Page())
    parts = re.split(r'<h3 id="answer-(\w+)">', html.split('<h2 id="benchmarks">')[0])[1:]
    shown = dict(zip(parts[::2], parts[1::2], strict=True))
    for question in data.answers:
        claims = re.findall(
            r'<li><span class="mark (\w+)".*?<b>(.*?)</b>: (.*?)</li>', shown[question]
        )
        said = harness.answer(board, question)
        columns = (said[name].values for name in ("verdict", "subject", "sentence"))
        whole = {tuple(escape(str(v)) for v in row) for row in zip(*columns, strict=True)}
        assert claims
        assert set(claims) <= whole, question


def test_a_part_of_the_benchmarks_has_a_page(board):
    found = page_data(board, ["brain-00"], draws=20)
    assert set(found.tables["cells"]) == {"brain-00"}


def test_a_notice_is_text_on_top():
    board = simulate(TRUTH)
    data = page_data(board, draws=50)
    said = page_html(board, data, Page(notice="<b>old</b> entries"))
    at = said.index('class="notice"')
    assert said.index("<h1>") < at < said.index('id="answer"')
    assert "&lt;b&gt;old&lt;/b&gt; entries" in said
    assert "<b>old" not in said
    assert 'class="notice"' not in page_html(board, data, Page())


def test_draws_of_a_calibration_text_stand_with_their_common_change():
    drawn = {f"gptq-int4#{seed}": 0.01 * seed for seed in range(3)}
    board = simulate(Truth({"m-1": ("m", 1e8, 0.25)}, {**drawn, "rtn-int4": 0.0}, noise=0.01))
    rows = page_data(board, draws=20).tables["cells"]["brain-00"].set_index("compressor")
    said = harness.answer(board, "robustness", benchmarks="brain-00")
    tested = said.sel(model="m-1", compressor="gptq-int4").isel(benchmark=0)
    for name in drawn:
        assert rows.loc[name, "change"] == pytest.approx(float(tested["difference"]))
        assert rows.loc[name, "change_low"] == pytest.approx(float(tested["low90"]))
        assert rows.loc[name, "outcome"] == str(tested["outcome"].item())


def test_a_change_that_was_not_tested_is_not_told_in_another_unit(board):
    """A benchmark that is read by its unique part has no change in r beside those of R2."""
    groups = {path: node.to_dataset() for path, node in board.subtree_with_keys}
    regions = groups["neural/brain-00"]
    unique = regions["r_best"] ** 2
    lacking = [v for v in regions["variant"].values if "rtn" in str(v) or "gptq" in str(v)][:1]
    unique.loc[{"variant": lacking}] = np.nan
    groups["neural/brain-00"] = regions.assign(unique_r2=unique)
    about = groups["benchmarks"].copy(deep=True)
    about["headline"] = (
        "benchmark",
        np.array(["unique", *["value"] * (about.sizes["benchmark"] - 1)], object),
    )
    groups["benchmarks"] = about
    rows = page_data(xr.DataTree.from_dict(groups), draws=10).tables["cells"]["brain-00"]
    untested = rows[rows["variant"].isin(lacking)]
    assert len(untested)
    assert untested["change"].isna().all()
