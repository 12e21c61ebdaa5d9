"""From accepted entries to one board."""

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from submission_fixtures import edited

from harness.board.files import open_board, save_board, table
from harness.board.submission.desk import accept, build
from harness.board.submission.merge import merge
from harness.board.submission.shelf import read_shelf
from harness.errors import SubmissionError


def test_a_merged_board_is_the_board_that_was_handed_in(handed, tmp_path):
    accept(handed.entries, [], tmp_path)
    path, *_ = build(tmp_path)
    back = open_board(path)
    mine, theirs = back["cells"].to_dataset(), handed.board["cells"].to_dataset()
    theirs = theirs.sel(model=mine["model"], compressor=mine["compressor"])
    for name in ("value", "low", "high", "ceiling", "normalised", "key", "status"):
        np.testing.assert_array_equal(mine[name].values, theirs[name].values)
    detail = back["neural/toy-listening"].to_dataset()
    original = handed.board["neural/toy-listening"].to_dataset().sel(variant=detail["variant"])
    xr.testing.assert_equal(
        detail[["r", "r_best"]].drop_attrs(), original[["r", "r_best"]].drop_attrs()
    )
    assert set(np.unique(mine["submitter"])) == {"", "Ada"} or set(
        np.unique(mine["submitter"])
    ) == {"Ada"}
    assert len(table(back)) == 10


def test_order_does_not_matter(handed, tmp_path):
    boards = set()
    for i, order in enumerate(itertools.islice(itertools.permutations(handed.entries), 0, 120, 29)):
        boards.add(save_board(merge(order), tmp_path / f"{i}.nc").read_bytes())
    assert len(boards) == 1


def test_another_process_makes_the_same_bytes(handed, tmp_path):
    accept(handed.entries[::-1], [], tmp_path / "a")
    accept(handed.entries, [], tmp_path / "b")
    code = "import sys; from harness.board.submission.desk import build; build(sys.argv[1])"
    for seed, name in (("1", "a"), ("2", "b")):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code, str(tmp_path / name)]
        subprocess.run(command, check=True, env=environment)
    assert (tmp_path / "a/board.nc").read_bytes() == (tmp_path / "b/board.nc").read_bytes()


def test_what_is_accepted_stays_as_it_is(handed, tmp_path):
    accept(handed.entries[:3], [], tmp_path)
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.rglob("*.json")}
    accept(handed.entries, [], tmp_path)
    assert all((p.read_bytes(), p.stat().st_mtime_ns) == b for p, b in before.items())
    assert len(read_shelf(tmp_path).entries) == 5


def test_the_higher_revision_is_shown(handed):
    entry = handed.entries[0]
    corrected = edited(entry, lambda r: (r.update(revision=2), r["cells"][0].update(value=0.111)))
    for order in ([entry, corrected], [corrected, entry]):
        cells = merge(order)["cells"].to_dataset()
        assert cells["value"].values.ravel()[0] == 0.111


def test_two_revisions_of_a_model_and_two_versions_of_a_benchmark(handed):
    entry = handed.entries[0]

    def another(record):
        record["model"]["revision"] = "abc"

    def older(record):
        record["benchmark"]["version"] = 0

    board = merge([entry, edited(entry, another), edited(entry, older)])
    cells = board["cells"].to_dataset()
    name, revision = (entry.record["model"][k] for k in ("name", "revision"))
    assert set(cells["model"].values) == {f"{name}@{revision[:12]}", f"{name}@abc"}
    assert set(cells["benchmark"].values) == {"toy-listening", "toy-listening@0"}


def test_the_state_of_verification_is_on_the_board(handed, tmp_path):
    accept(handed.entries, [], tmp_path)
    first, second, *_ = handed.entries
    for entry, outcome in ((first, "agrees"), (second, "differs")):
        path = tmp_path / "submissions" / entry.folder / f"{entry.id}.verified.json"
        cells = [{"compressor": "none", "outcome": outcome}]
        path.write_text(json.dumps({"entry": entry.id, "outcome": "verified", "cells": cells}))
    path, *_ = build(tmp_path)
    cells = open_board(path)["cells"].to_dataset().sel(compressor="none").squeeze("benchmark")
    said = dict(zip(cells["model"].values, cells["verified"].values, strict=True))
    assert said[first.record["model"]["name"]] == "verified"
    assert said[second.record["model"]["name"]] == "failed"
    assert sorted(said.values()) == ["failed", "unverified", "unverified", "unverified", "verified"]
    # The other cell of an entry of which one was verified is not.
    others = open_board(path)["cells"].to_dataset().sel(compressor="round").squeeze("benchmark")
    assert set(others["verified"].values) <= {"unverified", ""}
    assert "unverified" in others["verified"].values


def test_a_shelf_that_was_edited_is_not_built(handed, tmp_path):
    accept(handed.entries, [], tmp_path)
    path = next(tmp_path.rglob("*.nc"))
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(SubmissionError, match="edited"):
        build(tmp_path)
    with pytest.raises(SubmissionError, match="nothing to build"):
        build(tmp_path / "empty")
