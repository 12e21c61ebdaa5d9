"""A stranger's package, installed, found and used; a broken one beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both packages installed in it, as pip installs them."""
    folder = tmp_path_factory.mktemp("site")
    for package in ("sample_plugin", "broken_plugin"):
        source = tmp_path_factory.mktemp(package) / package
        subprocess.run(["cp", "-r", str(HERE / package), str(source)], check=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--no-build-isolation", "--target", str(folder), str(source)]
        subprocess.run(command, check=True, capture_output=True, text=True)
    return folder


def brainpress(site: Path, store: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": str(site),
        "BRAINPRESS_STORE": str(store),
        "BRAINPRESS_CACHE": str(store / "cache"),
        "COLUMNS": "200",
        "OMP_NUM_THREADS": "1",
    }
    code = "from harness.cli import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_doctor_names_each_fault_and_its_distribution(site, tmp_path):
    done = brainpress(site, tmp_path, "doctor")
    assert done.returncode == 1
    said = done.stdout
    for fault in (
        "a_package_that_is_not_installed",
        "SystemExit: a script, not a plugin",
        "returned a dict, not a ModelSpec",
        "ZeroDivisionError: at listing time",
        "the compressor name 'none' is taken by brainpress",
        "brainpress_broken.nowhere",
        "brainpress_modles",
    ):
        assert fault in said, fault
    assert said.count("brainpress-broken 0.0.1") == 7


def test_what_is_sound_beside_the_faults_is_listed(site, tmp_path):
    done = brainpress(site, tmp_path, "list")
    assert done.returncode == 0
    for name in ("sample-model", "sample-halve", "sample-lengths", "fine-beside-wrong"):
        assert name in done.stdout
    assert "7 plugins are broken" in done.stderr
    shown = brainpress(site, tmp_path, "show", "sample-halve")
    assert "Nobody (2026)" in shown.stdout
    assert "brainpress-sample 1.2.3" in shown.stdout


def test_the_strangers_plugins_run_together(site, tmp_path, tiny_release, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_SAMPLE_MODEL", str(tiny_release()))
    board = tmp_path / "board.nc"
    arguments = ["-m", "sample-model", "-c", "none,sample-halve", "-b", "sample-lengths"]
    done = brainpress(site, tmp_path, "run", *arguments, "--board", str(board))
    assert done.returncode == 0, done.stdout + done.stderr
    import harness

    cells = harness.open_board(board)["cells"].to_dataset()
    assert (cells["status"] == "done").all()
    values = cells["value"].values.ravel()
    assert len(set(values.tolist())) == 2
    said = json.loads(cells["provenance"].values.ravel()[0])
    assert said["context"] == "words(5)"
