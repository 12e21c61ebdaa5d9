"""docs/fmriprep.md, followed with a simulated folder; and descriptions that are written."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simulated_bids as sim

from harness.board.files import open_board
from harness.cli import main
from harness.errors import DataError
from harness.own_data.bids.describe import describe_derivatives
from harness.own_data.description import read_description

pytest.importorskip("nilearn")
PAGE = Path(__file__).parents[2] / "docs" / "fmriprep.md"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> sim.Simulated:
    kinds = ("volume", "surface", "parcels")
    return sim.simulate(tmp_path_factory.mktemp("bids") / "lab", kinds=kinds)


def command(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", arguments)
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_page(
    simulated: sim.Simulated, tmp_path: Path, tiny_release: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lab"
    shutil.copytree(simulated.folder, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BRAINPRESS_STORE", str(tmp_path / "store"))
    shutil.copytree(tiny_release(), folder / "my-model")
    for block in re.findall(r"^```bash\n(.*?)^```$", PAGE.read_text(), re.M | re.S):
        for line in block.splitlines():
            words = shlex.split(line)
            assert command(words, monkeypatch) == 0, line
            if words[1] == "new":  # the tiny model sees 63 tokens
                path = folder / "story" / "benchmark.toml"
                path.write_text('context = "strided(60,20)"\n' + path.read_text())
    said = read_description(folder / "story")
    assert said.participants == sim.PEOPLE
    assert (said.tr, said.runs[0].start, said.runs[1].bids) == (2.0, 1.0, "run-2")
    assert said.bids is not None
    assert said.bids.confounds == ("motion-6", "acompcor-5")
    board = open_board(tmp_path / "store" / "board.nc")
    cells = board["cells"].dataset.squeeze()
    assert str(cells["status"].values) == "done"
    # A random model of unrelated words knows their rate, which the responses follow; no more.
    assert 0.25 < float(cells["value"]) < np.sqrt(sim.RATE)
    assert abs(float(board["neural/story"]["unique_r2"].mean())) < 0.02
    assert np.isfinite(cells["ceiling"])
    assert (folder / "report" / "index.html").is_file()
    assert (folder / "story-inspection" / "index.html").is_file()


def test_what_a_folder_leaves_open_is_asked(simulated: sim.Simulated, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="responses of 3 spaces") as error:
        describe_derivatives("lab", simulated.root, "d")
    assert "fsLR, fsaverage5" in error.value.hint
    with pytest.raises(DataError, match="no responses of task rest"):
        describe_derivatives("lab", simulated.root, "d", task="rest")
    with pytest.raises(DataError, match=r"holds no sub-\*"):
        describe_derivatives("lab", tmp_path, "d")


def test_a_participant_without_a_run_is_left_out(simulated: sim.Simulated, tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    shutil.copytree(simulated.folder, folder)
    for path in folder.rglob("sub-03*run-2*space-MNI*"):
        path.unlink()
    written = describe_derivatives(
        "lab", folder / "derivatives/fmriprep", "derivatives/fmriprep", space=sim.SPACE
    )
    assert 'participants = ["01", "02", "04"]' in written.text
    assert list(written.left_out) == ["03"]
    assert "no responses of sub-03" in written.left_out["03"]


@pytest.mark.parametrize(("space", "by"), [("fsaverage5", "voxel"), ("fsLR", "roi")])
def test_other_spaces(simulated: sim.Simulated, space: str, by: str, tmp_path: Path) -> None:
    written = describe_derivatives("lab", simulated.root, str(simulated.root), space=space)
    path = tmp_path / "benchmark.toml"
    path.write_text(written.text)
    assert read_description(path).by == by
