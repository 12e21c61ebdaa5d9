"""From a board to pictures: the right voxels of the right people, and the command."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import xarray as xr
from typer.testing import CliRunner

from harness.board.files import save_board
from harness.cli import app
from harness.cli.new_benchmark import scaffold_benchmark
from harness.errors import DataError, ScoreError, SelectionError
from harness.own_data.benchmark import OwnData
from harness.report.board_maps import brain_maps
from harness.report.maps import VERTICES, MapStyle, of_differences

PEOPLE = {"p1": 3, "p2": 2}  # voxels
PLACES = {"p1": (5, 6, VERTICES + 9), "p2": (6, 7)}


def mapper(person, **_):
    n = PEOPLE[person]
    return scipy.sparse.csr_array((np.ones(n), (PLACES[person], range(n))), (2 * VERTICES, n))


@pytest.fixture
def board():
    r = np.array([[0.1, 0.2, 0.3, 0.4, np.nan], [0.5, 0.6, 0.7, 0.8, 0.9]], np.float32)
    names = ["a+none", "a+rtn-int4"]
    voxels = xr.Dataset(
        {
            "voxel_r": (("variant", "voxel"), r),
            "voxel_unique_r2": (("variant", "voxel"), r / 10),
            "voxel_participant": (("variant", "voxel"), [[0, 0, 0, 1, 1]] * 2),
        },
        coords={
            "variant": np.array(names, object),
            "participant": np.array(list(PEOPLE), object),
            "model": ("variant", np.array(["a", "a"], object)),
            "compressor": ("variant", np.array(["none", "rtn-int4"], object)),
        },
    )
    about = xr.Dataset(
        {"kind": ("benchmark", np.array(["neural", "linguistic"], object))},
        coords={"benchmark": np.array(["our-story", "pairs"], object)},
    )
    return xr.DataTree.from_dict(
        {
            "/neural/our-story": voxels,
            "/linguistic/pairs": xr.Dataset(),
            "/benchmarks": about,
            "/cells": about,
            "/models": xr.Dataset({"family": ("model", np.array(["a"], object))}),
        }
    )


def test_the_mean_brain_is_over_those_who_have_a_voxel_there(board):
    first, second = brain_maps(board, "our-story", mapper)
    assert (first.variant, first.whose, first.participants) == ("a+none", "mean", ("p1", "p2"))
    np.testing.assert_allclose(first.values[0, 5:7], [0.1, 0.3], rtol=1e-6)  # (.2 + .4) / 2
    assert np.isnan(first.values[0, 7])  # the voxel there has no score
    assert first.values[1, 9] == pytest.approx(0.3)
    assert np.isfinite(first.values).sum() == 3
    assert second.values[0, 7] == pytest.approx(0.9)


def test_participants_one_by_one(board):
    (only,) = brain_maps(
        board, "our-story", mapper, what="unique_r2", variants=["*int4"], participants=["p2"]
    )
    assert (only.variant, only.whose) == ("a+rtn-int4", "p2")
    np.testing.assert_allclose(only.values[0, 6:8], [0.08, 0.09], rtol=1e-6)
    assert np.isfinite(only.values).sum() == 2


@pytest.mark.parametrize(
    ("benchmark", "options", "error", "said", "hint"),
    [
        ("our-stroy", {}, SelectionError, "no benchmark on the board", "our-story"),
        ("pairs", {}, ScoreError, "no scores by voxel", "resolution=voxel"),
        ("our-story", {"what": "r2"}, ScoreError, "no 'r2' by voxel", "it has r, unique_r2"),
        ("our-story", {"what": "participant"}, ScoreError, "by voxel", "it has r, unique_r2"),
        ("our-story", {"variants": ["b*"]}, SelectionError, "matches b", "a+none"),
        ("our-story", {"participants": ["p3"]}, SelectionError, "no participant 'p3'", "p1"),
    ],
)
def test_what_is_not_there_is_named(board, benchmark, options, error, said, hint):
    with pytest.raises(error, match=said) as caught:
        list(brain_maps(board, benchmark, mapper, **options))
    assert hint in caught.value.hint


@pytest.fixture
def lab(tmp_path, board, monkeypatch):
    """A board, and the folder of a laboratory that has mappers."""
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    save_board(board, tmp_path / "board.nc")
    scaffold_benchmark("our-story", tmp_path / "lab")
    (tmp_path / "lab" / "mappers").mkdir()
    for person in PEOPLE:
        scipy.sparse.save_npz(tmp_path / "lab" / "mappers" / f"{person}.npz", mapper(person))
    path = tmp_path / "lab" / "benchmark.toml"
    path.write_text('mappers = "mappers/{participant}.npz"\n' + path.read_text())
    return tmp_path


def drawn(*arguments):
    return CliRunner().invoke(app, ["map", "data:lab", "--board", "board.nc", *arguments])


def test_the_command_writes_where_the_report_looks(lab):
    pytest.importorskip("nilearn", reason="needs the extra `report`")
    result = drawn("-v", "a+none", "--participants", "p1", "--threshold", ".05")
    assert result.exit_code == 0, result.output
    path = lab / "maps" / "our-story" / "a+none_r_p1.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert drawn("--as", "html").exit_code == 0
    assert "a+none, our-story, mean of 2 participants" in (
        lab / "maps" / "our-story" / "a+none_r_mean.html"
    ).read_text(encoding="utf-8")


def test_faults_of_mappers_are_told(lab):
    file = lab / "lab" / "mappers" / "p2.npz"
    file.write_bytes(file.read_bytes()[:200])
    assert "not a whole sparse matrix" in drawn().exception.message
    file.unlink()
    assert isinstance(drawn().exception, DataError)
    assert "no mapper at" in drawn().exception.message
    scipy.sparse.save_npz(file, mapper("p1"))
    assert "2 scores do not fit a mapper from 3 voxels" in drawn().exception.message
    toml = lab / "lab" / "benchmark.toml"
    toml.write_text(toml.read_text().partition("\n")[2])
    assert "names no mappers" in drawn().exception.message
    none = CliRunner().invoke(app, ["map", "brennan2016-alice", "--board", "board.nc"])
    assert "no benchmark on the board matches 'brennan2016-alice'" in none.exception.message
    many = CliRunner().invoke(app, ["map", "deniz2019-*", "--board", "board.nc"])
    assert "is more than one benchmark" in many.exception.message


def test_a_benchmark_without_a_way_to_the_surface(lab, monkeypatch):
    monkeypatch.delattr(OwnData, "surface")
    assert "our-story knows no way from its voxels" in drawn().exception.message


def test_only_voxels_that_are_significant_are_drawn(board):
    q = np.array([[0.01, 0.2, 0.01, 0.01, np.nan], [0.9] * 5])
    known = board["neural/our-story"].to_dataset()
    board["neural/our-story"] = xr.DataTree(
        known.assign(
            voxel_unique_q=(("variant", "voxel"), q), voxel_q=(("variant", "voxel"), 1 - q)
        )
    )
    first, second = brain_maps(
        board, "our-story", mapper, what="unique_r2", participants=["p1"], q=0.05, variants=["a+*"]
    )
    values = first.values.ravel()[list(PLACES["p1"])]
    np.testing.assert_allclose(values, [0.01, np.nan, 0.03], rtol=1e-6)
    assert np.isnan(second.values).all()
    (of_r,) = brain_maps(
        board, "our-story", mapper, what="r", participants=["p1"], q=0.2, variants=["a+rtn-int4"]
    )
    np.testing.assert_allclose(of_r.values.ravel()[5], 0.5)


def test_a_level_without_tests_is_an_error(board):
    with pytest.raises(ScoreError, match="unique_q"):
        list(brain_maps(board, "our-story", mapper, what="unique_r2", q=0.05))


def test_a_difference_is_taken_voxel_by_voxel(board):
    (only,) = brain_maps(board, "our-story", mapper, minus="a+none")
    assert only.variant == "a+rtn-int4"
    np.testing.assert_allclose(only.values[0, 5:7], [0.4, 0.4], rtol=1e-6)
    assert np.isnan(only.values[0, 7])  # one of the two has no score there
    with pytest.raises(SelectionError, match="has no variant 'a\\+nine'"):
        list(brain_maps(board, "our-story", mapper, minus="a+nine"))
    with pytest.raises(SelectionError, match="nothing is left"):
        list(brain_maps(board, "our-story", mapper, variants=["a+none"], minus="a+none"))


def test_a_difference_counts_where_either_is_significant(board):
    known = board["neural/our-story"].to_dataset()
    q = np.array([[0.01, 0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.01, 0.5, 0.5]])
    board["neural/our-story"] = xr.DataTree(known.assign(voxel_q=(("variant", "voxel"), q)))
    (only,) = brain_maps(board, "our-story", mapper, minus="a+none", q=0.05)
    assert np.isfinite(only.values).sum() == 2


def test_differences_are_white_at_zero_and_reach_as_far_to_either_side():
    values = np.array([[-0.2, 0.1, np.nan]])
    style = of_differences(values, MapStyle())
    assert style.low == -style.high < 0
    assert style.high == pytest.approx(0.2, rel=0.02)
    assert of_differences(values, MapStyle(high=0.5)).high == 0.5
    assert of_differences(np.full(3, np.nan), MapStyle()).high > 0
